"""Anthropic's Python SDK, on /v1/messages."""

from typing import Any

import anthropic
from anthropic import AsyncAnthropic

from tests.compat.bench import Place
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, WEATHER, Answer, Weather

TOOL: Any = {
    "name": WEATHER,
    "description": "The weather somewhere",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MAX = 1000


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


class Anthropic:
    name = "anthropic (/v1/messages)"
    slug = "anthropic"
    not_offered = frozenset({"embeddings"})
    refusals = {  # noqa: RUF012  a protocol's member
        401: anthropic.AuthenticationError,
        402: anthropic.PaymentRequiredError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        502: anthropic.InternalServerError,
    }
    encodings = ()
    at_once = 1

    def sdk(self, at: Place) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=at.url, auth_token=at.key, max_retries=0)

    async def models(self, at: Place) -> list[str]:
        async with self.sdk(at) as sdk:
            return [model.id async for model in sdk.models.list()]

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        async with self.sdk(at) as sdk:
            message: Any = await sdk.messages.create(
                model=at.model, max_tokens=MAX, messages=user(text), extra_body=extra
            )
        tokens = (message.usage.input_tokens, message.usage.output_tokens)
        return Answer(message.content[0].text, message._request_id, tokens, message.usage.cost)

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        pieces: list[str] = []
        async with (
            self.sdk(at) as sdk,
            sdk.messages.stream(model=at.model, max_tokens=MAX, messages=user(text)) as opened,
        ):
            async for piece in opened.text_stream:
                pieces.append(piece)
                if len(pieces) == leave_after:
                    break
        return pieces

    async def tools(self, at: Place, text: str) -> str:
        asked: Any = {"model": at.model, "max_tokens": MAX, "tools": [TOOL]}
        async with self.sdk(at) as sdk:
            first = await sdk.messages.create(messages=user(text), **asked)
            (use,) = first.content
            result = {"type": "tool_result", "tool_use_id": use.id, "content": DEGREES}  # type: ignore[union-attr]
            second: Any = await sdk.messages.create(messages=[*user(text), first.to_param(), *user([result])], **asked)
        return str(second.content[0].text)

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        async with self.sdk(at) as sdk:
            message = await sdk.messages.parse(
                model=at.model, max_tokens=MAX, messages=user(text), output_format=Weather
            )
        assert message.parsed_output is not None
        return message.parsed_output.model_dump()

    async def look(self, at: Place, text: str) -> None:
        sources = (
            {"type": "url", "url": PICTURE_URL},
            {"type": "base64", "media_type": "image/png", "data": PIXEL},
        )
        content = [{"type": "text", "text": text}, *({"type": "image", "source": source} for source in sources)]
        async with self.sdk(at) as sdk:
            await sdk.messages.create(model=at.model, max_tokens=MAX, messages=user(content))

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]:
        raise NotImplementedError("Anthropic's API has no embeddings")
