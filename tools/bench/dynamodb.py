"""DynamoDB and Secrets Manager that take no time, or a set time a call: what they answer was said by the embedded AWS before.

Reads come from the items that the real set-up code stored there; each kind of write gets the answer that it got there.
Nothing is written, so no condition fails: this stands for a store that says yes.

    python -m tools.bench.dynamodb PORT PRIMED.json

`POST /delay` sets the seconds that every answer waits.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import orjson

from tools.bench.wire import Log, answer_of, serve

_TARGET = re.compile(rb"x-amz-target: ?(?:dynamodb_20120810|secretsmanager)\.([a-z]+)")
_UPDATE = re.compile(rb'"UpdateExpression": ?"SET (\S+ = \S+ \S)')
_TABLE = re.compile(rb'"TableName": ?"([^"]+)"')
_UNKNOWN = {"__type": "ResourceNotFoundException", "message": "the bench was not primed with this"}


def kind_of(operation: bytes, body: bytes) -> str:
    """What a write does, as far as its answer depends on it: `updateitem accounts available = available - `."""
    table, update = _TABLE.search(body), _UPDATE.search(body)
    named = table[1].decode().rpartition("-")[2] if table else "?"
    return " ".join([operation.decode().lower(), named, *([update[1].decode()] if update else [])])


class DynamoDB:
    def __init__(self, primed: dict[str, Any]) -> None:
        self._items = {tuple(place): item for place, item in primed["items"]}
        self._secrets: dict[str, str] = primed["secrets"]
        self._writes = {kind: answer_of("200 OK", orjson.dumps(said)) for kind, said in primed["writes"].items()}
        self._delay_s = 0.0
        self._log = Log()

    def answer(self, head: bytes, body: bytes, transport: asyncio.Transport) -> None:
        if head.startswith(b"get /log"):
            transport.write(answer_of("200 OK", self._log.take()))
        elif head.startswith(b"post /delay"):
            self._delay_s = float(body)
            transport.write(answer_of("200 OK", b"{}"))
        elif self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, transport.write, self._said(head, body))
        else:
            transport.write(self._said(head, body))

    def _said(self, head: bytes, body: bytes) -> bytes:
        target = _TARGET.search(head)
        operation = target[1] if target else b"?"
        kind = kind_of(operation, body)
        self._log.note(kind)
        if said := self._writes.get(kind):
            return said
        params = orjson.loads(body)
        if operation == b"getitem":
            found = self._items.get((params["TableName"], params["Key"]["pk"]["S"], params["Key"]["sk"]["S"]))
            return answer_of("200 OK", orjson.dumps({"Item": found} if found else {}))
        if operation == b"getsecretvalue" and (text := self._secrets.get(params["SecretId"])):
            return answer_of("200 OK", orjson.dumps({"SecretString": text}))
        return answer_of("400 Bad Request", orjson.dumps(_UNKNOWN))


if __name__ == "__main__":
    serve(DynamoDB(orjson.loads(Path(sys.argv[2]).read_bytes())).answer, int(sys.argv[1]))
