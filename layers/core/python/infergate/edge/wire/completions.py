"""OpenAI's legacy completions, by a chat of one user's message. Pure.

Format: https://platform.openai.com/docs/api-reference/completions. As there, `max_tokens` is 16 where the caller sets none.
"""

from typing import Any

from infergate.edge.chat_request import CHOICES_MAX
from infergate.edge.fields import flag, whole
from infergate.edge.strict_json import parse_object
from infergate.edge.wire.blocks import ending, text_of
from infergate.edge.wire.translated import Translated, passed_through, refuse_others_names, translated
from infergate.kernel.errors import InvalidRequest

MAX_TOKENS = 16
_OTHERS_NAMES = {
    "messages": "the text is called prompt",
    "max_completion_tokens": "the limit is called max_tokens",
    "tools": "a completion calls none; use /v1/chat/completions",
    "top_logprobs": "it is called logprobs",
}
_TAKEN = frozenset({*_OTHERS_NAMES, "prompt", "suffix", "echo", "best_of", "logprobs"})
_PARAMS = {"messages": "prompt"}


def parse_completions(body: bytes, request_id: str) -> Translated:
    """Raises InvalidRequest with the field at fault in `param`."""
    values = parse_object(body)
    refuse_others_names(values, _OTHERS_NAMES, "completions")
    if values.get("suffix") is not None:
        raise InvalidRequest("suffix cannot be used: a chat model only goes on from a text's end.", "suffix")
    if flag(values, "echo"):
        raise InvalidRequest("echo cannot be used: the prompt is not part of a chat's answer.", "echo")
    choices = whole(values, "n", 1, CHOICES_MAX) or 1
    if (whole(values, "best_of", 1, CHOICES_MAX) or 1) > choices:
        raise InvalidRequest("There is no price for answers that are generated and not returned.", "best_of")
    chat = passed_through(values, _TAKEN)
    chat["messages"] = [{"role": "user", "content": _prompt(values.get("prompt"))}]
    if chat.get("max_tokens") is None:
        chat["max_tokens"] = MAX_TOKENS
    logprobs = whole(values, "logprobs", 0, 20)
    if logprobs is not None:
        chat |= {"logprobs": True, "top_logprobs": logprobs}
    return translated(values, chat, "completions", request_id, _PARAMS)


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise InvalidRequest(
            "prompt is one string; token numbers and several prompts in one request are not taken.", "prompt"
        )
    return prompt


def completion(answer: dict[str, Any]) -> dict[str, Any]:
    """A completion for a chat's answer, or for one chunk of it: both have the same shape here. `usage` and ids stay."""
    shown = {name: value for name, value in answer.items() if name not in ("object", "choices")}
    choices = answer.get("choices")
    made = [_choice(choice) for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    return {"object": "text_completion", "choices": made} | shown


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    said = choice.get("delta") or choice.get("message")
    said = said if isinstance(said, dict) else {}
    finish = choice.get("finish_reason") and ending(choice, called=False)
    return {
        "index": choice.get("index", 0),
        "text": text_of(said.get("content")) + text_of(said.get("refusal")),
        "logprobs": _logprobs(choice.get("logprobs")),
        "finish_reason": "stop" if finish == "tool_calls" else finish or None,
    }


def _logprobs(given: Any) -> dict[str, Any] | None:
    """Four lists side by side, one entry a token."""
    tokens = given.get("content") if isinstance(given, dict) else None
    if not isinstance(tokens, list):
        return None
    shown: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    offset = 0
    for token in tokens:
        if not isinstance(token, dict):
            continue
        text = text_of(token.get("token"))
        shown["tokens"].append(text)
        shown["token_logprobs"].append(token.get("logprob"))
        shown["top_logprobs"].append(_alternatives(token.get("top_logprobs")))
        shown["text_offset"].append(offset)
        offset += len(text)
    return shown


def _alternatives(given: Any) -> dict[str, Any]:
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    return {text_of(entry.get("token")): entry.get("logprob") for entry in entries}
