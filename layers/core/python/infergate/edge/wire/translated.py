"""From another format's fields to a checked chat."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from infergate.chat.types import InferenceRequest
from infergate.edge.chat_request import checked_chat
from infergate.kernel.errors import InvalidRequest
from infergate.providers.wire_json import dump_json


@dataclass(slots=True)
class Translated(InferenceRequest):
    """A request whose caller does not speak chat. `original` holds its fields as they came."""

    original: dict[str, Any] = field(default_factory=dict)


def translated(
    original: dict[str, Any], chat: dict[str, Any], wire: str, request_id: str, params: Mapping[str, str]
) -> Translated:
    """`params`: what a chat's field is called in the caller's format, for refusals.

    The bound on the input is the length of the chat, which is all that a provider sees. So whatever a translation adds, moves
    or writes at greater length is inside it.
    """
    try:
        request = checked_chat(chat, dump_json(chat), request_id)
    except InvalidRequest as refused:
        refused.param = params.get(refused.param or "", refused.param)
        raise
    values = {each.name: getattr(request, each.name) for each in fields(request)}
    return Translated(**values | {"wire": wire}, original=original)


def refuse_others_names(values: dict[str, Any], names: Mapping[str, str], wire: str) -> None:
    """A chat's field that has another name here must not slip past the translation into the chat."""
    for name, ours in names.items():
        if values.get(name) is not None:
            raise InvalidRequest(f"{name} is not a field of {wire}; {ours}.", name)


def passed_through(values: dict[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """The fields that the translation does not know: a chat passes them to the provider, and so does this."""
    return {name: value for name, value in values.items() if name not in taken}
