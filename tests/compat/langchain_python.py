"""LangChain, with langchain-openai."""

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from tests.compat.bench import Place
from tests.compat.client import DEGREES, Answer, Weather
from tests.compat.openai_python import REFUSALS, pictures


@tool
def get_weather(city: str) -> str:
    """The weather somewhere."""
    return DEGREES


class LangChain:
    name = "LangChain (langchain-openai)"
    slug = "langchain"
    not_offered = frozenset({"list models"})
    refusals = REFUSALS
    encodings = (None, "float")
    at_once = 1

    def chat(self, at: Place, **how: Any) -> ChatOpenAI:
        return ChatOpenAI(model=at.model, base_url=f"{at.url}/v1", api_key=SecretStr(at.key), max_retries=0, **how)

    async def models(self, at: Place) -> list[str]:
        raise NotImplementedError("LangChain lists no models")

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        message = await self.chat(at, include_response_headers=True, extra_body=extra).ainvoke(text)
        counted, told = message.usage_metadata, message.response_metadata
        assert counted is not None
        tokens = (counted["input_tokens"], counted["output_tokens"])
        return Answer(str(message.content), told["headers"]["x-request-id"], tokens, told["token_usage"]["cost"])

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        pieces: list[str] = []
        chunks = self.chat(at).astream(text)
        async for chunk in chunks:
            pieces += filter(None, [str(chunk.content)])
            if len(pieces) == leave_after:
                break
        await chunks.aclose()  # type: ignore[attr-defined]
        return pieces

    async def tools(self, at: Place, text: str) -> str:
        chat = self.chat(at).bind_tools([get_weather])
        first = await chat.ainvoke(text)
        (call,) = first.tool_calls
        result = ToolMessage(await get_weather.ainvoke(call["args"]), tool_call_id=call["id"])
        second = await chat.ainvoke([HumanMessage(text), first, result])
        return str(second.content)

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        value = await self.chat(at).with_structured_output(Weather).ainvoke(text)
        assert isinstance(value, Weather)
        return value.model_dump()

    async def look(self, at: Place, text: str) -> None:
        await self.chat(at).ainvoke([HumanMessage(pictures(text))])

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]:
        how: Any = {} if encoding is None else {"model_kwargs": {"encoding_format": encoding}}
        # Text goes out as text: LangChain would cut it into tokens of OpenAI's own models, with a list that it downloads.
        model = OpenAIEmbeddings(
            model=at.model,
            base_url=f"{at.url}/v1",
            api_key=SecretStr(at.key),
            check_embedding_ctx_length=False,
            max_retries=0,
            **how,
        )
        return await model.aembed_documents(texts)
