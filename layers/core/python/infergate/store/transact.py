"""Members of a TransactWriteItems that several packages write."""

from collections.abc import Mapping
from typing import Any

from infergate.store.client import Params
from infergate.store.codec import encode_item


def put_new(table: str, values: Mapping[str, Any]) -> Params:
    """Store an item, `pk` and `sk` included, provided that there is none in its place."""
    put = {"TableName": table, "Item": encode_item(values), "ConditionExpression": "attribute_not_exists(pk)"}
    return {"Put": put}
