"""Two stores as one: every call goes to the one in memory and to an emulator, which must answer alike."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from infergate.store.boto import BotoStore
from infergate.store.client import Params, Store
from infergate.store.errors import ConditionFailed, OutcomeUnknown, Rejected, StoreError, TransactionFailed

from tests.support.memory_store import MemoryStore
from tests.support.values import canonical
from tools.local.aws import client_arguments
from tools.local.template import create_tables

type Answer = dict[str, Any] | StoreError

# Unchecked by botocore, so that what is wrong with a request is said by the engine.
_CONFIG = Config(parameter_validation=False, retries={"total_max_attempts": 1}, max_pool_connections=50)


@dataclass(frozen=True)
class Engine:
    """An emulator of DynamoDB. `amazon` for DynamoDB Local, which has other quirks than MiniStack."""

    endpoint: str
    amazon: bool = False

    @property
    def name(self) -> str:
        return "DynamoDB Local" if self.amazon else "MiniStack"

    def twin(self) -> "TwinStore":
        """With the template's tables, empty, on both sides."""
        client = boto3.client("dynamodb", config=_CONFIG, **client_arguments(self.endpoint))
        tables = create_tables(client, f"w{uuid.uuid4().hex[:8]}-")
        return TwinStore(self, BotoStore(client), MemoryStore(tables.values()), tables)


class TwinStore:
    """Answers what both answered. AssertionError where they differ, other than by the engine's known quirks."""

    def __init__(self, engine: Engine, theirs: Store, mine: MemoryStore, tables: dict[str, str]) -> None:
        self.engine = engine
        self.mine = mine
        self.tables = tables
        self.calls = 0
        self._theirs = theirs

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Raises StoreError, AssertionError."""
        self.calls += 1
        mine = await answer_of(self.mine, operation, params)
        theirs = _spelled(await answer_of(self._theirs, operation, params))
        if not self.alike(operation, params, mine, theirs):
            raise AssertionError(f"{operation} {params}\n  in memory: {mine!r}\n  {self.engine.name}: {theirs!r}")
        if isinstance(mine, StoreError):
            raise mine
        return mine

    async def differences(self) -> list[str]:
        """Items that are not the same on both sides, over all tables."""
        found: list[str] = []
        for table in self.tables.values():
            theirs: list[Any] = []
            params: Params = {"TableName": table, "ConsistentRead": True}
            while "ExclusiveStartKey" not in params or params["ExclusiveStartKey"]:
                page = await self._theirs.call("Scan", params)
                theirs += _spelled(page["Items"])
                params["ExclusiveStartKey"] = page.get("LastEvaluatedKey")
            mine = {_key(item): item for item in self.mine.items(table)}
            other = {_key(item): item for item in theirs}
            wrong = sorted(key for key in mine.keys() | other.keys() if mine.get(key) != other.get(key))
            found += [f"{table} {key}\n  {mine.get(key)}\n  {other.get(key)}" for key in wrong]
        return found

    def alike(self, operation: str, params: Params, mine: Answer, theirs: Answer) -> bool:
        if isinstance(mine, StoreError) or isinstance(theirs, StoreError):
            return self._refused_alike(mine, theirs)
        wanted = params.get("ReturnValues", "")
        if self.engine.amazon and wanted.startswith("UPDATED_"):
            # It returns the whole attribute where part of one was updated; AWS and MiniStack return that part.
            mine, theirs = _plain_attributes(mine), _plain_attributes(theirs)
        if "ReturnConsumedCapacity" not in params:
            theirs.pop("ConsumedCapacity", None)  # DynamoDB Local may tell unasked
        if self.engine.amazon and mine.get("ScannedCount") == 0:
            theirs.pop("ConsumedCapacity", None)  # it finds nothing for nothing; AWS has a least charge
            mine.pop("ConsumedCapacity", None)
        if operation == "Scan" and "LastEvaluatedKey" in mine:
            return True  # engines meet partitions in orders of their own
        return _comparable(operation, mine) == _comparable(operation, theirs)

    def _refused_alike(self, mine: Answer, theirs: Answer) -> bool:
        if isinstance(mine, Rejected) and isinstance(theirs, Rejected):
            return mine.code == theirs.code
        if isinstance(mine, TransactionFailed) and any(code == "ValidationError" for code, _ in mine.reasons):
            # DynamoDB Local fails the request, AWS's documentation and MiniStack cancel the transaction.
            return mine == theirs or (self.engine.amazon and isinstance(theirs, Rejected))
        if not self.engine.amazon and isinstance(mine, Rejected) and isinstance(theirs, TransactionFailed):
            # MiniStack cancels the transaction for what is wrong whatever the item, as AWS does only for keys.
            return any(code == "ValidationError" for code, _ in theirs.reasons)
        return mine == theirs


async def answer_of(store: Store, operation: str, params: Params) -> Answer:
    try:
        answer = await store.call(operation, params)
    except OutcomeUnknown as error:
        raise AssertionError(f"an emulator broke down on {operation} {params}") from error
    except StoreError as error:
        return error
    return {name: part for name, part in answer.items() if name != "ResponseMetadata"}


def _spelled(value: Any) -> Any:
    """With numbers in canonical form, which DynamoDB Local leaves as they came."""
    match value:
        case {"N": str(number)} if len(value) == 1:
            return {"N": canonical(number)}
        case dict():
            return {name: _spelled(part) for name, part in value.items()}
        case list() | tuple():
            return type(value)(map(_spelled, value))
        case ConditionFailed(old):
            return ConditionFailed(_spelled(old))
        case TransactionFailed(reasons):
            return TransactionFailed(_spelled(reasons))
    return value


def _comparable(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Without what has no order or is nobody's promise: MiniStack's empty Attributes, its batch reads' units."""
    answer = {name: part for name, part in answer.items() if (name, part) != ("Attributes", {})}
    if operation == "Scan":
        answer["Items"] = _sorted(answer["Items"])
    if operation == "BatchGetItem":
        answer["Responses"] = {table: _sorted(items) for table, items in answer["Responses"].items()}
        answer.pop("ConsumedCapacity", None)
    if isinstance(answer.get("ConsumedCapacity"), list):
        answer["ConsumedCapacity"] = sorted(answer["ConsumedCapacity"], key=lambda one: str(one["TableName"]))
    return answer


def _plain_attributes(answer: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in answer.get("Attributes", {}).items() if "M" not in value}
    return answer | {"Attributes": kept}


def _sorted(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=_key)


def _key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]
