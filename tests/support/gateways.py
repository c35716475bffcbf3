"""Several gateways, each a process with caches of its own, that are sent requests at once.

python -m tests.support.gateways ENDPOINT '{"ACCOUNTS_TABLE": ...}'    # one of them; a line of JSON in, one out
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

from tests.support.live import live_house
from tools.local.template import ROOT

PROCESSES = 4


async def serve_lines(endpoint: str, tables: dict[str, str]) -> None:
    """For every line {"keys", "body", "count"}: so many requests at once, the keys by turns; then how many had which status."""
    async with live_house(endpoint, tables) as live:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            job = json.loads(line)
            keys = job["keys"]
            answers = await asyncio.gather(
                *(
                    live.post("/v1/chat/completions", keys[i % len(keys)], content=job["body"])
                    for i in range(job["count"])
                )
            )
            print(json.dumps(Counter(answer.status_code for answer in answers)), flush=True)


class Gateways:
    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def statuses(self, keys: list[str], body: str, how_many: int) -> Counter[int]:
        """Of `how_many` requests, sent at once and shared out among the processes."""
        job = json.dumps({"keys": keys, "body": body, "count": how_many // len(self._processes)})
        for process in self._processes:
            print(job, file=process.stdin, flush=True)
        found: Counter[int] = Counter()
        for process in self._processes:
            found.update({int(status): count for status, count in json.loads(_line(process)).items()})
        return found


@contextlib.contextmanager
def gateways(endpoint: str, tables: dict[str, str]) -> Iterator[Gateways]:
    command = [sys.executable, "-m", "tests.support.gateways", endpoint, json.dumps(tables)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert _line(process) == "ready\n"
        yield Gateways(processes)
    finally:
        for process in processes:
            process.communicate(timeout=20)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


if __name__ == "__main__":
    asyncio.run(serve_lines(sys.argv[1], json.loads(sys.argv[2])))
