"""A call that costs nothing and shows that a provider answers and takes our key."""

from infergate.providers.anthropic import VERSION
from infergate.providers.openai import headers_of, path_of
from infergate.providers.quirks import KINDS
from infergate.providers.types import Call, Target


def probe_call(kind: str, target: Target) -> Call | None:
    """A GET, or None where this kind of provider has no such call.

    OpenAI's is https://platform.openai.com/docs/api-reference/models/list, and whoever speaks its format has it too;
    Anthropic's is https://platform.claude.com/docs/en/api/models/list.
    """
    if kind == "anthropic":
        return Call("/models", [("x-api-key", target.secret), ("anthropic-version", VERSION)], b"")
    if kind not in KINDS:
        return None
    return Call(path_of("models", target, KINDS[kind]), headers_of(target, KINDS[kind]), b"")
