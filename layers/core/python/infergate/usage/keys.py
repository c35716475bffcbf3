"""Where usage totals lie. The rollups table has string keys `pk` and `sk`.

  <account>#hour#<yyyymm>   <yyyymmddhh>#<model>#<key>#<route>   a cell of an hour
  <account>#day#<yyyy>      <yyyymmdd>#<model>#<key>#<route>     a cell of a day
  <account>#seen#<request>  seen                                 the mark of a receipt that has been counted

A cell holds the numbers of types.Numbers, each an attribute; `counted_at_ms`, when it last grew; `writes`, how often it
was written. It stays below 1 KB. A receipt belongs to exactly one cell of each span, so a total by any dimension is a sum
of cells, and adding one receipt costs the same however many models, keys and routes an account has.
A range of hours within a month, or of days within a year, is one Query. A mark is alone in its partition: nobody lists
marks, and no partition of them gets hot. It has `ttl` a week after its receipt's, or none.
Model, key and route are percent-encoded in `sk`, so that "#" only separates.
"""

from urllib.parse import quote, unquote

from infergate.kernel.time import hour_of
from infergate.usage.types import Cell, Span

SEEN = "seen"
START_LENGTH: dict[Span, int] = {"hour": 10, "day": 8}
_PARTITION_LENGTH: dict[Span, int] = {"hour": 6, "day": 4}
AFTER_SEPARATOR = "$"
"""The character after "#": `<start>$` is above every key that begins with `<start>#`."""


def start_of(made_at_ms: int, span: Span) -> str:
    return hour_of(made_at_ms)[: START_LENGTH[span]]


def cells_pk(account: str, span: Span, start: str) -> str:
    return f"{account}#{span}#{start[: _PARTITION_LENGTH[span]]}"


def cell_sk(cell: Cell) -> str:
    return "#".join([cell.start, *(quote(part, safe="/:@") for part in (cell.model, cell.key, cell.route))])


def read_cell(span: Span, sk: str) -> Cell:
    start, model, key, route = sk.split("#")
    return Cell(span, start, unquote(model), unquote(key), unquote(route))


def seen_pk(account: str, request_id: str) -> str:
    return f"{account}#seen#{request_id}"
