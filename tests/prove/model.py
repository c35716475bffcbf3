"""A model check of the money path: every interleaving of small instances, with the product's own code as the processes.

One wallet, up to two requests with two attempts each, lost answers, writes that arrive late, deaths, a sweep whose clock
is a minute ahead, credit that expires, a key that is revoked, payments and corrections. In every state the books must
balance; at rest, to the unit. Then each condition that the ledger relies on is taken away, and must be missed.

    python -m tests.prove.model        # the instances, and the shortest way to break each promise without each condition
"""

import sys
from collections.abc import Iterable

from tests.prove.model_conditions import BIG, CONDITIONS, PLAIN, Condition, bounded
from tests.prove.model_search import Instance, Outcome, Search
from tests.prove.table import Row, timed

STATES_MAX = 3_000_000


def prove(scale: int = 1) -> Row:
    with timed("model: every interleaving of small instances") as row, bounded():
        explored = [Search(instance).run(STATES_MAX) for instance in instances(scale)]
        tried = [(condition, without(condition)) for condition in CONDITIONS]
        row.violations += [f"{o.instance.name}: {o.wrong}: {'; '.join(o.trace)}" for o in explored if o.wrong]
        row.violations += [f"{o.instance.name}: {o.states:,} states are not all" for o in explored if not o.complete]
        row.violations += misjudged(tried)
        needed = sum(not condition.unneeded for condition, _ in tried)
        states, transitions = sum(o.states for o in explored), sum(o.transitions for o in explored)
        row.how_many = f"{states:,} states, {transitions:,} transitions, {needed} conditions each needed"
        row.notes = f"{len(explored)} instances; {len(tried) - needed} conditions are implied by others"
        print("\n".join(described(explored, tried)))
    return row


def instances(scale: int) -> Iterable[Instance]:
    """Those in which nothing may go wrong."""
    small = dict.fromkeys([PLAIN, *(condition.instance for condition in CONDITIONS)])
    return [*small, *BIG] if scale > 1 else list(small)


def without(condition: Condition) -> Outcome:
    with condition.patch():
        return Search(condition.changed or condition.instance, condition.edit).run(STATES_MAX)


def misjudged(tried: Iterable[tuple[Condition, Outcome]]) -> list[str]:
    """Conditions that turned out otherwise than we say."""
    wrong = []
    for condition, outcome in tried:
        if condition.unneeded and outcome.wrong:
            wrong.append(
                f"{condition.name}: said to be implied, but without it {outcome.wrong}: {'; '.join(outcome.trace)}"
            )
        if not condition.unneeded and not outcome.wrong:
            wrong.append(f"{condition.name}: nothing goes wrong without it in {outcome.states:,} states")
    return wrong


def described(explored: Iterable[Outcome], tried: Iterable[tuple[Condition, Outcome]]) -> Iterable[str]:
    for outcome in explored:
        yield (
            f"  {outcome.instance.name}: {outcome.states:,} states, {outcome.transitions:,} transitions, "
            f"{outcome.contents} contents of the store, {outcome.quiescent:,} states at rest, {outcome.seconds:.1f} s"
        )
    for condition, outcome in tried:
        if condition.unneeded:
            yield f"  without {condition.name}: nothing ({condition.unneeded})"
        else:
            yield f"  without {condition.name}: {outcome.wrong}"
            yield f"      {'; '.join(outcome.trace)}"


if __name__ == "__main__":
    from tests.prove.table import print_table

    proved = prove()
    print_table([proved])
    sys.exit(1 if proved.violations else 0)
