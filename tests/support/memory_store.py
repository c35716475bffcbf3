"""A store in memory that answers as DynamoDB does, in microseconds: for proofs that need thousands of runs or a million requests.

    store = MemoryStore(["accounts", "receipts", "counters"])
    await store.call("UpdateItem", {...})
    fork = store.copy()      # cheap: items are shared until one side changes them

Tables have string keys `pk` and `sk`, as all of ours do. A call never awaits, so each is atomic and in an order with all
others; what only concurrency brings (throttling, TransactionConflict, lost replies) is `faults.FaultyStore`'s work.
TTL removes nothing here: AWS gives it days, so no test may need it. An operation or a parameter that is not modelled
raises NotImplementedError.

Where the engines differ, this follows AWS's documentation, then Amazon's DynamoDB Local; tests/unit/store compares.
"""

import math
import time
import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from infergate.kernel.time import Clock
from infergate.store.client import Params
from infergate.store.errors import ConditionFailed, Item, Rejected, TransactionFailed

from tests.support.expressions import (
    KEY_NAMES,
    Condition,
    Inapplicable,
    Needs,
    Projection,
    Update,
    Values,
    condition,
    projected,
    projection,
    update,
)
from tests.support.key_condition import key_condition
from tests.support.syntax import Between, Binary, Call, In, Logic, Names, Node, Path, Resolved, bare
from tests.support.values import bytes_in, given_item, invalid, size_of, size_of_item, taken, taken_item

ITEM_BYTES_MAX = 400 * 1024
PAGE_BYTES = 1 << 20
TRANSACTION_MEMBERS_MAX = 100
TRANSACTION_BYTES_MAX = 4 << 20
TOKEN_S = 600
"""A request token is remembered this long."""
BATCH_KEYS_MAX = 100
KEY_BYTES_MAX = {"pk": 2048, "sk": 1024}

type Key = tuple[str, str]
type Stored = tuple[Item, int]
"""An item, never changed once it is here, and its size in bytes."""

_NO_ITEM: Item = {}


# -- tables -----------------------------------------------------------------------------------------------------------


class Partition:
    """The items of one pk. Their order is worked out when first asked for, and kept from then on."""

    __slots__ = ("_order", "items")

    def __init__(self, items: dict[str, Stored] | None = None) -> None:
        self.items = items or {}
        self._order: list[str] | None = None

    def put(self, sk: str, stored: Stored) -> None:
        if self._order is not None and sk not in self.items:
            insort(self._order, sk)
        self.items[sk] = stored

    def drop(self, sk: str) -> None:
        if self.items.pop(sk, None) is not None and self._order is not None:
            del self._order[bisect_left(self._order, sk)]

    @property
    def order(self) -> list[str]:
        """By UTF-8 bytes, which is Python's order of strings."""
        if self._order is None:
            self._order = sorted(self.items)
        return self._order


class Table:
    def __init__(self, name: str) -> None:
        self.name = name
        self.partitions: dict[str, Partition] = {}
        self._order: list[tuple[int, str]] | None = None

    def get(self, key: Key) -> Stored | None:
        partition = self.partitions.get(key[0])
        return partition.items.get(key[1]) if partition else None

    def put(self, key: Key, stored: Stored | None) -> None:
        """None removes it."""
        pk, sk = key
        partition = self.partitions.get(pk)
        if partition is None:
            if stored is None:
                return
            partition = self.partitions[pk] = Partition()
            self._order = None
        if stored is not None:
            partition.put(sk, stored)
            return
        partition.drop(sk)
        if not partition.items:
            del self.partitions[pk]
            self._order = None

    @property
    def order(self) -> list[tuple[int, str]]:
        """In which a scan meets the partitions: by a hash, so that no caller comes to rely on it."""
        if self._order is None:
            self._order = sorted(map(_scattered, self.partitions))
        return self._order

    def copy(self) -> "Table":
        other = Table(self.name)
        other.partitions = {pk: Partition(partition.items.copy()) for pk, partition in self.partitions.items()}
        return other


def _scattered(pk: str) -> tuple[int, str]:
    return zlib.crc32(pk.encode()), pk


# -- one write, in its steps ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Write:
    """What one of PutItem, UpdateItem, DeleteItem or ConditionCheck wants; alone or in a transaction."""

    table: Table
    key: Key
    returns_old: bool
    names: Names
    values: Values
    condition: Condition | None = None
    update: Update | None = None
    targets: tuple[Resolved, ...] = ()
    put: Stored | None = None
    checks_only: bool = False
    before: Stored | None = None
    after: Stored | None = None

    def passes(self) -> bool:
        """Whether the condition holds for the item as it is now."""
        self.before = self.table.get(self.key)
        if self.condition is None:
            return True
        item = self.before[0] if self.before else _NO_ITEM
        return self.condition.test(item, self.names, self.values)

    def work_out(self) -> None:
        """What the item becomes. Raises Inapplicable."""
        if self.update is None:
            self.after = self.before if self.checks_only else self.put
            return
        if self.before is not None:
            item, size = self.before
        else:
            pk, sk = self.key
            item, size = {"pk": {"S": pk}, "sk": {"S": sk}}, 4 + bytes_in(pk) + bytes_in(sk)
        if self.update.actions:
            item, grown = self.update.apply(item, self.targets, self.names, self.values)
            size += grown
            if size > ITEM_BYTES_MAX:
                raise Inapplicable("Item size to update has exceeded the maximum allowed size")
        self.after = item, size

    def book(self) -> None:
        if not self.checks_only:
            self.table.put(self.key, self.after)

    def old(self) -> Item | None:
        """What a refusal brings."""
        return given_item(self.before[0]) if self.returns_old and self.before else None

    def units(self) -> int:
        return write_units(self.before, self.after)

    def payload(self) -> int:
        """Bytes that it brings into a transaction."""
        brought = self.put[1] if self.put else bytes_in(self.key[0]) + bytes_in(self.key[1])
        return brought + sum(map(size_of, self.values.values()))


def write_units(before: Stored | None, after: Stored | None) -> int:
    """The larger of the two counts, in steps of 1 KB, at least one."""
    size = max(before[1] if before else 0, after[1] if after else 0)
    return -(-size // 1024) or 1


def read_units(size: int, *, consistent: bool) -> float:
    return (-(-size // 4096) or 1) * (1.0 if consistent else 0.5)


@lru_cache(10_000)
def _needs(update_text: str | None, condition_text: str | None) -> Needs:
    needs = Needs()
    if update_text is not None:
        needs |= update(update_text).needs
    if condition_text is not None:
        needs |= condition(condition_text).needs
    return needs


def _bound(params: Params, needs: Needs) -> tuple[Names, Values]:
    """The placeholders' names and values: exactly those that the expressions speak of. Raises Rejected."""
    names, given_values = params.get("ExpressionAttributeNames"), params.get("ExpressionAttributeValues")
    if names is None:
        names = {}
    elif not names or "" in names.values():
        raise invalid("ExpressionAttributeNames must not be empty")
    if given_values is None:
        given_values = {}
    elif not given_values:
        raise invalid("ExpressionAttributeValues must not be empty")
    if names.keys() != needs.names:
        raise invalid(f"names undefined or unused in expressions: {sorted(names.keys() ^ needs.names)}")
    if given_values.keys() != needs.values:
        raise invalid(f"values undefined or unused in expressions: {sorted(given_values.keys() ^ needs.values)}")
    values = {name: taken(value) for name, value in given_values.items()}
    for check in needs.checks:
        check(names, values)
    return names, values


# -- the store --------------------------------------------------------------------------------------------------------

_WRITE = frozenset(
    {
        "TableName",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
        "ReturnValues",
        "ReturnConsumedCapacity",
    }
)
_READ = frozenset(
    {
        "TableName",
        "ConsistentRead",
        "ExpressionAttributeNames",
        "ProjectionExpression",
        "ReturnConsumedCapacity",
    }
)
_PAGED = _READ | {"ExpressionAttributeValues", "FilterExpression", "Limit", "ExclusiveStartKey", "Select"}
_KNOWN = {
    "PutItem": _WRITE | {"Item"},
    "DeleteItem": _WRITE | {"Key"},
    "UpdateItem": _WRITE | {"Key", "UpdateExpression"},
    "GetItem": _READ | {"Key"},
    "Query": _PAGED | {"KeyConditionExpression", "ScanIndexForward"},
    "Scan": _PAGED,
    "BatchGetItem": frozenset({"RequestItems", "ReturnConsumedCapacity"}),
    "TransactGetItems": frozenset({"TransactItems", "ReturnConsumedCapacity"}),
    "TransactWriteItems": frozenset({"TransactItems", "ClientRequestToken", "ReturnConsumedCapacity"}),
}
_MEMBERS = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "DeleteItem"}
_RETURNS = {
    "PutItem": {"NONE", "ALL_OLD"},
    "DeleteItem": {"NONE", "ALL_OLD"},
    "UpdateItem": {"NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"},
}


class MemoryStore:
    """`page_items` makes pages of Query and Scan end after so many items, as 1 MB does on AWS."""

    def __init__(self, tables: Iterable[str], *, clock: Clock = time.time, page_items: int | None = None) -> None:
        self.tables = {name: Table(name) for name in tables}
        self.page_items = page_items
        self.write_units = 0
        """Write units that went by so far, those of refused conditions included."""
        self.read_units = 0.0
        self._clock = clock
        self._tokens: dict[str, tuple[float, Any]] = {}
        self._operations: dict[str, Callable[[Params], dict[str, Any]]] = {
            "GetItem": self._get,
            "PutItem": lambda params: self._write("PutItem", params),
            "UpdateItem": lambda params: self._write("UpdateItem", params),
            "DeleteItem": lambda params: self._write("DeleteItem", params),
            "Query": self._query,
            "Scan": self._scan,
            "BatchGetItem": self._batch_get,
            "TransactWriteItems": self._transact_write,
            "TransactGetItems": self._transact_get,
        }

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Raises StoreError; NotImplementedError for what is not modelled."""
        if operation not in self._operations:
            raise NotImplementedError(f"{operation} is not modelled")
        _only(params, _KNOWN[operation])
        if params.get("ReturnConsumedCapacity", "NONE") not in ("NONE", "TOTAL"):
            raise NotImplementedError("consumed capacity is modelled as NONE or TOTAL")
        try:
            return self._operations[operation](params)
        except InvalidKey as error:
            raise invalid(str(error)) from None

    def copy(self) -> Self:
        """Another store with the same items, which goes its own way from here. It has forgotten the request tokens."""
        other = type(self)((), clock=self._clock, page_items=self.page_items)
        other.tables = {name: table.copy() for name, table in self.tables.items()}
        return other

    def items(self, table: str) -> list[Item]:
        """All of a table, ordered by key. For assertions; the product scans."""
        partitions = sorted(self.tables[table].partitions.items())
        return [given_item(part.items[sk][0]) for _, part in partitions for sk in part.order]

    def _table(self, params: Params) -> Table:
        try:
            return self.tables[params["TableName"]]
        except KeyError:
            raise Rejected("ResourceNotFoundException", "Requested resource not found") from None

    # writes

    def _write(self, operation: str, params: Params) -> dict[str, Any]:
        wanted = params.get("ReturnValues", "NONE")
        if wanted not in _RETURNS[operation]:
            raise invalid("Return values set to invalid value")
        write = self._prepared(operation, params)
        if not write.passes():
            self.write_units += write_units(write.before, None)
            raise ConditionFailed(write.old())
        try:
            write.work_out()
        except Inapplicable as error:
            raise invalid(str(error)) from None
        write.book()
        self.write_units += write.units()
        answer: dict[str, Any] = {}
        if wanted != "NONE" and (attributes := _returned(write, wanted)):
            answer["Attributes"] = attributes
        if params.get("ReturnConsumedCapacity") == "TOTAL":
            answer["ConsumedCapacity"] = _consumed(write.table.name, write.units())
        return answer

    def _prepared(self, operation: str, params: Params) -> Write:
        """All that can be said without the item. Raises Rejected."""
        table = self._table(params)
        update_text, condition_text = params.get("UpdateExpression"), params.get("ConditionExpression")
        names, values = _bound(params, _needs(update_text, condition_text))
        returns = params.get("ReturnValuesOnConditionCheckFailure", "NONE")
        if returns not in ("NONE", "ALL_OLD"):
            raise invalid("returnValuesOnConditionCheckFailure must satisfy enum value set")
        if operation == "PutItem":
            item = taken_item(params.get("Item") or {})
            write = Write(table, key_of(item), returns == "ALL_OLD", names, values)
            write.put = item, size_of_item(item)
            if write.put[1] > ITEM_BYTES_MAX:
                raise invalid("Item size has exceeded the maximum allowed size")
        else:
            write = Write(table, exact_key(params.get("Key")), returns == "ALL_OLD", names, values)
        if condition_text is not None:
            write.condition = condition(condition_text)
        if operation == "UpdateItem":
            write.update = Update() if update_text is None else update(update_text)
            write.targets = write.update.targets(names)
        return write

    def _transact_write(self, params: Params) -> dict[str, Any]:
        members = _members(params)
        token = params.get("ClientRequestToken")
        if token is not None and (replay := self._replayed(token, members, params)) is not None:
            return replay
        writes = self._prepared_members(members)
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise invalid("Transaction request cannot include multiple operations on one item")
        if sum(write.payload() for write in writes) > TRANSACTION_BYTES_MAX:
            raise invalid("Transaction payload size cannot exceed 4MB")
        reasons = [_reason(write) for write in writes]
        self.write_units += 2 * sum(write.units() for write in writes)
        if any(code != "None" for code, _ in reasons):
            raise TransactionFailed(reasons)
        for write in writes:
            write.book()
        if token is not None:
            self._tokens[token] = self._clock() + TOKEN_S, _frozen(members)
        if params.get("ReturnConsumedCapacity") != "TOTAL":
            return {}
        return {"ConsumedCapacity": _consumed_by(writes, "WriteCapacityUnits", lambda write: 2.0 * write.units())}

    def _prepared_members(self, members: list[Params]) -> list[Write]:
        writes: list[Write] = []
        for member in members:
            ((kind, params),) = member.items()
            if kind not in _MEMBERS:
                raise NotImplementedError(f"{kind} is not modelled")
            _only(params, _KNOWN[_MEMBERS[kind]])
            if kind == "ConditionCheck" and params.get("ConditionExpression") is None:
                raise invalid("conditionExpression must not be null")
            try:
                write = self._prepared(_MEMBERS[kind], params)
            except InvalidKey as error:
                # As AWS does: the first such member cancels the transaction, before any condition is looked at.
                reasons: list[tuple[str, Item | None]] = [("None", None)] * len(members)
                reasons[len(writes)] = ("ValidationError", None)
                raise TransactionFailed(reasons) from error
            write.checks_only = kind == "ConditionCheck"
            writes.append(write)
        return writes

    def _replayed(self, token: str, members: list[Params], params: Params) -> dict[str, Any] | None:
        """The answer to a transaction that was made already under this token, if one was. Raises Rejected."""
        if not 1 <= len(token) <= 36:
            raise invalid("clientRequestToken must have a length of 1 to 36")
        until, first = self._tokens.get(token, (-math.inf, None))
        if until < self._clock():
            return None
        if first != _frozen(members):
            raise Rejected("IdempotentParameterMismatchException", "")
        if params.get("ReturnConsumedCapacity") != "TOTAL":
            return {}
        return {"ConsumedCapacity": _consumed_by(self._prepared_members(members), "ReadCapacityUnits", _replay_units)}

    # reads

    def _get(self, params: Params) -> dict[str, Any]:
        table = self._table(params)
        picked, names = _projection(params)
        stored = table.get(exact_key(params.get("Key")))
        units = read_units(stored[1] if stored else 0, consistent=bool(params.get("ConsistentRead")))
        self.read_units += units
        answer: dict[str, Any] = {}
        if stored:
            answer["Item"] = picked.of(stored[0], names) if picked else given_item(stored[0])
        if params.get("ReturnConsumedCapacity") == "TOTAL":
            answer["ConsumedCapacity"] = _consumed(table.name, units)
        return answer

    def _batch_get(self, params: Params) -> dict[str, Any]:
        responses: dict[str, list[Item]] = {}
        consumed = []
        count = 0
        for name, wanted in params["RequestItems"].items():
            _only(wanted, _READ | {"Keys"})
            table, (picked, names) = self._table({"TableName": name}), _projection(wanted)
            keys = [exact_key(key) for key in wanted.get("Keys") or ()]
            count += len(keys)
            if not keys or len(set(keys)) < len(keys):
                raise invalid("The list of keys must not be empty or contain duplicates")
            found = [table.get(key) for key in sorted(keys, key=lambda key: _scattered(key[0] + key[1]))]
            responses[name] = [picked.of(s[0], names) if picked else given_item(s[0]) for s in found if s]
            consistent = bool(wanted.get("ConsistentRead"))
            units = sum(read_units(stored[1] if stored else 0, consistent=consistent) for stored in found)
            self.read_units += units
            consumed.append(_consumed(name, units))
        if not 1 <= count <= BATCH_KEYS_MAX:
            raise invalid("Too many items requested for the BatchGetItem call, or none")
        answer: dict[str, Any] = {"Responses": responses, "UnprocessedKeys": {}}
        return answer | ({"ConsumedCapacity": consumed} if params.get("ReturnConsumedCapacity") == "TOTAL" else {})

    def _transact_get(self, params: Params) -> dict[str, Any]:
        responses, reads = [], []
        for member in _members(params):
            ((kind, wanted),) = member.items()
            if kind != "Get":
                raise invalid("TransactGetItems takes only Get")
            _only(wanted, frozenset({"TableName", "Key", "ProjectionExpression", "ExpressionAttributeNames"}))
            picked, names = _projection(wanted)
            read = Write(self._table(wanted), exact_key(wanted.get("Key")), False, names, {})
            read.passes()
            reads.append(read)
            item = read.before[0] if read.before else None
            responses.append({} if item is None else {"Item": picked.of(item, names) if picked else given_item(item)})
        if len({(read.table.name, read.key) for read in reads}) < len(reads):
            raise invalid("Transaction request cannot include multiple operations on one item")
        self.read_units += sum(_replay_units(read) for read in reads)
        answer: dict[str, Any] = {"Responses": responses}
        if params.get("ReturnConsumedCapacity") == "TOTAL":
            answer["ConsumedCapacity"] = _consumed_by(reads, "ReadCapacityUnits", _replay_units)
        return answer

    def _query(self, params: Params) -> dict[str, Any]:
        table = self._table(params)
        text = params.get("KeyConditionExpression")
        if text is None:
            raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified")
        wanted = condition(text, "KeyConditionExpression")
        paging = _Paging.of(params, wanted.needs, keys_filtered=False)
        pk, bounds = key_condition(wanted.tree, paging.names, paging.values)
        start = params.get("ExclusiveStartKey")
        after = None if start is None else exact_key(start)
        if after and (after[0] != pk or not bounds.contain(after[1])):
            raise invalid("The provided starting key does not match the range key predicate")
        partition = table.partitions.get(pk)
        keys = bounds.keys(partition.order) if partition else []
        forward = params.get("ScanIndexForward", True)
        if after:
            keys = keys[bisect_right(keys, after[1]) :] if forward else keys[: bisect_left(keys, after[1])]
        found = (partition.items[sk] for sk in (keys if forward else reversed(keys))) if partition else iter(())
        return self._page(table, found, paging)

    def _scan(self, params: Params) -> dict[str, Any]:
        table = self._table(params)
        paging = _Paging.of(params, Needs(), keys_filtered=True)
        start = params.get("ExclusiveStartKey")
        return self._page(table, _from(table, exact_key(start) if start is not None else None), paging)

    def _page(self, table: Table, found: Iterator[Stored], paging: "_Paging") -> dict[str, Any]:
        items: list[Item] = []
        scanned = size = count = 0
        last: Item | None = None
        for item, item_size in found:
            scanned += 1
            size += item_size
            if paging.filter is None or paging.filter.test(item, paging.names, paging.values):
                count += 1
                if not paging.count_only:
                    items.append(paging.projection.of(item, paging.names) if paging.projection else given_item(item))
            if scanned in (paging.limit, self.page_items) or size > PAGE_BYTES:
                # Even where nothing follows: AWS does not look ahead.
                last = {"pk": dict(item["pk"]), "sk": dict(item["sk"])}
                break
        units = read_units(size, consistent=paging.consistent)
        self.read_units += units
        answer: dict[str, Any] = {"Count": count, "ScannedCount": scanned}
        if not paging.count_only:
            answer["Items"] = items
        if last:
            answer["LastEvaluatedKey"] = last
        if paging.reports:
            answer["ConsumedCapacity"] = _consumed(table.name, units)
        return answer


def _from(table: Table, after: Key | None) -> Iterator[Stored]:
    """A table's items behind a key, which need not be there any more."""
    place = _scattered(after[0]) if after else (-1, "")
    for other in table.order[bisect_left(table.order, place) :]:
        partition = table.partitions[other[1]]
        begin = bisect_right(partition.order, after[1]) if after and other == place else 0
        for sk in partition.order[begin:]:
            yield partition.items[sk]


# -- answers ----------------------------------------------------------------------------------------------------------


def _returned(write: Write, wanted: str) -> Item | None:
    stored = write.after if wanted.endswith("_NEW") else write.before
    if stored is None:
        return None
    return given_item(stored[0]) if wanted.startswith("ALL_") else projected(stored[0], write.targets)


def _reason(write: Write) -> tuple[str, Item | None]:
    """What a transaction's member says, after the work: nothing, or why it cancels the whole."""
    if not write.passes():
        return "ConditionalCheckFailed", write.old()
    try:
        write.work_out()
    except Inapplicable:
        return "ValidationError", None
    return "None", None


def _consumed(table: str, units: float) -> dict[str, Any]:
    return {"TableName": table, "CapacityUnits": float(units)}


def _consumed_by(writes: list[Write], kind: str, units: Callable[[Write], float]) -> list[dict[str, Any]]:
    sums: dict[str, float] = {}
    for write in writes:
        sums[write.table.name] = sums.get(write.table.name, 0.0) + units(write)
    return [{"TableName": table, "CapacityUnits": total, kind: total} for table, total in sums.items()]


def _replay_units(read: Write) -> float:
    stored = read.table.get(read.key)
    return 2 * read_units(stored[1] if stored else 0, consistent=True)


# -- parameters -------------------------------------------------------------------------------------------------------


class InvalidKey(Exception):
    """A key that fits no table of ours: Rejected, except inside a transaction."""


def exact_key(key: Any) -> Key:
    """Of a Key parameter: the key attributes and nothing else. Raises InvalidKey."""
    if not isinstance(key, dict) or key.keys() != {"pk", "sk"}:
        raise InvalidKey("The provided key element does not match the schema")
    return key_of(key)


def key_of(item: Item) -> Key:
    """Raises InvalidKey."""
    return _key_part(item, "pk"), _key_part(item, "sk")


def _key_part(item: Item, name: str) -> str:
    text = item.get(name, {}).get("S")
    if type(text) is not str:
        raise InvalidKey(f"Missing the key {name}, or its type is not S")
    if not text or bytes_in(text) > KEY_BYTES_MAX[name]:
        raise InvalidKey(f"The key {name} is empty or too long")
    return text


def _only(params: Params, known: frozenset[str]) -> None:
    if not params.keys() <= known:
        raise NotImplementedError(f"not modelled: {sorted(params.keys() - known)}")


def _members(params: Params) -> list[Params]:
    members: list[Params] = params.get("TransactItems") or []
    if not 1 <= len(members) <= TRANSACTION_MEMBERS_MAX:
        raise invalid("transactItems must have a length of 1 to 100")
    if any(len(member) != 1 for member in members):
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    return members


def _frozen(value: Any) -> Any:
    """A copy that later changes of the original cannot reach, for comparing."""
    if isinstance(value, dict):
        return {name: _frozen(part) for name, part in value.items()}
    return [_frozen(part) for part in value] if isinstance(value, list) else value


def _projection(params: Params) -> tuple[Projection | None, Names]:
    text = params.get("ProjectionExpression")
    if text is None and "ExpressionAttributeNames" not in params:
        return None, {}
    picked = None if text is None else projection(text)
    names, _ = _bound(params | {"ExpressionAttributeValues": None}, picked.needs if picked else Needs())
    return picked, names


@dataclass(slots=True)
class _Paging:
    """What Query and Scan have in common."""

    names: Names
    values: Values
    filter: Condition | None
    projection: Projection | None
    limit: int | None
    count_only: bool
    consistent: bool
    reports: bool

    @classmethod
    def of(cls, params: Params, needs: Needs, *, keys_filtered: bool) -> "_Paging":
        filter_text, picked_text = params.get("FilterExpression"), params.get("ProjectionExpression")
        filter_ = None if filter_text is None else condition(filter_text, "FilterExpression")
        picked = None if picked_text is None else projection(picked_text)
        needs |= filter_.needs if filter_ else Needs()
        needs |= picked.needs if picked else Needs()
        names, values = _bound(params, needs)
        if filter_ and not keys_filtered and _speaks_of_keys(filter_.tree, names):
            raise invalid("Filter Expression can only contain non-primary key attributes")
        limit, select = params.get("Limit"), params.get("Select", "ALL_ATTRIBUTES")
        if limit is not None and limit < 1:
            raise invalid("Limit must be greater than or equal to 1")
        if select not in ("ALL_ATTRIBUTES", "COUNT"):
            raise NotImplementedError(f"Select {select} is not modelled")
        consistent, reports = params.get("ConsistentRead", False), params.get("ReturnConsumedCapacity") == "TOTAL"
        return cls(names, values, filter_, picked, limit, select == "COUNT", consistent, reports)


def _speaks_of_keys(node: Node, names: Names) -> bool:
    match bare(node):
        case Path() as path:
            return path.resolved(names)[0] in KEY_NAMES
        case Logic(_, parts) | Call(_, parts):
            return any(_speaks_of_keys(part, names) for part in parts)
        case Binary(_, left, right):
            return _speaks_of_keys(left, names) or _speaks_of_keys(right, names)
        case Between(operand, _, _) | In(operand, _):
            return _speaks_of_keys(operand, names)
    return False
