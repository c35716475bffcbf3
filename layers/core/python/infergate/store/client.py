"""A store is one awaitable call: DynamoDB's operation name and its parameters in DynamoDB's own JSON.

Three things answer to it: `aws.JsonService` on the hot path, `boto.BotoStore` everywhere else, and the tests' faulty
one. So the code that builds and reads writes exists once, for every door.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from infergate.store.errors import Busy, Item, OutcomeUnknown

type Params = dict[str, Any]

_BATCH_KEYS = 100
"""BatchGetItem takes no more at once."""
_BATCH_TRIES = 4


class Store(Protocol):
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Send one operation, once. Raises errors.StoreError."""
        ...


async def get(store: Store, table: str, pk: str, sk: str) -> Item | None:
    """One item, strongly consistent. A read is harmless to repeat, so it is, twice."""
    params = {"TableName": table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}, "ConsistentRead": True}
    return (await _again(store, "GetItem", params)).get("Item")


async def get_many(
    store: Store, table: str, keys: Sequence[tuple[str, str]], *, consistent: bool = False
) -> dict[tuple[str, str], Item]:
    """The items of these keys (pk, sk), without the ones that are not there. By default as of a moment ago, for half the
    price. Raises Busy where the store leaves some unread time after time."""
    wanted = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in dict.fromkeys(keys)]
    found: dict[tuple[str, str], Item] = {}
    rounds = 0
    while wanted:
        if (rounds := rounds + 1) > len(keys) // _BATCH_KEYS + _BATCH_TRIES:
            raise Busy("keys left unread")
        page, wanted = wanted[:_BATCH_KEYS], wanted[_BATCH_KEYS:]
        params = {"RequestItems": {table: {"Keys": page, "ConsistentRead": consistent}}}
        answer = await _again(store, "BatchGetItem", params)
        for item in answer.get("Responses", {}).get(table, []):
            found[item["pk"]["S"], item["sk"]["S"]] = item
        wanted += answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    return found


async def query(
    store: Store, table: str, pk: str, *, prefix: str = "", limit: int | None = None, newest_first: bool = False
) -> list[Item]:
    """The items of one partition, strongly consistent, page by page up to `limit`."""
    params: Params = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": pk}},
        "ConsistentRead": True,
        "ScanIndexForward": not newest_first,
    }
    if prefix:
        params["KeyConditionExpression"] += " AND begins_with(sk, :prefix)"
        params["ExpressionAttributeValues"][":prefix"] = {"S": prefix}
    items: list[Item] = []
    while True:
        if limit is not None:
            params["Limit"] = limit - len(items)
        page = await _again(store, "Query", params)
        items += page.get("Items", [])
        if "LastEvaluatedKey" not in page or (limit is not None and len(items) >= limit):
            return items
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]


async def _again(store: Store, operation: str, params: Params) -> dict[str, Any]:
    for _ in range(2):
        try:
            return await store.call(operation, params)
        except (Busy, OutcomeUnknown):
            continue
    return await store.call(operation, params)
