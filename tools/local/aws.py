"""The embedded AWS: MiniStack as a child process, on loopback only.

    with EmbeddedAws() as aws:
        names = create_tables(boto3.client("dynamodb", **aws.client_arguments()))

    python -m tools.local.aws --port 4566 --state .local/aws     # until Ctrl-C

State lives in memory. With `state_dir` it is read at the start and written at an orderly stop, and only then: a killed
emulator forgets what happened since its start.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.local.template import ROOT, create_tables, tables_from_template

__all__ = ["EmbeddedAws", "create_tables", "free_port", "tables_from_template"]

PYTHON = ROOT / ".tools" / "emulator" / "bin" / "python"
EMULATOR = ROOT / "tools" / "local" / "emulator.py"
REGION = "us-east-1"
ACCOUNT = "000000000000"
START_S = 30.0
STOP_S = 15.0


class EmulatorError(RuntimeError):
    """MiniStack did not start; the message ends with what it said."""


class EmbeddedAws:
    """One MiniStack. `iam=True` checks signatures and lets a function do only what its role in the template allows."""

    region = REGION

    def __init__(self, port: int | None = None, state_dir: Path | None = None, *, iam: bool = False) -> None:
        self.port = port or free_port()
        self.state_dir = state_dir
        self.iam = iam
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """For a process whose AWS clients shall talk to this emulator. It knows these credentials, which are fakes."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client_arguments(self) -> dict[str, Any]:
        """For `boto3.client(name, **…)`, so that nothing in this process's environment has to change."""
        return client_arguments(self.endpoint)

    def start(self) -> Self:
        """Returns once it answers. Raises EmulatorError."""
        if not PYTHON.exists():
            raise EmulatorError(f"{PYTHON} is missing: run `make install` first")
        if _answers(self.port):
            raise EmulatorError(f"port {self.port} is taken")
        self._scratch = Path(tempfile.mkdtemp(prefix="infergate-aws-"))
        log = self.log_path.open("wb")
        # A session of its own: its functions run as its children, and a Ctrl-C meant for us must not kill it half-way.
        self._process = subprocess.Popen(
            [str(PYTHON), "-P", str(EMULATOR)],
            env=self._own_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._wait_until_healthy()
        return self

    def stop(self) -> None:
        """End it and its functions, and nothing else. Waits for the state to be written."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            # What is left in its process group are functions that outlived it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log_path(self) -> Path:
        """Where MiniStack writes; what the functions print is in there too."""
        place = self.state_dir or self._scratch
        if place is None:
            raise EmulatorError("not started")
        place.mkdir(parents=True, exist_ok=True)
        return place / "ministack.log"

    def _own_environment(self) -> dict[str, str]:
        """Made from nothing, because each function inherits it: no real credentials, no proxy, no PYTHONPATH."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "LANG": "C.UTF-8",
            "BIND_HOST": "127.0.0.1",  # its default is every interface
            "IOT_MTLS_ENABLED": "0",  # or it opens port 8883 on every interface
            "SFTP_ENABLED": "0",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LAMBDA_EXECUTOR": "local",
            "AUTH": "true" if self.iam else "false",
            "STATE_DIR": str(self.state_dir or self._scratch),
            "PERSIST_STATE": "1" if self.state_dir else "0",
            "S3_DATA_DIR": str((self.state_dir or self._scratch or Path()) / "s3"),
            "S3_PERSIST": "1" if self.state_dir else "0",
        }

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if _healthy(self.endpoint):
                return
            time.sleep(0.05)
        said = self.log_path.read_text(errors="replace")[-2000:]
        self.stop()
        raise EmulatorError(f"MiniStack did not start:\n{said}")


def client_arguments(endpoint: str) -> dict[str, Any]:
    """What every boto3 client of an embedded AWS is made with."""
    return {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _healthy(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2) as answer:  # noqa: S310  a loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the embedded AWS until Ctrl-C.")
    parser.add_argument("--port", type=int)
    parser.add_argument("--state", type=Path, help="folder to keep the state in")
    parser.add_argument("--iam", action="store_true", help="enforce the roles of the template")
    options = parser.parse_args()
    with EmbeddedAws(options.port, options.state, iam=options.iam) as aws:
        for name, value in aws.environment().items():
            print(f"export {name}={value}", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
