"""`Idempotency-Key`: the same key and body cost once, however often and from wherever they are sent.

counters table:
  IDEM#<account>#<endpoint>#<hash of the key>   IDEM   the request that has the key, the hash of its body, its answer

A request claims its key before it reserves anything. What a second one with the key meets is decided by the first one's
receipt: charged means done; a receipt of cost 0 means that it came to nothing, so the second takes the key over; no
receipt means that it is still under way, until its deadline has passed. Then the second writes the receipt of cost 0
itself, so that the first, should it still be alive, can no longer charge.
"""

import hashlib
import re
from dataclasses import dataclass

from infergate.chat.types import Headers, House, Reply
from infergate.kernel.errors import (
    AlreadyCompleted,
    IdempotencyMismatch,
    InferGateError,
    InvalidRequest,
    RequestInFlight,
    Unavailable,
)
from infergate.kernel.ids import made_at_ms
from infergate.ledger.types import Receipt
from infergate.store.client import Params, get
from infergate.store.codec import decode_item, encode_item
from infergate.store.errors import Busy, ConditionFailed, OutcomeUnknown, StoreError

KEEP_S = 48 * 3600
ANSWER_MAX = 300_000
"""A longer answer is not kept, though its account asked for it: an item holds 400 KB."""
SLACK_S = 60
TRIES = 4
_FORM = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that its account asked to be kept."""

    request_id: str
    content_type: str
    body: str


class Claim:
    """One request's hold on one key."""

    def __init__(self, house: House, table: str, account: str, endpoint: str, key: str, body: bytes) -> None:
        """Raises InvalidRequest for a key that is none."""
        if not _FORM.fullmatch(key):
            raise InvalidRequest(
                "An Idempotency-Key is 1 to 255 visible ASCII characters.", code="invalid_idempotency_key"
            )
        self._house = house
        self._table = table
        self._account = account
        self._body_hash = hashlib.sha256(body).hexdigest()
        digest = hashlib.sha256(key.encode()).hexdigest()[:40]
        self._pk = f"IDEM#{account}#{endpoint}#{digest}"

    async def take(self, request_id: str) -> Kept | None:
        """None: the request may run. Kept: here is its answer. Raises IdempotencyMismatch, RequestInFlight,
        AlreadyCompleted, Unavailable."""
        for _ in range(TRIES):
            try:
                await self._house.store.call("PutItem", self._put(request_id))
                return None
            except ConditionFailed:
                item = await get(self._house.store, self._table, self._pk, "IDEM")
            except (Busy, OutcomeUnknown):
                item = await get(self._house.store, self._table, self._pk, "IDEM")
            if item is None:
                continue
            first = decode_item(item)
            if first["request_id"] == request_id:
                return None
            if first["body_hash"] != self._body_hash:
                raise IdempotencyMismatch()
            if "answer" in first:
                return Kept(first["request_id"], first["content_type"], first["answer"])
            if await self._may_take_over(first["request_id"], first["deadline"]) and await self._take_over(
                first["request_id"], request_id
            ):
                return None
        raise Unavailable("the idempotency key is busy")

    async def give_up(self, request_id: str) -> None:
        """The request was refused before it cost anything: the key is free again. If this fails, its deadline frees it."""
        try:
            await self._house.store.call(
                "DeleteItem",
                {
                    "TableName": self._table,
                    "Key": self._key(),
                    "ConditionExpression": "request_id = :mine",
                    "ExpressionAttributeValues": {":mine": {"S": request_id}},
                },
            )
        except StoreError:
            return

    async def keep(self, request_id: str, content_type: str, body: bytes) -> None:
        """Only for accounts that asked for it. If this fails, a repetition is told that it is done, without the answer."""
        if len(body) > ANSWER_MAX:
            return
        try:
            await self._house.store.call(
                "UpdateItem",
                {
                    "TableName": self._table,
                    "Key": self._key(),
                    "UpdateExpression": "SET answer = :answer, content_type = :type",
                    "ConditionExpression": "request_id = :mine",
                    "ExpressionAttributeValues": encode_item(
                        {":answer": body.decode(), ":type": content_type, ":mine": request_id}
                    ),
                },
            )
        except StoreError:
            return

    def _put(self, request_id: str) -> Params:
        now_s = int(self._house.clock())
        item = {
            "pk": self._pk,
            "sk": "IDEM",
            "request_id": request_id,
            "body_hash": self._body_hash,
            "deadline": now_s + self._house.request_s_max + SLACK_S,
            "ttl": now_s + KEEP_S,
        }
        return {
            "TableName": self._table,
            "Item": encode_item(item),
            # TTL deletes late: what has run out counts as gone.
            "ConditionExpression": "attribute_not_exists(pk) OR #ttl <= :now",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": {":now": {"N": str(now_s)}},
        }

    async def _may_take_over(self, first: str, deadline: int) -> bool:
        """Whether the first request came to nothing. Raises RequestInFlight or AlreadyCompleted where it did not."""
        receipt = await self._house.ledger.receipt(self._account, first)
        now_s = int(self._house.clock())
        if receipt is None:
            if deadline + SLACK_S > now_s:
                raise RequestInFlight(first, max(1, deadline - now_s))
            receipt = await self._house.ledger.write_receipt(_abandoned(self._account, first))
        if receipt.reason == "completed" or receipt.cost:
            raise AlreadyCompleted(first, receipt.cost)
        return True

    async def _take_over(self, first: str, request_id: str) -> bool:
        try:
            await self._house.store.call(
                "UpdateItem",
                {
                    "TableName": self._table,
                    "Key": self._key(),
                    "UpdateExpression": "SET request_id = :mine, deadline = :deadline, #ttl = :ttl",
                    "ConditionExpression": "request_id = :first",
                    "ExpressionAttributeNames": {"#ttl": "ttl"},
                    "ExpressionAttributeValues": encode_item(
                        {
                            ":mine": request_id,
                            ":first": first,
                            ":deadline": int(self._house.clock()) + self._house.request_s_max + SLACK_S,
                            ":ttl": int(self._house.clock()) + KEEP_S,
                        }
                    ),
                },
            )
        except StoreError:
            return False
        return True

    def _key(self) -> Params:
        return {"pk": {"S": self._pk}, "sk": {"S": "IDEM"}}


class RecordingReply:
    """Passes an answer on and remembers it, for an account that asked for its answers to be kept."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._pieces: list[bytes] = []
        self._size = 0
        self.content_type = ""
        self.failed = False

    @property
    def gone(self) -> bool:
        return self._reply.gone

    @property
    def body(self) -> bytes | None:
        """None: there was none, it was cut short, or it is too long to keep."""
        return None if self.failed or not self.content_type or self._size > ANSWER_MAX else b"".join(self._pieces)

    async def json(self, status: int, headers: Headers, body: bytes) -> None:
        self.content_type = "application/json"
        self._remember(body)
        await self._reply.json(status, headers, body)

    async def open_stream(self, headers: Headers) -> None:
        self.content_type = "text/event-stream; charset=utf-8"
        await self._reply.open_stream(headers)

    async def write(self, data: bytes) -> None:
        self._remember(data)
        await self._reply.write(data)

    async def error_event(self, error: InferGateError) -> None:
        self.failed = True
        await self._reply.error_event(error)

    async def close(self) -> None:
        await self._reply.close()

    def _remember(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= ANSWER_MAX:
            self._pieces.append(data)


def _abandoned(account: str, request_id: str) -> Receipt:
    """Names no hold: the sweep gives back whatever the request held."""
    return Receipt(account, request_id, "", 0, 0, "abandoned", made_at_ms(request_id))
