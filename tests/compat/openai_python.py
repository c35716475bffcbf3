"""OpenAI's Python SDK, with its asynchronous and its synchronous client."""

import asyncio
import base64
import struct
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI

from tests.compat.bench import Place
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, WEATHER, Answer, Weather

REFUSALS = {
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    502: openai.InternalServerError,
}
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": WEATHER,
            "description": "The weather somewhere",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


def pictures(text: str) -> Any:
    urls = (PICTURE_URL, f"data:image/png;base64,{PIXEL}")
    return [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]


def answer_of(completion: Any) -> Answer:
    usage = completion.usage
    return Answer(
        completion.choices[0].message.content,
        completion._request_id,
        (usage.prompt_tokens, usage.completion_tokens),
        usage.cost,
    )


def with_result(text: str, message: Any) -> Any:
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": DEGREES}
    return [*user(text), message.to_dict(), result]


class Async:
    name = "openai-python (async)"
    slug = "openai-python-async"
    not_offered: frozenset[str] = frozenset()
    refusals = REFUSALS
    encodings = (None, "float", "base64")
    at_once = 1

    def sdk(self, at: Place) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{at.url}/v1", api_key=at.key, max_retries=0)

    async def models(self, at: Place) -> list[str]:
        async with self.sdk(at) as sdk:
            return [model.id async for model in sdk.models.list()]

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        async with self.sdk(at) as sdk:
            return answer_of(await sdk.chat.completions.create(model=at.model, messages=user(text), extra_body=extra))

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        pieces: list[str] = []
        async with (
            self.sdk(at) as sdk,
            await sdk.chat.completions.create(model=at.model, messages=user(text), stream=True) as chunks,
        ):
            async for chunk in chunks:
                pieces += filter(None, [chunk.choices[0].delta.content])
                if len(pieces) == leave_after:
                    break
        return pieces

    async def tools(self, at: Place, text: str) -> str:
        async with self.sdk(at) as sdk:
            first = await sdk.chat.completions.create(model=at.model, messages=user(text), tools=TOOLS)
            messages = with_result(text, first.choices[0].message)
            second = await sdk.chat.completions.create(model=at.model, messages=messages, tools=TOOLS)
        return second.choices[0].message.content or ""

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        async with self.sdk(at) as sdk:
            parsed = await sdk.chat.completions.parse(model=at.model, messages=user(text), response_format=Weather)
        assert parsed.choices[0].message.parsed is not None
        return parsed.choices[0].message.parsed.model_dump()

    async def look(self, at: Place, text: str) -> None:
        async with self.sdk(at) as sdk:
            await sdk.chat.completions.create(model=at.model, messages=user(pictures(text)))

    async def embed(self, at: Place, texts: list[str], encoding: Any) -> list[list[float]]:
        async with self.sdk(at) as sdk:
            how = {} if encoding is None else {"encoding_format": encoding}
            made = await sdk.embeddings.create(model=at.model, input=texts, **how)
        return [floats(item.embedding) for item in made.data]


def floats(embedding: Any) -> list[float]:
    """The SDK decodes base64 only where it chose base64 by itself."""
    if not isinstance(embedding, str):
        return list(embedding)
    packed = base64.b64decode(embedding)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


class Sync:
    name = "openai-python (sync)"
    slug = "openai-python-sync"
    not_offered: frozenset[str] = frozenset()
    refusals = REFUSALS
    encodings = (None, "float", "base64")
    at_once = 1

    def sdk(self, at: Place) -> OpenAI:
        return OpenAI(base_url=f"{at.url}/v1", api_key=at.key, max_retries=0)

    async def models(self, at: Place) -> list[str]:
        def work() -> list[str]:
            with self.sdk(at) as sdk:
                return [model.id for model in sdk.models.list()]

        return await asyncio.to_thread(work)

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        def work() -> Answer:
            with self.sdk(at) as sdk:
                return answer_of(sdk.chat.completions.create(model=at.model, messages=user(text), extra_body=extra))

        return await asyncio.to_thread(work)

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        def work() -> list[str]:
            pieces: list[str] = []
            with (
                self.sdk(at) as sdk,
                sdk.chat.completions.create(model=at.model, messages=user(text), stream=True) as chunks,
            ):
                for chunk in chunks:
                    pieces += filter(None, [chunk.choices[0].delta.content])
                    if len(pieces) == leave_after:
                        break
            return pieces

        return await asyncio.to_thread(work)

    async def tools(self, at: Place, text: str) -> str:
        def work() -> str:
            with self.sdk(at) as sdk:
                first = sdk.chat.completions.create(model=at.model, messages=user(text), tools=TOOLS)
                messages = with_result(text, first.choices[0].message)
                second = sdk.chat.completions.create(model=at.model, messages=messages, tools=TOOLS)
            return second.choices[0].message.content or ""

        return await asyncio.to_thread(work)

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            with self.sdk(at) as sdk:
                parsed = sdk.chat.completions.parse(model=at.model, messages=user(text), response_format=Weather)
            assert parsed.choices[0].message.parsed is not None
            return parsed.choices[0].message.parsed.model_dump()

        return await asyncio.to_thread(work)

    async def look(self, at: Place, text: str) -> None:
        def work() -> None:
            with self.sdk(at) as sdk:
                sdk.chat.completions.create(model=at.model, messages=user(pictures(text)))

        await asyncio.to_thread(work)

    async def embed(self, at: Place, texts: list[str], encoding: Any) -> list[list[float]]:
        def work() -> list[list[float]]:
            with self.sdk(at) as sdk:
                how = {} if encoding is None else {"encoding_format": encoding}
                made = sdk.embeddings.create(model=at.model, input=texts, **how)
            return [floats(item.embedding) for item in made.data]

        return await asyncio.to_thread(work)
