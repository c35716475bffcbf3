"""The upstreams of the harness, on loopback: a mock server from npm, recorded replies, and llama.cpp's server."""

import contextlib
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import recorded
from tests.support.live import serve
from tools.local.template import ROOT

HERE = Path(__file__).parent
LLAMA_HERE = importlib.util.find_spec("xllamacpp") is not None
"""There is a wheel of llama.cpp's server for Linux only: elsewhere its row is that much shorter."""
_LISTENING = re.compile(r"listening on (http://\S+)")


@dataclass
class Upstreams:
    mock: str
    """Speaks most kinds' formats, each under its own path; answers by what the last message says (fixtures.json)."""
    recorded: str
    """/KIND/FILE…: that recorded reply, whatever is asked."""
    llama: str | None
    """None where the platform has no wheel of it."""


@contextlib.asynccontextmanager
async def upstreams() -> AsyncIterator[Upstreams]:
    with contextlib.ExitStack() as processes:
        mock = processes.enter_context(_running(_mock_command()))
        llama = None
        if LLAMA_HERE:
            llama = processes.enter_context(_running([sys.executable, "-m", "tests.providers.llama_server"]))
        async with serve(_replay) as replay:
            yield Upstreams(mock, replay, llama)


def _mock_command() -> list[str]:
    """Installs it, as locked, on first use."""
    if shutil.which("npm") is None:
        raise RuntimeError("the mock server comes from npm: Node.js is needed")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = ROOT / ".tools" / f"providers-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True, timeout=180)
        (folder / "installed").touch()
    script = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    return [
        "node",
        str(script),
        "--port",
        "0",
        "--fixtures",
        str(HERE / "fixtures.json"),
        "--strict",
        "--validate-on-load",
    ]


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[str]:
    """A server in a process of its own, until the block ends. Yields the address that it prints."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := _LISTENING.search(line):
                break
        else:
            raise RuntimeError(f"{command[0]} did not start: {''.join(said)[-2000:]}")
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=10)


async def _replay(scope: Any, receive: Any, send: Any) -> None:
    """One recorded reply, by the first two parts of the path."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    _, kind, name, *_ = scope["path"].split("/")
    reply = recorded.reply(kind, name)
    headers = [(b"content-type", reply.content_type.encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
