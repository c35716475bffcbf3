"""Pydantic AI, with its OpenAI provider."""

from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, Embedder, ImageUrl, NativeOutput, exceptions
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.compat.bench import Place
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, Answer, Weather


def get_weather(city: str) -> str:
    """The weather somewhere."""
    return DEGREES


class PydanticAI:
    name = "Pydantic AI"
    slug = "pydantic-ai"
    not_offered = frozenset({"list models", "request id", "cost"})
    refusals = {  # noqa: RUF012  a protocol's member
        401: exceptions.ModelAuthenticationError,
        402: exceptions.ModelQuotaExceededError,
        404: exceptions.ModelNotFoundError,
        429: exceptions.ModelRateLimitError,
        502: exceptions.ModelServerError,
    }
    encodings = (None,)
    at_once = 1

    def provider(self, at: Place) -> OpenAIProvider:
        return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{at.url}/v1", api_key=at.key, max_retries=0))

    def agent(self, at: Place, **how: Any) -> Agent[None, Any]:
        return Agent(OpenAIChatModel(at.model, provider=self.provider(at)), **how)

    async def models(self, at: Place) -> list[str]:
        raise NotImplementedError("Pydantic AI lists no models")

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        result = await self.agent(at).run(text, model_settings={"extra_body": extra} if extra else None)
        usage = result.response.usage
        return Answer(result.output, tokens=(usage.input_tokens, usage.output_tokens))

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        pieces: list[str] = []
        async with self.agent(at).run_stream(text) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                pieces.append(piece)
                if len(pieces) == leave_after:
                    break
        return pieces

    async def tools(self, at: Place, text: str) -> str:
        result = await self.agent(at, tools=[get_weather]).run(text)
        return str(result.output)

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        result = await self.agent(at, output_type=NativeOutput(Weather)).run(text)
        value: Weather = result.output
        return value.model_dump()

    async def look(self, at: Place, text: str) -> None:
        picture = BinaryContent.from_data_uri(f"data:image/png;base64,{PIXEL}")
        await self.agent(at).run([text, ImageUrl(PICTURE_URL), picture])

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]:
        embedder = Embedder(OpenAIEmbeddingModel(at.model, provider=self.provider(at)))
        made = await embedder.embed_documents(texts)
        return [list(vector) for vector in made.embeddings]
