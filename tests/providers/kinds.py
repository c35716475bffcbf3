"""The kinds of provider as the harness meets them: where the mock speaks their format, what they do not offer."""

from dataclasses import dataclass, field

from infergate.providers import quirks

from tests.support import recorded

CAPABILITIES = (
    *("chat", "stream", "tools", "parallel tools", "images", "JSON schema", "reasoning", "cached tokens"),
    *("embeddings", "errors", "mid-stream failure"),
)


@dataclass(frozen=True)
class Kind:
    kind: str
    mock_path: str = "/v1"
    """The base URL's path on the mock, as it is at the vendor's."""
    options: dict[str, str] = field(default_factory=dict, hash=False)
    not_offered: frozenset[str] = frozenset()
    """By the vendor's documentation; see the sources in providers/quirks.py."""
    keyless: bool = False
    key_header: str = "authorization"
    upstream_model: str = "their-model"
    form: str = ""
    """Where a kind has two forms of its API: which of them."""

    @property
    def name(self) -> str:
        return f"{self.kind}{'-' if self.form else ''}{self.form}"

    @property
    def dialect(self) -> quirks.Dialect | None:
        """None for a kind that speaks another format."""
        found = quirks.KINDS.get(self.kind)
        return found.dialect if found else None

    def recorded_names(self) -> list[str]:
        known = (*recorded.EXPECTED, *recorded.OTHER_FORMATS, *recorded.REFUSALS)
        return [name.split("/")[1] for name in known if name.startswith(f"{self.kind}/")]


def _without(*capabilities: str) -> frozenset[str]:
    return frozenset(capabilities)


KINDS: tuple[Kind, ...] = (
    Kind("openai"),
    Kind("azure", "/openai/v1", key_header="api-key"),
    Kind("azure", "/openai", {"api_version": "2024-10-21"}, key_header="api-key", form="deployments"),
    Kind("anthropic", key_header="x-api-key", not_offered=_without("embeddings")),
    Kind(
        "bedrock",
        "",
        {"region": "eu-central-1"},
        keyless=True,
        key_header="",
        upstream_model="anthropic.claude-sonnet-4-6",
        not_offered=_without("embeddings"),
    ),
    Kind("gemini", "/v1beta/openai"),
    Kind("mistral"),
    Kind("groq", "/openai/v1", not_offered=_without("embeddings")),
    Kind("deepseek", "", not_offered=_without("embeddings", "JSON schema")),
    Kind("xai", not_offered=_without("embeddings")),
    Kind("together"),
    Kind("fireworks", "/inference/v1"),
    Kind("openrouter", "/api/v1"),
    Kind("vllm", keyless=True),
    Kind("ollama", keyless=True, not_offered=_without("cached tokens")),
    Kind("llamacpp", keyless=True),
)
