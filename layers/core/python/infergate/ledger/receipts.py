"""Receipts: one per request, put if absent, never changed. The first to be written is the decision."""

from dataclasses import fields

from infergate.ledger.keys import receipt_pk
from infergate.ledger.types import Receipt
from infergate.store.client import Params
from infergate.store.codec import decode_item, encode_item, record
from infergate.store.errors import Item

_FIELDS = tuple(field.name for field in fields(Receipt))
_ALWAYS = ("account", "request_id", "hold_id", "hold", "cost", "reason", "created_at_ms")


def put(table: str, receipt: Receipt) -> Params:
    # Not asdict, which copies what is inside as well: this is the hot path.
    values = {name: v for name in _FIELDS if (v := getattr(receipt, name)) or name in _ALWAYS}
    values |= {"pk": receipt_pk(receipt.account, receipt.request_id), "sk": receipt.request_id}
    return {
        "TableName": table,
        "Item": encode_item(values),
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def read(item: Item) -> Receipt:
    return record(Receipt, decode_item(item))
