"""The store in memory answers as DynamoDB does: compared, call by call, with MiniStack and with Amazon's DynamoDB Local."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.store.client import Params, query
from infergate.store.errors import ConditionFailed, Rejected, StoreError, TransactionFailed

from tests.support.memory_store import ITEM_BYTES_MAX, MemoryStore
from tests.support.twin_store import Engine, TwinStore, answer_of
from tests.support.values import size_of
from tests.unit.store.expression_forms import CONDITIONS, ITEM, UPDATES, VALUES, Form, forms, placeholders

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
RETURNED = ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
COMPARED = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def twin(engine: Engine) -> TwinStore:
    return engine.twin()


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore(["t", "u"])


def key(sk: str, pk: str = "p") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def text(length: int) -> dict[str, str]:
    return {"S": "x" * length}


async def agree(twin: TwinStore, operation: str, params: Params) -> bool:
    """Whether both sides answer alike; what they answer does not matter here."""
    try:
        await twin.call(operation, params)
    except StoreError:
        return True
    except AssertionError:
        return False
    return True


# -- every form of expression, on both engines --------------------------------------------------------------------------


async def differing(twin: TwinStore, form: Form, params: Params) -> str | None:
    """The form and the call, if it differs where it should not, or (so that the marks stay true) does not where it should."""
    expression, marked = form
    table = twin.tables["ACCOUNTS_TABLE"]
    await twin.call("PutItem", {"TableName": table, "Item": KEY | ITEM})
    common = {
        "TableName": table,
        "Key": KEY,
        "ReturnConsumedCapacity": "TOTAL",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    same = await agree(twin, "UpdateItem", common | params | placeholders(expression))
    expected = twin.engine.amazon or not marked
    return None if same is expected else f"{expression}  {params}"


async def test_every_form_of_condition_gets_the_engines_answer(twin: TwinStore) -> None:
    wrong = [
        await differing(twin, form, {"UpdateExpression": "REMOVE absent", "ConditionExpression": form[0]})
        for form in forms(CONDITIONS)
    ]

    assert [one for one in wrong if one] == []


async def test_every_form_of_update_gets_the_engines_answer_whatever_shall_be_returned(twin: TwinStore) -> None:
    wrong = [
        await differing(twin, form, {"UpdateExpression": form[0], "ReturnValues": returned})
        for form in forms(UPDATES)
        for returned in RETURNED[1:]
    ]

    assert [one for one in wrong if one] == []
    assert await twin.differences() == []


# -- any sequence of operations -----------------------------------------------------------------------------------------

# Each gives an answer, and the same on both engines, whatever the attributes are. (What only makes errors is above.)
_TESTED = [
    "n = :5",
    "n < :9",
    "n >= :9",
    "n BETWEEN :1 AND :5",
    "n IN (:1, :9)",
    "x <> :1",
    "s = :h",
    "s < :he",
    "contains(s, :ll)",
    "contains(c, :3)",
    "begins_with(s, :h)",
    "attribute_exists(pk)",
    "attribute_not_exists(pk)",
    "attribute_exists(m.x)",
    "attribute_not_exists(m.#none)",
    "attribute_type(n, :N)",
    "m.x = :1",
    "m.x < n",
    "m = :ml",
    "m = :empty",
    "size(m) < :2",
    "size(c) = :1",
    "b = :yes",
    "k = :1",
]
_SET = [
    "n = n + :1",
    "n = :5",
    "n = if_not_exists(n, :0) - :half",
    "x = if_not_exists(x, :0) + :5",
    "x = if_not_exists(absent, n)",
    "x = n",
    "m.x = :9",
    "m.x = m.x + :1",
    "m.#none = :map",
    "m = :empty",
    "m = :map",
    "s = :h",
    "s = :ll",
    "c = list_append(if_not_exists(c, :list), :list)",
    "b = :no",
]
_REMOVED = ["x", "b", "l", "absent", "#none"]
_ADDED = ["k :1", "q :half", "w :minus"]
VALUES[":3"] = {"N": "3"}


def condition_texts() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(_TESTED),
        lambda inner: st.one_of(
            st.builds("NOT ({})".format, inner),
            st.builds("({}) AND ({})".format, inner, inner),
            st.builds("({}) OR ({})".format, inner, inner),
        ),
        max_leaves=5,
    )


def head(part: str) -> str:
    return part.split(maxsplit=1)[0].split(".", maxsplit=1)[0]


def update_texts() -> st.SearchStrategy[str]:
    """SET m.x and SET m.#none may stand together; other parts are of different attributes."""
    sets = st.lists(st.sampled_from(_SET), max_size=4, unique_by=lambda part: part.split()[0]).filter(
        lambda parts: not ({"m"} < {part.split()[0] for part in parts if head(part) == "m"})
    )
    removes = st.lists(st.sampled_from(_REMOVED), max_size=2, unique=True)
    adds = st.lists(st.sampled_from(_ADDED), max_size=2, unique=True)

    def joined(sets: list[str], removes: list[str], adds: list[str]) -> str:
        taken = {head(part) for part in sets}
        removes = [name for name in removes if name not in taken]
        clauses = [("SET", sets), ("REMOVE", removes), ("ADD", adds)]
        return " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses if parts)

    return st.builds(joined, sets, removes, adds).filter(bool)


ITEMS = st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in ITEM.items()})
CHECKED = st.one_of(st.none(), condition_texts()).map(
    lambda text: {} if text is None else {"ConditionExpression": text}
)
OLD = st.sampled_from([{}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}])
KEYS = ("a", "ab", "b", "é")


def write(sk: str) -> st.SearchStrategy[tuple[str, Params]]:
    """(Put, Update or Delete, its parameters without the table and the partition)."""
    put = st.builds(lambda item: ("Put", {"Item": {**item, "sk": {"S": sk}}}), ITEMS)
    update = st.builds(lambda text: ("Update", {"Key": {"sk": {"S": sk}}, "UpdateExpression": text}), update_texts())
    delete = st.just(("Delete", {"Key": {"sk": {"S": sk}}}))
    return st.builds(
        lambda kind, checked, old: (kind[0], kind[1] | checked | old),
        st.one_of(put, update, update, delete),
        CHECKED,
        OLD,
    )


def alone(kind: str, params: Params, returned: str) -> tuple[str, Params]:
    returned = returned if kind == "Update" or returned == "NONE" else "ALL_OLD"
    return f"{kind}Item", params | {"ReturnValues": returned, "ReturnConsumedCapacity": "TOTAL"}


SINGLE = (
    st.sampled_from(KEYS)
    .flatmap(write)
    .flatmap(lambda one: st.builds(alone, st.just(one[0]), st.just(one[1]), st.sampled_from(RETURNED)))
)
TRANSACTION = (
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True)
    .flatmap(lambda names: st.tuples(*map(write, names)))
    .map(lambda writes: ("TransactWriteItems", {"TransactItems": [{kind: params} for kind, params in writes]}))
)
OPERATIONS = st.lists(st.one_of(SINGLE, SINGLE, TRANSACTION), min_size=1, max_size=7)


def completed(table: str, pk: str, params: Params) -> Params:
    """With the table, the partition, and what the placeholders stand for."""
    if "TransactItems" in params:
        members = [{kind: completed(table, pk, p) for kind, p in one.items()} for one in params["TransactItems"]]
        return params | {"TransactItems": members}
    full: Params = {"TableName": table, **params}
    for name in ("Key", "Item"):
        if name in full:
            full[name] = {"pk": {"S": pk}} | full[name]
    spoken_of = f"{params.get('UpdateExpression', '')} {params.get('ConditionExpression', '')}"
    return full | placeholders(spoken_of)


@COMPARED
@given(operations=OPERATIONS)
async def test_any_sequence_of_writes_gets_the_engines_answers_and_leaves_its_items(
    twin: TwinStore, operations: list[tuple[str, Params]]
) -> None:
    table, pk = twin.tables["ACCOUNTS_TABLE"], f"run {twin.calls:09}"
    await twin.call("PutItem", {"TableName": table, "Item": key("a", pk) | ITEM})

    for operation, params in operations:
        await answer_of(twin, operation, completed(table, pk, params))

    everything = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": pk}},
        "ConsistentRead": True,
        "ReturnConsumedCapacity": "TOTAL",
    }
    await twin.call("Query", everything)


# -- requests -----------------------------------------------------------------------------------------------------------


def _put(sk: str, **more: Any) -> Params:
    return {"Put": {"TableName": "t", "Item": key(sk), **more}}


def _update(sk: str, expression: str, **more: Any) -> Params:
    return {
        "Update": {
            "TableName": "t",
            "Key": key(sk),
            "UpdateExpression": expression,
            **placeholders(f"{expression} {more.get('ConditionExpression', '')}"),
            **more,
        }
    }


def _check(sk: str, expression: str, **more: Any) -> Params:
    condition = {"ConditionExpression": expression, **placeholders(expression)}
    return {"ConditionCheck": {"TableName": "t", "Key": key(sk), **condition, **more}}


def _transaction(*members: Params, **more: Any) -> tuple[str, Params]:
    return "TransactWriteItems", {"TransactItems": list(members), **more}


def _one(operation: str, **params: Any) -> tuple[str, Params]:
    return operation, {"TableName": "t", **params}


def _query(condition: str, **more: Any) -> tuple[str, Params]:
    values = {":pk": "p", ":s03": "s03", ":s05": "s05", ":s1": "s1", ":e": ""}
    named = {name: {"S": text} for name, text in values.items() if name in condition.replace(")", " ").split()}
    if ":7" in str(more.get("FilterExpression")):
        named[":7"] = {"N": "7"}
    asked = {"KeyConditionExpression": condition, "ExpressionAttributeValues": named}
    return _one("Query", **asked, ReturnConsumedCapacity="TOTAL", **more)


ALL_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
LISTED = [key(f"s{number:02}") | {"n": {"N": str(number)}} for number in range(12)]
BAD_KEYS: list[dict[str, Any]] = [
    {},
    {"pk": {"S": "p"}},
    {"pk": {"S": ""}, "sk": {"S": "s"}},
    {"pk": {"S": "p"}, "sk": {"S": ""}},
    {"pk": {"S": "p"}, "sk": {"N": "1"}},
    {"pk": text(2049), "sk": {"S": "s"}},
    {"pk": {"S": "p"}, "sk": text(1025)},
]

REQUESTS: list[tuple[str, Params]] = [
    _transaction(_put("a"), _update("s", "SET n = n + :1"), ReturnConsumedCapacity="TOTAL"),
    _transaction(_put("a"), {"Delete": {"TableName": "t", "Key": key("s")}}),
    _transaction(_put("a"), _check("s", "n = :5")),
    _transaction(
        _put("a"),
        _update("s", "SET n = n + :1", ConditionExpression="n > :9", **ALL_OLD),
        _check("q", "attribute_exists(pk)", **ALL_OLD),
        _put("s03", ConditionExpression="attribute_not_exists(pk)"),
    ),
    _transaction(_update("s", "SET n = absent + :1", ConditionExpression="n > :9")),
    _transaction(_put("a"), _update("s", "SET n = absent + :1"), _update("b", "SET m.x = :1")),
    _transaction(_put("a"), _update("s", "SET status = :1")),
    _transaction(_put("a"), _check("a", "attribute_exists(pk)")),
    _transaction(),
    _transaction({}),
    _transaction(*[_put(str(number)) for number in range(100)]),
    _transaction(*[_put(str(number)) for number in range(101)]),
    _transaction(*[{"Put": {"TableName": "t", "Item": key(str(n)) | {"x": text(390_000)}}} for n in range(12)]),
    _transaction({"Put": {"TableName": "t", "Item": key("a") | {"x": text(ITEM_BYTES_MAX)}}}),
    _transaction({"Put": {"TableName": "no-such-table", "Item": key("a")}}),
    _transaction({"Update": {"TableName": "t", "Key": key("a")}}),
    _transaction(_put("a"), ClientRequestToken="x" * 37),
    _one("PutItem", Item=KEY, ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL"),
    _one("PutItem", Item=key("a"), ReturnValues="ALL_OLD"),
    _one("PutItem", Item=KEY, ReturnValues="ALL_NEW"),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_not_exists(pk)", **ALL_OLD),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_not_exists(pk)"),
    _one("PutItem", Item=key("a"), ConditionExpression="attribute_exists(pk)", **ALL_OLD),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_exists(pk)", ExpressionAttributeNames={}),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_exists(pk)", ExpressionAttributeValues={}),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_exists(#x)"),
    _one("PutItem", Item=KEY, ConditionExpression="n = :x"),
    _one("PutItem", Item=KEY, ConditionExpression=""),
    _one("PutItem", Item=KEY, ExpressionAttributeValues={":a": {"N": "1"}}),
    _one("PutItem", Item=KEY, ExpressionAttributeNames={"#a": "a"}),
    _one("PutItem", Item=KEY | {"x": text(ITEM_BYTES_MAX)}),
    _one("PutItem", Item=KEY | {"x": {"N": "1", "S": "a"}}),
    _one("PutItem", Item=KEY | {"x": {}}),
    _one("PutItem", Item=KEY | {"x": {"NULL": False}}),
    _one("PutItem", Item=KEY | {"x": {"N": "1" * 39}}),
    _one("PutItem", Item=KEY | {"x": {"N": "one"}}),
    _one("PutItem", Item=KEY | {"x": {"N": "NaN"}}),
    _one("PutItem", Item=KEY | {"x": {"N": " 1"}}),
    _one("PutItem", Item=KEY | {"x": {"S": ""}}),
    _one("PutItem", Item=KEY | {"x": {"N": "1" * 38 + "00"}}),
    _one("DeleteItem", Key=KEY, ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL"),
    _one("DeleteItem", Key=key("a"), ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL"),
    _one("DeleteItem", Key=KEY, ConditionExpression="n = :1", **placeholders(":1"), **ALL_OLD),
    _one("DeleteItem", Key=KEY, ReturnValues="UPDATED_NEW"),
    _one("UpdateItem", Key=key("a"), ReturnValues="ALL_NEW"),
    _one("UpdateItem", Key=key("a"), UpdateExpression="REMOVE x", ReturnValues="ALL_NEW"),
    _one("UpdateItem", Key=key("a"), UpdateExpression="SET x = pk", ReturnValues="ALL_NEW"),
    _one("UpdateItem", Key=key("a"), UpdateExpression="SET x = :1", ReturnValues="ALL_OLD", **placeholders(":1")),
    _one("UpdateItem", Key=KEY, UpdateExpression="SET x = :1", ReturnValues="SOME", **placeholders(":1")),
    _one("UpdateItem", Key=KEY, UpdateExpression=""),
    _one("UpdateItem", Key=KEY, UpdateExpression="SET x = :x", ExpressionAttributeValues={":x": text(ITEM_BYTES_MAX)}),
    _one("UpdateItem", Key=KEY, UpdateExpression="SET " + "x" * 4100 + " = :1", **placeholders(":1")),
    _one("GetItem", Key=KEY, ConsistentRead=True, ReturnConsumedCapacity="TOTAL"),
    _one("GetItem", Key=key("a"), ReturnConsumedCapacity="TOTAL"),
    _one("GetItem", Key=KEY, ProjectionExpression="n, m.x, absent, l[1], #s", ExpressionAttributeNames={"#s": "s"}),
    _one("GetItem", Key=KEY, ProjectionExpression="m.y, m.x"),
    _one("GetItem", Key=KEY, ProjectionExpression="m, m.x"),
    _one("GetItem", Key=KEY | {"x": {"S": "a"}}),
    *[_one("GetItem", Key=bad) for bad in BAD_KEYS],
    *[_one("PutItem", Item=bad) for bad in BAD_KEYS],
    ("GetItem", {"TableName": "no-such-table", "Key": KEY}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY, key("s03"), key("a")], "ConsistentRead": True}}}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY, KEY]}}}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": [key(str(number)) for number in range(101)]}}}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": []}}}),
    ("TransactGetItems", {"TransactItems": []}),
    (
        "TransactGetItems",
        {
            "TransactItems": [{"Get": {"TableName": "t", "Key": key(sk)}} for sk in ("s03", "a", "s01")],
            "ReturnConsumedCapacity": "TOTAL",
        },
    ),
    ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "t", "Key": KEY}}] * 2}),
    _query("pk = :pk"),
    _query("pk = :pk", ScanIndexForward=False),
    _query("pk = :pk", Limit=3),
    _query("pk = :pk", Limit=13),
    _query("pk = :pk", Limit=13, ScanIndexForward=False, Select="COUNT"),
    _query("pk = :pk", Limit=0),
    _query("pk = :pk", Limit=3, ExclusiveStartKey=key("s03")),
    _query("pk = :pk", Limit=3, ExclusiveStartKey=key("s03x")),
    _query("pk = :pk", Limit=3, ExclusiveStartKey=key("s03"), ScanIndexForward=False),
    _query("pk = :pk", ExclusiveStartKey=key("s03", "q")),
    _query("pk = :pk", ExclusiveStartKey={"pk": {"S": "p"}}),
    _query("pk = :pk", FilterExpression="n > :7", Limit=10),
    _query("pk = :pk", ProjectionExpression="n", Limit=2),
    _query(":pk = pk"),
    _query("pk = :pk AND begins_with(sk, :s1 )", ConsistentRead=True),
    _query("begins_with(sk, :s1 ) AND pk = :pk"),
    _query("pk = :pk AND begins_with(sk, :e )"),
    _query("pk = :pk AND sk BETWEEN :s03 AND :s05"),
    _query("pk = :pk AND sk BETWEEN :s05 AND :s03"),
    _query("pk = :pk AND sk = :s03"),
    _query("pk = :pk AND sk < :s03"),
    _query("pk = :pk AND sk <= :s03"),
    _query("pk = :pk AND sk > :s03"),
    _query("pk = :pk AND :s03 >= sk"),
    _query("(pk = :pk) AND (sk >= :s03 )"),
    _query("pk = :pk AND n = :s03"),
    _query("pk >= :pk"),
    _query("pk = :pk AND sk > :s03 AND sk < :s05"),
    _query("sk = :s03"),
    _one("Query"),
    _one("Scan", ReturnConsumedCapacity="TOTAL", ConsistentRead=True),
    _one("Scan", FilterExpression="n > :5 AND sk > :h", **placeholders(":5 :h")),
]
BEYOND_MINISTACK: list[tuple[str, Params]] = [
    _transaction(_put("a") | {"Delete": {"TableName": "t", "Key": key("b")}}),
    _transaction({"ConditionCheck": {"TableName": "t", "Key": KEY}}),
    _one("PutItem", Item=KEY, ReturnValuesOnConditionCheckFailure="NEW"),
    _one("PutItem", Item=KEY, ConditionExpression="attribute_exists(#a)", ExpressionAttributeNames={"#a": ""}),
    _one("PutItem", Item=KEY | {"": {"N": "1"}}),
    _one("PutItem", Item=KEY | {"x": {"M": {"": {"N": "1"}}}}),
    _query("pk = :pk OR sk = :s03"),
    _query("pk = :pk AND sk <> :s03"),
    _query("pk = :pk AND contains(sk, :s03 )"),
    _query("pk = :pk AND attribute_exists(sk)"),
    _query("pk = :pk", FilterExpression="sk > n"),
]
"""Wrong requests that MiniStack lets pass."""


def for_table(value: Any, table: str) -> Any:
    """The request above for a real table's name."""
    if isinstance(value, dict):
        return {
            (table if name == "t" else name): table if (name, part) == ("TableName", "t") else for_table(part, table)
            for name, part in value.items()
        }
    return [for_table(part, table) for part in value] if isinstance(value, list) else value


async def test_every_request_gets_the_engines_answer_and_leaves_its_items(twin: TwinStore) -> None:
    table = twin.tables["COUNTERS_TABLE"]
    requests = REQUESTS + (BEYOND_MINISTACK if twin.engine.amazon else [])
    wrong = []
    wanted = {item["sk"]["S"]: item for item in [KEY | ITEM, *LISTED]}
    for operation, params in requests:
        there = {item["sk"]["S"]: item for item in await query(twin.mine, table, "p")}
        for sk in there.keys() - wanted.keys():
            await twin.call("DeleteItem", {"TableName": table, "Key": key(sk)})
        for item in [item for sk, item in wanted.items() if there.get(sk) != item]:
            await twin.call("PutItem", {"TableName": table, "Item": item})
        if not await agree(twin, operation, for_table(params, table)):
            wrong.append((operation, str(params)[:300]))

    assert wrong == []
    assert await twin.differences() == []


async def test_a_transaction_is_made_once_per_token_and_only_as_it_was(twin: TwinStore) -> None:
    table = twin.tables["CATALOG_TABLE"]
    add = for_table(_update("token", "ADD n :1"), table)
    more = for_table(_update("token", "ADD n :2"), table)
    refused = for_table(_update("token", "ADD n :1", ConditionExpression="n = :9"), table)
    token = f"token {time.time_ns()}"

    for _ in range(3):
        await twin.call("TransactWriteItems", {"TransactItems": [add], "ClientRequestToken": token})
    with pytest.raises(Rejected, match="IdempotentParameterMismatch"):
        await twin.call("TransactWriteItems", {"TransactItems": [more], "ClientRequestToken": token})
    for _ in range(2):
        with pytest.raises(TransactionFailed):
            await twin.call("TransactWriteItems", {"TransactItems": [refused], "ClientRequestToken": token + "r"})

    found = await twin.call("GetItem", {"TableName": table, "Key": key("token")})
    assert found["Item"]["n"] == {"N": "1"}


async def test_items_weigh_what_the_engines_say(twin: TwinStore) -> None:
    """An item that is just 1024 bytes costs one unit, and one byte more costs two."""
    table = twin.tables["ROLLUPS_TABLE"]
    values: list[dict[str, Any]] = [
        *({"N": number} for number in ("0", "1", "12", "123", "-123", "10000", "1234567", "0.5", "-1.25")),
        *({"BOOL": True}, {"NULL": True}, {"S": "é"}, {"S": ""}, {"M": {}}, {"L": []}),
        *({"M": {"a": {"N": "1"}, "ü": {"S": "xx"}}}, {"L": [{"N": "1"}, {"S": "xx"}]}),
        {"M": {"a": {"M": {"b": {"L": [{"M": {}}]}}}}},
    ]
    for value in values:
        others = len("pk") + len("p") + len("sk") + len("s") + len("v") + len("f")
        for spare, units in ((0, 1.0), (1, 2.0)):
            item = KEY | {"v": value, "f": text(1024 - others - size_of(value) + spare)}
            await twin.call("DeleteItem", {"TableName": table, "Key": KEY})
            answer = await twin.call("PutItem", {"TableName": table, "Item": item, "ReturnConsumedCapacity": "TOTAL"})
            assert answer["ConsumedCapacity"]["CapacityUnits"] == units, value


async def test_an_update_is_charged_for_the_larger_of_the_old_and_the_new_item(twin: TwinStore) -> None:
    table = twin.tables["ROLLUPS_TABLE"]
    await twin.call("PutItem", {"TableName": table, "Item": KEY | {"x": text(3000), "m": {"M": {}}}})
    steps = [
        ("SET m.x = :x", {"ExpressionAttributeValues": {":x": text(2000)}}, 5.0),
        ("REMOVE x", {}, 5.0),
        ("REMOVE m.x", {}, 2.0),
        ("SET s = :1", placeholders(":1"), 1.0),
    ]
    for expression, more, units in steps:
        write = {"TableName": table, "Key": KEY, "UpdateExpression": expression, "ReturnConsumedCapacity": "TOTAL"}
        answer = await twin.call("UpdateItem", write | more)
        assert answer["ConsumedCapacity"]["CapacityUnits"] == units


async def test_nesting_has_the_engines_limit(twin: TwinStore) -> None:
    table = twin.tables["ROLLUPS_TABLE"]
    for levels in (31, 32, 40):
        value: dict[str, Any] = {"N": "1"}
        for _ in range(levels):
            value = {"M": {"k": value}}
        assert await agree(twin, "PutItem", {"TableName": table, "Item": KEY | {"x": value}}), levels


# -- what no engine needs to be asked -----------------------------------------------------------------------------------


async def test_numbers_lose_what_does_not_change_their_value(memory: MemoryStore) -> None:
    """MiniStack does the same, and so does AWS; DynamoDB Local keeps the spelling."""
    written = {"1.50": "1.5", "007": "7", "+7": "7", "-0": "0", "7e2": "700", ".5": "0.5", "7.": "7", "0e1000": "0"}
    for number, kept in written.items():
        await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"n": {"N": number}}})
        assert memory.items("t")[0]["n"] == {"N": kept}


@pytest.mark.parametrize(
    "number", ["1e126", "-1e126", "1e-131", "1" * 39, "1e99999999999999999999", "Infinity", "1_0", "½"]
)
async def test_numbers_that_no_item_can_hold_are_rejected(memory: MemoryStore, number: str) -> None:
    with pytest.raises(Rejected, match="ValidationException"):
        await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"n": {"N": number}}})


async def test_arithmetic_is_exact_in_38_digits_or_refused(memory: MemoryStore) -> None:
    await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"n": {"N": "9" * 37}}})
    write = {"TableName": "t", "Key": KEY, "UpdateExpression": "SET n = n + :a", "ReturnValues": "UPDATED_NEW"}

    answer = await memory.call("UpdateItem", write | {"ExpressionAttributeValues": {":a": {"N": "0.1"}}})

    assert answer["Attributes"] == {"n": {"N": "9" * 37 + ".1"}}
    with pytest.raises(Rejected):
        await memory.call("UpdateItem", write | {"ExpressionAttributeValues": {":a": {"N": "0.01"}}})


async def test_nothing_given_or_taken_is_shared_with_the_caller(memory: MemoryStore) -> None:
    item: dict[str, Any] = KEY | {"m": {"M": {"a": {"L": [{"N": "1"}]}}}}
    before = {"TableName": "t", "Key": KEY, "ConsistentRead": True}
    await memory.call("PutItem", {"TableName": "t", "Item": item})

    item["m"]["M"]["a"]["L"].append({"N": "2"})
    got = (await memory.call("GetItem", before))["Item"]
    got["m"]["M"]["a"]["L"][0]["N"] = "9"
    got["m"]["M"]["b"] = {"N": "3"}
    put = {"TableName": "t", "Item": KEY, "ConditionExpression": "attribute_not_exists(pk)", **ALL_OLD}
    with pytest.raises(ConditionFailed) as failed:
        await memory.call("PutItem", put)
    assert failed.value.old is not None
    failed.value.old.clear()

    assert memory.items("t") == [KEY | {"m": {"M": {"a": {"L": [{"N": "1"}]}}}}]


async def test_a_copy_goes_its_own_way(memory: MemoryStore) -> None:
    await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"m": {"M": {}}}})
    fork = memory.copy()

    change = {"TableName": "t", "Key": KEY, "UpdateExpression": "SET m.x = :1", **placeholders(":1")}
    await fork.call("UpdateItem", change)
    await fork.call("PutItem", {"TableName": "t", "Item": key("other")})

    assert memory.items("t") == [KEY | {"m": {"M": {}}}]
    assert len(fork.items("t")) == 2


@pytest.mark.parametrize("page_items", [1, 2, 5, 7, None])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_pages_end_anywhere_and_nothing_is_read_twice_or_missed(
    page_items: int | None, newest_first: bool
) -> None:
    memory = MemoryStore(["t"], page_items=page_items)
    for pk in ("p", "q", "r"):
        for number in range(5):
            await memory.call("PutItem", {"TableName": "t", "Item": key(f"s{number}", pk)})

    queried = await query(memory, "t", "q", newest_first=newest_first)
    scanned: list[Any] = []
    params: Params = {"TableName": "t"}
    while True:
        page = await memory.call("Scan", params)
        scanned += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    assert [item["sk"]["S"] for item in queried] == sorted((f"s{n}" for n in range(5)), reverse=newest_first)
    assert sorted(scanned, key=str) == sorted(memory.items("t"), key=str)


async def test_a_page_ends_after_a_megabyte(memory: MemoryStore) -> None:
    for number in range(5):
        await memory.call("PutItem", {"TableName": "t", "Item": key(f"s{number}") | {"x": text(300_000)}})

    page = await memory.call("Scan", {"TableName": "t"})

    assert page["Count"] == 4
    assert len(await query(memory, "t", "p")) == 5


async def test_a_scan_goes_on_from_an_item_that_is_gone() -> None:
    memory = MemoryStore(["t"], page_items=1)
    for pk in "abcdefgh":
        await memory.call("PutItem", {"TableName": "t", "Item": key("s", pk)})
    seen: list[str] = []
    params: Params = {"TableName": "t"}

    while True:
        page = await memory.call("Scan", params)
        for item in page["Items"]:
            seen.append(item["pk"]["S"])
            await memory.call("DeleteItem", {"TableName": "t", "Key": key("s", item["pk"]["S"])})
        if "LastEvaluatedKey" not in page:
            break
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    assert sorted(seen) == list("abcdefgh")
    assert seen != sorted(seen), "a scan's order means nothing"


async def test_a_request_token_is_forgotten_after_ten_minutes() -> None:
    now = 1_000_000.0
    memory = MemoryStore(["t"], clock=lambda: now)
    operation, params = _transaction(_update("s", "ADD n :1"), ClientRequestToken="once")

    await memory.call(operation, params)
    now += 599
    await memory.call(operation, params)
    assert memory.items("t")[0]["n"] == {"N": "1"}
    now += 2
    await memory.call(operation, params)

    assert memory.items("t")[0]["n"] == {"N": "2"}


async def test_a_wrong_key_cancels_its_transaction_as_on_aws(memory: MemoryStore) -> None:
    """Alternator's tests say so of AWS; both emulators reject the request instead."""
    wrong = {"Put": {"TableName": "t", "Item": {"pk": {"S": "p"}, "sk": {"N": "1"}}}}

    with pytest.raises(TransactionFailed) as failed:
        await memory.call(*_transaction(_put("a", ConditionExpression="attribute_exists(pk)"), wrong, wrong))

    assert failed.value.reasons == [("None", None), ("ValidationError", None), ("None", None)]


async def test_units_are_counted_twice_in_transactions_and_for_refused_writes_too(memory: MemoryStore) -> None:
    put = {"TableName": "t", "Item": KEY | {"x": text(1500)}}
    await memory.call("PutItem", put)
    assert memory.write_units == 2

    with pytest.raises(ConditionFailed):
        await memory.call("PutItem", put | {"ConditionExpression": "attribute_not_exists(pk)"})
    assert memory.write_units == 4

    await memory.call("TransactWriteItems", {"TransactItems": [{"Put": put}, _put("other")]})
    assert memory.write_units == 10

    await memory.call("GetItem", {"TableName": "t", "Key": KEY, "ConsistentRead": True})
    assert memory.read_units == 1


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeTable", {"TableName": "t"}),
        ("PutItem", {"TableName": "t", "Item": KEY, "Expected": {}}),
        ("PutItem", {"TableName": "t", "Item": KEY | {"x": {"SS": ["a"]}}}),
        ("UpdateItem", {"TableName": "t", "Key": KEY, "UpdateExpression": "SET l[0] = n"}),
        ("UpdateItem", {"TableName": "t", "Key": KEY, "UpdateExpression": "DELETE x :1", **placeholders(":1")}),
        ("Query", {"TableName": "t", "IndexName": "i"}),
        ("Scan", {"TableName": "t", "Segment": 0, "TotalSegments": 2}),
    ],
)
async def test_what_is_not_modelled_is_said_loudly(memory: MemoryStore, operation: str, params: Params) -> None:
    with pytest.raises(NotImplementedError):
        await memory.call(operation, params)


async def test_a_value_of_the_wrong_json_type_is_a_serialization_error(memory: MemoryStore) -> None:
    with pytest.raises(Rejected, match="SerializationException"):
        await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"n": {"N": 5}}})


def test_a_conditional_update_takes_microseconds(memory: MemoryStore) -> None:
    """About 20 on the machine that this was written on; the bound is for busy ones."""
    write = {
        "TableName": "t",
        "Key": KEY,
        "UpdateExpression": "SET n = if_not_exists(n, :0) + :1, m.x = :1",
        "ConditionExpression": "attribute_exists(pk) AND m.x <> :0 AND size(m) < :9 AND attribute_not_exists(m.#none)",
        "ReturnValues": "UPDATED_NEW",
        **placeholders(":0 :1 :9 #none"),
    }

    async def many() -> float:
        await memory.call("PutItem", {"TableName": "t", "Item": KEY | {"m": {"M": {}}}})
        begun = time.process_time()
        for _ in range(2000):
            await memory.call("UpdateItem", write)
        return (time.process_time() - begun) / 2000

    assert asyncio.run(many()) < 200e-6
    assert memory.items("t")[0]["n"] == {"N": "2000"}
