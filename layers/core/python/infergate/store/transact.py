"""Members of a TransactWriteItems that several packages write."""

from collections.abc import Mapping
from typing import Any

from infergate.store.client import Params
from infergate.store.codec import encode_item


def put_new(table: str, values: Mapping[str, Any]) -> Params:
    """Store an item, `pk` and `sk` included, provided that there is none in its place."""
    put = {"TableName": table, "Item": encode_item(values), "ConditionExpression": "attribute_not_exists(pk)"}
    return {"Put": put}


def update_member(
    table: str, pk: str, sk: str, changes: Mapping[str, Any], *, condition: str, **values: int | str
) -> Params:
    """Set attributes of an item on a condition, whose `:name` placeholders are given as `values`."""
    names = {f"#{i}": name for i, name in enumerate(changes)}
    bound = {f":{i}": value for i, value in enumerate(changes.values())} | {f":{k}": v for k, v in values.items()}
    return {
        "Update": {
            "TableName": table,
            "Key": encode_item({"pk": pk, "sk": sk}),
            "UpdateExpression": "SET " + ", ".join(f"#{i} = :{i}" for i in range(len(changes))),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": encode_item(bound),
        }
    }
