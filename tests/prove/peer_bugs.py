"""What broke our peers, put back on purpose: a named test must fail for every one of it.

python -m tests.prove.peer_bugs [WORD ...]      # those whose name has a word in it; each with how it was noticed
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from tests.prove.mutants_run import Result, run_apart
from tests.prove.peer_bugs_patches import PEER_BUGS, Patch, PeerBug
from tests.prove.table import Row, print_table, timed
from tools.local.aws import EmbeddedAws


def prove(scale: int = 1, words: tuple[str, ...] = ()) -> Row:
    chosen = [bug for bug in PEER_BUGS if not words or any(word in bug.name for word in words)]
    with timed("peers' bugs, put back") as row, EmbeddedAws() as aws:
        for test in dict.fromkeys(bug.test for bug in chosen):
            healthy = run_apart({}, [test], endpoint=aws.endpoint)
            if healthy.kind != "passed":
                row.violations.append(f"{test} does not pass where nothing is wrong: {healthy.why}")
        caught = 0
        for bug in chosen:
            try:
                result = run_apart(patched(bug.patches), [bug.test], endpoint=aws.endpoint)
            except LookupError as error:
                result = Result("stale", str(error))
            caught += result.kind == "failed"
            if result.kind != "failed":
                row.violations.append(f"{bug.name} ({bug.peers}): {result.kind} {result.why}")
            if words:
                print(f"  {bug.name}: {result.kind}: {bug.test.rpartition('::')[2]}: {result.why}")
        row.how_many = f"{len(chosen)} peer bugs, {caught} caught"
        row.notes = f"by {len({bug.test for bug in chosen})} tests"
    return row


def patched(patches: tuple[Patch, ...]) -> dict[str, str]:
    """Module -> its source with the bug. Raises LookupError where the code has changed too much to say."""
    sources: dict[str, str] = {}
    for module, old, new in patches:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise LookupError(f"no module {module}")
        source = sources.get(module) or Path(spec.origin).read_text()
        if source.count(old) != 1:
            raise LookupError(f"{module} has {old.strip()[:80]!r} {source.count(old)} times, not once")
        sources[module] = source.replace(old, new)
    return sources


__all__ = ["PEER_BUGS", "PeerBug", "patched", "prove"]

if __name__ == "__main__":
    proved = prove(words=tuple(sys.argv[1:]) or ("",))
    print_table([proved])
    sys.exit(1 if proved.violations else 0)
