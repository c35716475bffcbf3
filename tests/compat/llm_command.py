"""`llm`, the command-line tool: what it is told by its options, and what it prints."""

import asyncio
import base64
import codecs
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.compat.bench import Place
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, WEATHER, Answer, Refused, Weather

LLM = Path(sys.executable).with_name("llm")
ERROR = "Error"
"""It has one class of errors: a line on stderr that begins so, and exit code 1."""
FUNCTION = f'def {WEATHER}(city: str) -> str:\n    """The weather somewhere."""\n    return "{DEGREES}"\n'


class Llm:
    name = "llm (command line)"
    slug = "llm"
    not_offered = frozenset({"request id", "unknown fields"})
    refusals = dict.fromkeys((401, 402, 404, 429, 502), ERROR)
    encodings = (None,)
    at_once = 4

    async def models(self, at: Place) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            listed, _ = await _run(at, folder, "openai", "endpoint", f"{at.url}/v1", "--key", at.key, "--models")
        return listed.split()

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            said, noted = await _run(at, folder, "-m", at.model, "--no-stream", "-u", prompt=text)
        counted = re.search(r"Token usage: ([\d,]+) input, ([\d,]+) output", noted)
        assert counted is not None, noted
        tokens = (int(counted[1].replace(",", "")), int(counted[2].replace(",", "")))
        cost = re.search(r'"cost": "([\d.]+)"', noted)
        return Answer("".join(_without_newline([said])), None, tokens, cost and cost[1])

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            process = await _start(at, folder, ("-m", at.model), text)
            assert process.stdout is not None
            decode = codecs.getincrementaldecoder("utf-8")().decode
            pieces: list[str] = []
            while piece := await process.stdout.read(16):
                pieces.append(decode(piece))
                if len(pieces) == leave_after:
                    process.send_signal(signal.SIGINT)
                    break
            await process.communicate()
        return pieces if leave_after else _without_newline(pieces)

    async def tools(self, at: Place, text: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            said, _ = await _run(at, folder, "-m", at.model, "--functions", FUNCTION, prompt=text)
        return said

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        schema = json.dumps(Weather.model_json_schema())
        with tempfile.TemporaryDirectory() as folder:
            said, _ = await _run(at, folder, "-m", at.model, "--schema", schema, prompt=text)
        return Weather.model_validate_json(said).model_dump()

    async def look(self, at: Place, text: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "one.png"
            picture.write_bytes(base64.b64decode(PIXEL))
            options = ("--at", PICTURE_URL, "image/png", "-a", str(picture))
            await _run(at, folder, "-m", at.model, *options, prompt=text)

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]:
        with tempfile.TemporaryDirectory() as folder:
            return [json.loads((await _run(at, folder, "embed", "-m", at.model, "-c", text))[0]) for text in texts]


def _without_newline(pieces: list[str]) -> list[str]:
    """It prints one behind every answer."""
    return [*pieces[:-1], pieces[-1].removesuffix("\n")]


async def _run(at: Place, folder: str, *options: str, prompt: str = "") -> tuple[str, str]:
    process = await _start(at, folder, options, prompt)
    out, err = (part.decode() for part in await process.communicate())
    if process.returncode != 0:
        name, _, message = err.partition(": ")
        raise Refused(name, message)
    return out, err


async def _start(at: Place, folder: str, options: tuple[str, ...], prompt: str) -> asyncio.subprocess.Process:
    """`folder` is where it keeps its settings and its log."""
    model = {"model_id": at.model, "model_name": at.model, "api_base": f"{at.url}/v1", "api_key_name": "infergate"}
    model |= {"vision": True, "supports_tools": True, "supports_schema": True}  # type: ignore[dict-item]
    (Path(folder) / "extra-openai-models.yaml").write_text(yaml.safe_dump([model]))
    (Path(folder) / "keys.json").write_text(json.dumps({"infergate": at.key}))
    # It knows OpenAI's embedding models only, wherever OpenAI's SDK is told to go.
    where = {"OPENAI_BASE_URL": f"{at.url}/v1", "OPENAI_API_KEY": at.key, "LLM_USER_PATH": folder}
    process = await asyncio.create_subprocess_exec(
        str(LLM),
        *options,
        env={**os.environ, **where},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(prompt.encode())
    process.stdin.close()
    return process
