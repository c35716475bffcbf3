"""Receipts: one per request, put if absent, never changed. The first to be written is the decision."""

from dataclasses import asdict

from infergate.ledger.keys import receipt_pk
from infergate.ledger.types import Receipt
from infergate.store.client import Params
from infergate.store.codec import decode_item, encode_item, record
from infergate.store.errors import Item

_ALWAYS = ("account", "request_id", "hold_id", "hold", "cost", "reason", "created_at_ms")


def put(table: str, receipt: Receipt) -> Params:
    values = {k: v for k, v in asdict(receipt).items() if v or k in _ALWAYS}
    values |= {"pk": receipt_pk(receipt.account, receipt.request_id), "sk": receipt.request_id}
    return {
        "TableName": table,
        "Item": encode_item(values),
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def read(item: Item) -> Receipt:
    return record(Receipt, decode_item(item))
