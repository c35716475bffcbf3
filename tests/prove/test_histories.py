"""The checker of histories, on histories whose answer is known; `make prove` records hundreds."""

from infergate.ledger.ledger import Tables

from tests.prove.histories import history, judge, planted
from tests.prove.histories_check import Event, Move, Purse, Read, Reserve, Settle, check
from tests.support.memory_store import MemoryStore

EMPTY: frozenset[tuple[str, int]] = frozenset()


def test_two_reserves_of_the_same_credit_cannot_both_have_been_granted() -> None:
    both = [Event(Reserve(name, 6, 9), 0, 9, ("yes", 4)) for name in ("a.1", "b.1")]

    assert not check(both, Purse(10)).linearizable
    assert check([both[0], Event(Reserve("b.1", 4, 9), 0, 9, ("yes", 0))], Purse(10)).linearizable


def test_a_read_must_see_what_ended_before_it_began() -> None:
    reserve = Event(Reserve("a.1", 6, 9), 0, 1, ("yes", 4))
    stale = Event(Read(), 2, 3, ("yes", (10, 0, 1, EMPTY)))

    assert not check([reserve, stale], Purse(10)).linearizable
    stale.began = 0
    assert check([reserve, stale], Purse(10)).linearizable, "at once, either order explains it"


def test_a_call_whose_answer_was_lost_may_have_happened_or_not_and_late_or_early() -> None:
    lost = Event(Reserve("a.1", 6, 9), 0)
    held = (4, 0, 1, frozenset({("a.1", 6)}))

    assert check([lost, Event(Read(), 5, 6, ("yes", (10, 0, 1, EMPTY)))], Purse(10)).linearizable
    assert check([lost, Event(Read(), 5, 6, ("yes", held))], Purse(10)).linearizable
    both = [Event(Read(), 5, 6, ("yes", held)), Event(Read(), 7, 8, ("yes", (10, 0, 1, EMPTY)))]
    assert not check([lost, *both], Purse(10)).linearizable, "what has happened does not un-happen"


def test_a_settle_books_once() -> None:
    purse = Purse(4, holds=frozenset({("a.1", 6)}))
    first = Event(Settle("a.1", 6, 2), 0, 5, ("yes", 8))

    assert not check([first, Event(Settle("a.1", 6, 2), 0, 5, ("yes", 12))], purse).linearizable
    again = Event(Settle("a.1", 6, 2), 0, 5, ("no", (8, 2, 1, EMPTY)))
    assert check([first, again], purse).linearizable


def test_a_movement_happens_to_the_version_it_was_planned_from_or_not_at_all() -> None:
    twice = [Event(Move(5, 1, 0, 15), 0, 5, ("yes", None)) for _ in range(2)]

    assert not check(twice, Purse(10)).linearizable
    twice[1].answer = ("no", None)
    assert check(twice, Purse(10)).linearizable


async def test_what_clients_see_on_the_store_in_memory_is_linearizable() -> None:
    names = Tables("accounts", "receipts", "counters")
    for seed in range(1000, 1010):
        store = MemoryStore([names.accounts, names.receipts, names.counters])
        assert judge(await history(store, names, seed)).linearizable


async def test_a_store_that_is_not_atomic_is_found_out() -> None:
    assert await planted() >= 6
