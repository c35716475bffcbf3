"""Clients for Node: each is a program that does the tasks of client.py, in one process for the whole run."""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.compat.bench import Place
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, WEATHER, Answer, Refused
from tests.support.node import node_folder

PROGRAMS = Path(__file__).with_name("node")
LINE_MAX = 1 << 23
GIVEN = {"tool": WEATHER, "degrees": DEGREES, "picture_url": PICTURE_URL, "pixel": PIXEL}
OPENAI_REFUSALS = {
    401: "AuthenticationError",
    402: "APIError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
}
AI_SDK_REFUSALS = dict.fromkeys((401, 402, 404, 429, 502), "AI_APICallError")


@dataclass(eq=False)
class NodeClient:
    name: str
    slug: str
    program: str
    refusals: Mapping[int, str]
    not_offered: frozenset[str] = frozenset()
    encodings: Sequence[str | None] = (None,)
    at_once: int = 1
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    async def models(self, at: Place) -> list[str]:
        found: list[str] = await self._do("models", at)
        return found

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        told = await self._do("ask", at, text, extra)
        return Answer(told["text"], told["request_id"], tuple(told["tokens"]), told.get("cost"))

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        pieces: list[str] = await self._do("stream", at, text, leave_after)
        return pieces

    async def tools(self, at: Place, text: str) -> str:
        return str(await self._do("tools", at, text))

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        value: dict[str, Any] = await self._do("structured", at, text)
        return value

    async def look(self, at: Place, text: str) -> None:
        await self._do("look", at, text)

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]:
        vectors: list[list[float]] = await self._do("embed", at, texts, encoding)
        return vectors

    async def _do(self, method: str, at: Place, *args: Any) -> Any:
        process = self._process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"method": method, "at": asdict(at), "args": args}).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        assert line, f"{self.program} ended"
        answer = json.loads(line)
        if refused := answer.get("refused"):
            raise Refused(refused["name"], refused["message"], refused["status"])
        return answer.get("value")

    async def _start(self) -> asyncio.subprocess.Process:
        programs = await asyncio.to_thread(node_folder) / "compat"
        _copy(programs)
        return await asyncio.create_subprocess_exec(
            *("node", "worker.mjs", f"./{self.program}"),
            cwd=programs,
            env={**os.environ, "GIVEN": json.dumps(GIVEN)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_MAX,
        )

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


def _copy(to: Path) -> None:
    """The programs, to where they find their packages; each file at once, as another client may be reading it."""
    to.mkdir(exist_ok=True)
    for program in PROGRAMS.iterdir():
        with tempfile.NamedTemporaryFile(dir=to, delete=False) as new:
            new.write(program.read_bytes())
        Path(new.name).replace(to / program.name)


def node_clients() -> list[NodeClient]:
    no_list = frozenset({"list models"})
    return [
        NodeClient("openai-node", "openai-node", "openai.mjs", OPENAI_REFUSALS, encodings=(None, "float", "base64")),
        NodeClient(
            "AI SDK, @ai-sdk/openai (Responses)",
            "ai-sdk-responses",
            "ai_sdk_responses.mjs",
            AI_SDK_REFUSALS,
            no_list | {"unknown fields"},
        ),
        NodeClient(
            "AI SDK, @ai-sdk/openai (chat)",
            "ai-sdk-chat",
            "ai_sdk_chat.mjs",
            AI_SDK_REFUSALS,
            no_list | {"unknown fields"},
        ),
        NodeClient(
            "AI SDK, @ai-sdk/openai-compatible",
            "ai-sdk-compatible",
            "ai_sdk_compatible.mjs",
            AI_SDK_REFUSALS,
            no_list,
        ),
    ]
