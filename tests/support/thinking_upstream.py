"""An upstream that thinks aloud before it answers, as reasoning models behind OpenAI's wire format do."""

from typing import Any

import orjson

THOUGHT, SIGNATURE, SAID = ["Let me ", "see."], "c2lnbmVk", ["Seven ", "degrees."]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}

bodies: list[dict[str, Any]] = []
"""What was asked, as it arrived."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    asked = orjson.loads(body)
    bodies.append(asked)
    kind = b"text/event-stream" if asked.get("stream") else b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    answer = b"".join(_events()) if asked.get("stream") else orjson.dumps(_whole())
    await send({"type": "http.response.body", "body": answer})


def _details() -> list[dict[str, str]]:
    return [{"type": "reasoning.text", "text": "", "signature": SIGNATURE}]


def _whole() -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(SAID), "reasoning_content": "".join(THOUGHT)}
    choice = {"index": 0, "message": message | {"reasoning_details": _details()}, "finish_reason": "stop"}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "thinker",
        "choices": [choice],
        "usage": USAGE,
    }


def _events() -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in THOUGHT]
    deltas += [{"reasoning_details": _details()}, *({"content": piece} for piece in SAID)]
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "thinker"}
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append(head | {"choices": [], "usage": USAGE})
    return [b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
