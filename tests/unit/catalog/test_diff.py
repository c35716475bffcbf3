"""What a change of the catalog changes."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from infergate.catalog.compile import compile_file
from infergate.catalog.diff import differences, flat
from infergate.catalog.read import parse
from infergate.catalog.types import Snapshot

COMMITTED = (Path(__file__).parents[2] / "support" / "catalog.yaml").read_text()
IN_FORCE = compile_file(parse(COMMITTED))


def test_a_catalog_does_not_differ_from_itself() -> None:
    assert differences(IN_FORCE, IN_FORCE) == []


def test_a_price_is_compared_as_it_is_sold() -> None:
    after = compile_file(parse(COMMITTED, {"models.demo-chat.routes.demo-chat-a.markup": '"1.10"'}))

    assert differences(IN_FORCE, after) == [
        ("models.demo-chat.routes.demo-chat-a.price.cached_input", "0.25", "0.275"),
        ("models.demo-chat.routes.demo-chat-a.price.input", "0.50", "0.55"),
        ("models.demo-chat.routes.demo-chat-a.price.output", "1.50", "1.65"),
    ]


def test_what_comes_and_what_goes_is_told() -> None:
    gone, come = differences(IN_FORCE, Snapshot("")), differences(Snapshot(""), IN_FORCE)

    assert {path for path, _, after in gone if after is None} == flat(IN_FORCE).keys()
    assert [(path, after, before) for path, before, after in gone] == come


@given(st.sampled_from(["requests_per_minute", "tokens_per_minute", "concurrency"]), st.integers(1, 99))
def test_whatever_differs_is_listed_and_nothing_else(limit: str, value: int) -> None:
    after = compile_file(parse(COMMITTED, {f"plans.starter.{limit}": str(value)}))

    assert [path for path, _, _ in differences(IN_FORCE, after)] == [f"plans.starter.{limit}"]
