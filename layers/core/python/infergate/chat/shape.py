"""The last touches to what goes out: the request with its limit, the answer with its cost, the headers. Pure."""

import base64
import struct
from typing import Any

from infergate.chat.relay import wire_usage
from infergate.chat.types import Headers, InferenceRequest
from infergate.kernel.money import Nanos, format_usd
from infergate.limits.rates import Standings
from infergate.providers.wire_json import dump_json

OUTPUT_FIELDS = ("max_tokens", "max_completion_tokens")


def outgoing_body(request: InferenceRequest, output: int) -> dict[str, Any]:
    """The caller's body with the output limit that its hold covers, under the name that the caller used.

    A provider that knows only the older `max_tokens` is given that: its dialect sees to it.
    """
    if request.kind != "chat":
        return request.body
    given = [name for name in OUTPUT_FIELDS if request.body.get(name) is not None]
    body = {name: value for name, value in request.body.items() if name not in OUTPUT_FIELDS}
    body[given[-1] if given else "max_completion_tokens"] = output
    return body


def answer_headers(standings: Standings, output: int, cost: Nanos | None) -> Headers:
    """Rate limits as OpenAI writes them (a reset is a Go duration), the output limit in force, and the cost if known."""
    reset = b"%ds" % standings.resets_in_s
    headers = [
        (b"x-ratelimit-limit-requests", b"%d" % standings.requests.limit.value),
        (b"x-ratelimit-limit-tokens", b"%d" % standings.tokens.limit.value),
        (b"x-ratelimit-remaining-requests", b"%d" % standings.requests.remaining),
        (b"x-ratelimit-remaining-tokens", b"%d" % standings.tokens.remaining),
        (b"x-ratelimit-reset-requests", reset),
        (b"x-ratelimit-reset-tokens", reset),
    ]
    if output:
        headers.append((b"x-infergate-max-tokens", b"%d" % output))
    if cost is not None:
        headers.append((b"x-infergate-cost", format_usd(cost).encode()))
    return headers


def priced_answer(
    request: InferenceRequest, answer: dict[str, Any], units: dict[str, int], cost: Nanos | None
) -> bytes:
    """The provider's answer with what it cost in its usage; without, if the charge could not be booked."""
    usage = answer.get("usage")
    usage = dict(usage) if isinstance(usage, dict) else wire_usage(units)
    usage.pop("cost", None)
    if cost is not None:
        usage["cost"] = format_usd(cost)
    answer["usage"] = usage
    if request.kind == "embedding" and request.body.get("encoding_format") == "base64":
        rows = answer.get("data")
        for row in rows if isinstance(rows, list) else ():
            _encode_row(row)
    return dump_json(answer)


def _encode_row(row: Any) -> None:
    """A client that asked for base64 reads a list of numbers as garbage, without an error: never send it one."""
    if isinstance(row, dict) and isinstance(row.get("embedding"), list):
        numbers = row["embedding"]
        try:
            row["embedding"] = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        except (struct.error, OverflowError):
            row["embedding"] = None
