"""Reading cells."""

from dataclasses import dataclass

from infergate.store.client import Params, Store
from infergate.store.codec import decode_item
from infergate.store.errors import Item
from infergate.usage.keys import AFTER_SEPARATOR, cells_pk, read_cell
from infergate.usage.types import Cell, Numbers, Span


@dataclass(frozen=True, slots=True)
class Stored:
    """A cell as it lies in the table. `writes` tells whether it has been written since."""

    numbers: Numbers
    writes: int
    counted_at_ms: int


def read_stored(span: Span, item: Item) -> tuple[Cell, Stored]:
    values = decode_item(item)
    del values["pk"]
    cell = read_cell(span, values.pop("sk"))
    writes, at_ms = values.pop("writes", 0), values.pop("counted_at_ms", 0)
    return cell, Stored(values, writes, at_ms)


async def cells_between(
    store: Store, table: str, account: str, span: Span, first: str, last: str, *, consistent: bool = False
) -> dict[Cell, Stored]:
    """The cells from one start to another, both included, of one partition (a month of hours, a year of days)."""
    params: Params = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":pk": {"S": cells_pk(account, span, first)},
            ":first": {"S": first},
            ":last": {"S": last + AFTER_SEPARATOR},
        },
        "ConsistentRead": consistent,
    }
    cells: dict[Cell, Stored] = {}
    while True:
        page = await store.call("Query", params)
        cells |= dict(read_stored(span, item) for item in page.get("Items", []))
        if "LastEvaluatedKey" not in page:
            return cells
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]
