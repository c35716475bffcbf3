"""A store is one awaitable call: DynamoDB's operation name and its parameters in DynamoDB's own JSON.

Three things answer to it: `aws.JsonService` on the hot path, `boto.BotoStore` everywhere else, and the tests' faulty
one. So the code that builds and reads writes exists once, for every door.
"""

from typing import Any, Protocol

from infergate.store.errors import Busy, Item, OutcomeUnknown

type Params = dict[str, Any]


class Store(Protocol):
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Send one operation, once. Raises errors.StoreError."""
        ...


async def get(store: Store, table: str, pk: str, sk: str) -> Item | None:
    """One item, strongly consistent. A read is harmless to repeat, so it is, twice."""
    params = {"TableName": table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}, "ConsistentRead": True}
    return (await _again(store, "GetItem", params)).get("Item")


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
