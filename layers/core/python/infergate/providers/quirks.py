"""How the APIs that call themselves OpenAI-compatible differ from OpenAI's: one entry a kind, each with its source.

A kind not listed here speaks another format and has a file of its own. What differs in a request is its `Dialect`, what
differs in an answer or a stream its `Replies`; where nothing differs, nothing is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a request must look like. The defaults are OpenAI's own."""

    output_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """Its name for the output limit. Who knows the newer name knows the older one too."""
    asks_for_usage: bool = True
    """Whether a stream reports usage only if asked for it; False: it does unasked, and refuses the question."""
    developer_role: bool = True
    """False: a developer's message goes out as a system message, which it is."""
    hints: bool = True
    """False: HINTS are left out."""
    lacks: frozenset[str] = frozenset()
    """Fields of OpenAI's that it refuses, or ignores in silence. A value that is NEUTRAL is left out, any other refused."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    adds: Mapping[str, Any] = field(default_factory=dict)
    message_names: bool = True
    custom_tools: bool = True
    strict_tools: bool = True
    """False: it takes `strict: true` of a tool and does not keep to it."""
    json_schema: bool = True
    image_urls: bool = True
    """False: it takes images as data only."""
    takes: str = ""
    """What it takes beside OpenAI's fields, in the words of plain.py; a channel's option `takes` adds to it."""
    reasoning: Literal["reasoning_content", "reasoning", "thinking"] = "reasoning_content"
    """Where an assistant's message that is handed back holds its reasoning; `thinking`: as a part of its content."""
    embeddings: bool = True
    dimensions: str | None = "dimensions"
    """Its name for the length of an embedding, None where it cannot be chosen."""


@dataclass(frozen=True, slots=True)
class Replies:
    """How its answers, chunks and errors differ."""

    usage_in: str | None = None
    """The object of a chunk that may hold the usage in the place of the chunk itself."""
    cached_in: str | None = None
    """Its own name for the cached tokens of a prompt, where it does not (always) use OpenAI's."""
    reasoning_beside: bool = False
    """`completion_tokens` leaves out the reasoning, `total_tokens` does not."""
    private: frozenset[str] = frozenset()
    """Parts of its usage that are between it and the house: what the house pays is not for the caller."""
    reasoning_in: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    content_parts: bool = False
    """Content may come as a list of parts, of type text or thinking."""
    unnumbered_tools: bool = False
    """Tool calls of a stream come without an index (or all with the same), and end in finish_reason `stop`."""
    finish_reasons: Mapping[str, str] = field(default_factory=dict)
    failures: frozenset[str] = frozenset()
    """Finish reasons that mean that it broke off by its own fault."""


@dataclass(frozen=True, slots=True)
class Quirks:
    dialect: Dialect = Dialect()
    replies: Replies | None = None
    """None: its answers are OpenAI's, and are passed on as they come."""
    key_header: Literal["authorization", "api-key"] = "authorization"
    deployments: bool = False
    """With the option `api_version`, the model is a part of the path."""


HINTS = ("user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention")
"""Who asks, how to file it, what to cache: they change no answer."""

NEUTRAL: Mapping[str, Any] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "store": False,
    "service_tier": "default",
    "verbosity": "medium",
    "modalities": ["text"],
}
"""Values that mean as much as leaving the field out."""

_OPENAIS_OWN = ("store", "verbosity", "modalities", "service_tier")


def _lacks(*names: str) -> frozenset[str]:
    return frozenset((*_OPENAIS_OWN, *names))


OPENAI = Quirks()  # https://platform.openai.com/docs/api-reference/chat

# The v1 API, https://RESOURCE.openai.azure.com/openai/v1, and the older one with a deployment in the path and a dated
# version in the query: https://learn.microsoft.com/azure/ai-foundry/openai/reference
AZURE = Quirks(key_header="api-key", deployments=True)

# https://ai.google.dev/gemini-api/docs/openai and https://ai.google.dev/api/compatibility (the list of fields; any other
# is 400 `Unknown name`: magentic#382, n4ze3m/page-assist#418). completion_tokens leaves out the thoughts, total_tokens does
# not: mozilla-ai/any-llm#1290. Tool calls without an index, ending in `stop`: open-webui/computer#224, THU-MAIC/OpenMAIC#1556.
# Finish reasons in Gemini's own words: https://ai.google.dev/api/generate-content#FinishReason, HKUDS/Vibe-Trading#308.
GEMINI = Quirks(
    Dialect(
        developer_role=False,
        hints=False,
        lacks=_lacks(
            *("frequency_penalty", "presence_penalty", "seed", "logit_bias", "logprobs", "top_logprobs"),
            "parallel_tool_calls",
        ),
        custom_tools=False,
        strict_tools=False,
    ),
    Replies(
        reasoning_beside=True,
        unnumbered_tools=True,
        finish_reasons={
            "STOP": "stop",
            "MAX_TOKENS": "length",
            **dict.fromkeys(
                (
                    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
                    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
                ),
                "content_filter",
            ),
        },
        failures=frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"}),
    ),
)

# https://docs.mistral.ai/api/endpoint/chat. Any other field is 422 `extra_forbidden`, among them max_completion_tokens
# (editor-code-assistant/eca#231) and stream_options.include_usage (BerriAI/litellm#8978): the last chunk has the usage.
# Cached tokens: https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching, vercel/ai#14382.
# Reasoning as parts of the content: https://docs.mistral.ai/capabilities/reasoning. Finish reasons: its OpenAPI document.
MISTRAL = Quirks(
    Dialect(
        output_field="max_tokens",
        asks_for_usage=False,
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("logit_bias", "logprobs", "top_logprobs"),
        renamed={"seed": "random_seed"},
        custom_tools=False,
        reasoning="thinking",
        dimensions="output_dimension",
    ),
    Replies(
        cached_in="num_cached_tokens",
        content_parts=True,
        finish_reasons={"model_length": "length"},
        failures=frozenset({"error"}),
    ),
)

# https://console.groq.com/docs/openai ("currently unsupported", 400) and groq-python's types for `x_groq` and `reasoning`.
GROQ = Quirks(
    Dialect(
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("n", "logprobs", "top_logprobs", "logit_bias"),
        message_names=False,
        custom_tools=False,
        reasoning="reasoning",
        embeddings=False,
    ),
    Replies(usage_in="x_groq", reasoning_in="reasoning"),
)

# https://api-docs.deepseek.com/api/create-chat-completion: the fields there are all; others are ignored. `strict` needs the
# beta base URL, response_format is text or json_object. developer: 400 `unknown variant` (earendil-works/pi#1048).
# Cached tokens: https://api-docs.deepseek.com/guides/kv_cache.
DEEPSEEK = Quirks(
    Dialect(
        output_field="max_tokens",
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("n", "seed", "logit_bias", "parallel_tool_calls"),
        custom_tools=False,
        strict_tools=False,
        json_schema=False,
        embeddings=False,
    ),
    Replies(cached_in="prompt_cache_hit_tokens", failures=frozenset({"insufficient_system_resource"})),
)

# https://docs.x.ai/docs/api-reference#chat-completions. Penalties, 0 included, are 400 on its present models
# (miaoxworld/NativeTavern#83), to which logit_bias and logprobs mean nothing. Reasoning is counted beside
# completion_tokens: https://docs.x.ai/docs/key-information/consumption-and-rate-limits, vercel/ai#12425. Errors are
# {"code", "error": text}: BerriAI/litellm#12635.
XAI = Quirks(
    Dialect(
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"),
        custom_tools=False,
        embeddings=False,
    ),
    Replies(reasoning_beside=True, private=frozenset({"cost_in_usd_ticks"})),
)

# https://docs.together.ai/reference/chat-completions-1 (logprobs is a number there, and answered in another form), usage in
# a stream: vercel/ai#17986. Top-level cached_tokens, as Kimi's own API has it: https://platform.kimi.ai/docs/api/chat.
TOGETHER = Quirks(
    Dialect(
        output_field="max_tokens",
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("logprobs", "top_logprobs", "parallel_tool_calls"),
        custom_tools=False,
        strict_tools=False,
        reasoning="reasoning",
        dimensions=None,
    ),
    Replies(cached_in="cached_tokens", reasoning_in="reasoning", finish_reasons={"eos": "stop"}),
)

# https://docs.fireworks.ai/api-reference/post-chatcompletions. Without the addition it lowers an output limit that does not
# fit, in silence. logprobs are in the legacy form unless asked for as OpenAI does; usage in a stream must be asked for on
# newer models (langchain-ai/langchain#36977).
FIREWORKS = Quirks(
    Dialect(
        output_field="max_tokens",
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks(),
        adds={"context_length_exceeded_behavior": "error"},
        custom_tools=False,
    ),
    Replies(cached_in="cached_tokens"),
)

# https://openrouter.ai/docs/api/reference/parameters: a parameter that a model's provider does not support is ignored,
# unless the request goes only to those that support all of them. `n` is not among the parameters. Usage, with what the
# house pays: https://openrouter.ai/docs/use-cases/usage-accounting; errors in mid-stream: …/docs/api/reference/streaming.
OPENROUTER = Quirks(
    Dialect(
        output_field="max_tokens",
        hints=False,
        takes="reasoning cache_control",
        lacks=_lacks("n"),
        adds={"provider": {"require_parameters": True}},
        custom_tools=False,
        reasoning="reasoning",
    ),
    Replies(
        private=frozenset({"cost", "cost_details", "is_byok"}),
        reasoning_in="reasoning",
        failures=frozenset({"error"}),
    ),
)

# https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html: unknown fields are ignored with a warning in its own
# log. Errors were top-level before 0.10.1 (vllm-project/vllm#22099), in streams too; `reasoning_content` became `reasoning`.
VLLM = Quirks(
    Dialect(
        developer_role=False, hints=False, takes="reasoning", lacks=_lacks(), custom_tools=False, strict_tools=False
    ),
    Replies(reasoning_in="reasoning"),
)

# https://docs.ollama.com/api/openai-compatibility: the fields there are all; others are ignored. Images: openai.go decodes
# data URLs only.
OLLAMA = Quirks(
    Dialect(
        output_field="max_tokens",
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("n", "logit_bias", "tool_choice", "parallel_tool_calls"),
        custom_tools=False,
        strict_tools=False,
        image_urls=False,
        reasoning="reasoning",
    ),
    Replies(reasoning_in="reasoning", unnumbered_tools=True),
)

# llama.cpp's tools/server/README.md and server-schema.cpp. Tools are held to their schemas by a grammar. Of several choices
# it reports the tokens of one (measured with xllamacpp 2026.10.11549): they could not be charged for.
LLAMACPP = Quirks(
    Dialect(
        output_field="max_tokens",
        developer_role=False,
        hints=False,
        takes="reasoning",
        lacks=_lacks("n"),
        custom_tools=False,
        dimensions=None,
    ),
    Replies(),
)

KINDS: Mapping[str, Quirks] = {
    "openai": OPENAI,
    "azure": AZURE,
    "gemini": GEMINI,
    "mistral": MISTRAL,
    "groq": GROQ,
    "deepseek": DEEPSEEK,
    "xai": XAI,
    "together": TOGETHER,
    "fireworks": FIREWORKS,
    "openrouter": OPENROUTER,
    "vllm": VLLM,
    "ollama": OLLAMA,
    "llamacpp": LLAMACPP,
}
