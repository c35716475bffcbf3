"""Laws of the ledger's arithmetic."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from infergate.ledger.rules import (
    Share,
    burn_order,
    lapse_of_unused,
    less,
    plan_attribution,
    plan_burn,
    plan_lapse,
)
from infergate.ledger.types import Grant, Hold, Wallet

NOW = 1_000

amounts = st.integers(0, 50)
grants = st.lists(
    st.builds(
        Grant,
        id=st.uuids().map(str),
        kind=st.sampled_from(["trial", "promo", "paid"]),
        granted=st.just(50),
        left=amounts,
        created_at=st.integers(0, 5),
        expires_at=st.integers(NOW - 2, NOW + 3),
        priority=st.integers(0, 2),
    ),
    max_size=6,
)


@given(grants, st.integers(0, 400))
def test_burned_plus_uncovered_is_always_the_amount(lots: list[Grant], amount: int) -> None:
    burn = plan_burn(lots, amount)

    assert sum(burn.taken.values()) + burn.uncovered == amount
    assert all(0 < part <= next(g.left for g in lots if g.id == name) for name, part in burn.taken.items())


@given(grants, st.integers(0, 400))
def test_nothing_burns_while_what_comes_before_it_has_anything_left(lots: list[Grant], amount: int) -> None:
    taken = plan_burn(lots, amount).taken

    left = [g.left - taken.get(g.id, 0) for g in sorted(lots, key=burn_order)]
    first_untouched = next((i for i, g in enumerate(sorted(lots, key=burn_order)) if left[i]), len(left))
    later = [taken.get(g.id, 0) for g in sorted(lots, key=burn_order)[first_untouched + 1 :]]
    assert not any(later)


@given(grants, amounts, amounts)
def test_burning_in_two_steps_is_burning_at_once(lots: list[Grant], first: int, second: int) -> None:
    once = plan_burn(lots, first + second).taken
    step = plan_burn(lots, first)
    rest = [less(g, Share(spent=step.taken.get(g.id, 0))) for g in lots]
    again = plan_burn(rest, second + step.uncovered).taken

    assert once == {n: step.taken.get(n, 0) + again.get(n, 0) for n in step.taken | again}


def test_the_burn_order_is_priority_then_expiry_then_what_cannot_be_refunded_then_age() -> None:
    paid = Grant("a", "paid", 1, 1, created_at=0, expires_at=100)
    promo = replace(paid, id="b", kind="promo", created_at=9)
    sooner = replace(paid, id="c", expires_at=50)
    urgent = replace(paid, id="d", expires_at=900, priority=1)
    older = replace(promo, id="e", created_at=1)

    assert [g.id for g in sorted([paid, promo, sooner, urgent, older], key=burn_order)] == ["d", "c", "e", "b", "a"]


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Grant], list[Hold]]:
    """Grants, and holds that together hold no more than what is left of them."""
    lots = draw(grants)
    room = sum(g.left for g in lots)
    holds = []
    for i in range(draw(st.integers(0, 4))):
        amount = draw(st.integers(0, room))
        room -= amount
        holds.append(Hold(f"req_{i}.1", amount, 0))
    return lots, holds


@given(books())
def test_what_is_due_either_expires_now_or_lies_in_a_hold(case: tuple[list[Grant], list[Hold]]) -> None:
    lots, holds = case

    lapse = plan_lapse(lots, holds, NOW)

    due = sum(g.left for g in lots if g.expires_at <= NOW)
    in_holds = sum(length for slices in lapse.held.values() for length, _ in slices)
    assert sum(lapse.expired.values()) + in_holds == due
    available = sum(g.left for g in lots) - sum(h.amount for h in holds)
    assert sum(lapse.expired.values()) <= available, "what a hold covers is never taken from it"


@given(books())
def test_the_slices_of_a_hold_lie_inside_it(case: tuple[list[Grant], list[Hold]]) -> None:
    lots, holds = case

    for name, slices in plan_lapse(lots, holds, NOW).held.items():
        amount = next(h.amount for h in holds if h.id == name)
        for length, after in slices:
            assert 0 < length <= amount - after <= amount


@given(books(), st.data())
def test_a_settled_hold_gives_back_only_what_has_not_expired(
    case: tuple[list[Grant], list[Hold]], data: st.DataObject
) -> None:
    lots, holds = case
    lapse = plan_lapse(lots, holds, NOW)
    for hold in holds:
        due = lapse.held.get(hold.id, ())
        cost = data.draw(st.integers(0, hold.amount))

        lapsed = lapse_of_unused(hold.amount - cost, due)

        in_slices = sum(length for length, _ in due)
        assert 0 <= lapsed <= min(in_slices, hold.amount - cost)
        assert in_slices - lapsed <= cost, "what did not lapse was spent"


@given(books(), st.data())
def test_attribution_after_an_expiry_always_comes_out_even(
    case: tuple[list[Grant], list[Hold]], data: st.DataObject
) -> None:
    """Expire under open holds, settle them at any cost, attribute: what is left is what is available, lot by lot."""
    lots, holds = case
    total = sum(g.left for g in lots)
    lapse = plan_lapse(lots, holds, NOW)
    gone = sum(lapse.expired.values())
    lots = [replace(less(g, Share(expired=lapse.expired.get(g.id, 0))), lapsing=g.expires_at <= NOW) for g in lots]
    wallet = Wallet("a", total - gone - sum(h.amount for h in holds), total, gone, 0, "active", 1, 0, 0)
    for hold in data.draw(st.permutations(holds)):
        due = lapse.held.get(hold.id, ())
        cost = data.draw(st.integers(0, hold.amount))
        lapsed = lapse_of_unused(hold.amount - cost, due)
        wallet = replace(
            wallet,
            available=wallet.available + hold.amount - cost - lapsed,
            spent=wallet.spent + cost,
            debited=wallet.debited + lapsed,
            lapsed=wallet.lapsed + lapsed,
            due_spent=wallet.due_spent + sum(length for length, _ in due) - lapsed,
        )

    shares = plan_attribution(wallet, lots)

    after = [less(g, shares.get(g.id, Share())) for g in lots]
    assert sum(g.left for g in after) == wallet.available
    assert all(g.left >= 0 for g in after)
    assert not any(g.left for g in after if g.expires_at <= NOW), "nothing expired is left to spend"
