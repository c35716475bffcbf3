"""A call that costs nothing and shows that a provider answers and takes our key."""

from infergate.providers.types import Call, Target


def probe_call(kind: str, target: Target) -> Call | None:
    """A GET, or None where this kind of provider has no such call.

    OpenAI's is https://platform.openai.com/docs/api-reference/models/list, and whoever speaks its format has it too.
    """
    if kind != "openai":
        return None
    return Call("/models", [("authorization", f"Bearer {target.secret}")] if target.secret else [], b"")
