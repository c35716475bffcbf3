"""CPU of choosing a route and pricing a request, with a catalog of one model and with one of five hundred.

    python -m tools.bench.routing     prints {"name": [value a round], …}: ms a request; for the snapshots, ms to load one

Everything between the cached snapshot and the receipt's figures that knows of models, routes, channels or prices: resolve,
offers, order, channels' states, tariff, and the charge.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from infergate.catalog.resolve import NO_WISHES, Buyer, in_order, offers, resolve
from infergate.catalog.snapshot import dump, load
from infergate.catalog.types import Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.channels.health import Health
from infergate.chat.price import charge, tariff
from infergate.chat.routing import Doors
from infergate.chat.types import InferenceRequest
from infergate.store.client import Params

ROUNDS = 5
REQUESTS = 2_000
ROUTES = 3
TABLE = "counters"


def catalog(models: int) -> Snapshot:
    """Every model over three channels of twenty; every price with cache rates, a tier for long requests and a cheap one."""
    channels = {f"c{i}": Channel(f"c{i}", "openai", f"https://{i}.example.com/v1", f"c{i}") for i in range(20)}
    made = {}
    for i in range(models):
        rates = {"input": i + 1, "cached_input": i, "cache_write": i + 2, "output": 4 * i, "request": 1}
        book = PriceBook(f"b{i}", f"{i:012x}", rates, ((200_000, {k: 2 * v for k, v in rates.items()}),))
        book = replace(book, service_tiers={"flex": book})
        routes = [
            Route(f"m{i}-{r}", channels[f"c{(i + r) % 20}"], "up", book, 1 + r // 2, r + 1) for r in range(ROUTES)
        ]
        made[f"m{i}"] = Model(f"m{i}", "chat", "bench", 0, 400_000, 16_000, 1_000, tuple(routes))
    return Snapshot("bench", made, {"starter": Plan("starter", 600, 2_000_000, 100)}, channels=channels)


def spent(work: Callable[[], object], times: int) -> float:
    """CPU ms a call."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) * 1000 / times


async def requests_of(snapshot: Snapshot, house: "Halls") -> float:
    buyer, number = Buyer("starter"), len(snapshot.models)
    usage = {"input": 900, "cached_input": 100, "output": 300}
    began = time.process_time()
    for i in range(REQUESTS):
        name = f"m{i % number}"
        request = InferenceRequest("req_1", "chat/completions", "chat", {}, name, 4_000, max_output=1_000)
        model = resolve(snapshot, name, "chat", buyer)
        taken, _ = offers(model, buyer, NO_WISHES, 0)
        doors = Doors(house, model, taken)  # type: ignore[arg-type]
        await doors.check()
        hold = tariff(request, model, taken).hold(1_000)
        first = in_order(taken, NO_WISHES, lambda: 0.5)[0]
        await house.health.state_of([first.route.channel.id])
        charge(usage, first.price, hold)
    return (time.process_time() - began) * 1000 / REQUESTS


class Halls:
    """As much of a house as routes need."""

    def __init__(self) -> None:
        self.clock = lambda: 1_800_000_000.0
        self.health = Health(Nothing(), TABLE, self.clock, lambda line: None)


class Nothing:
    """A store that holds no channel's state: all are well."""

    async def call(self, operation: str, params: Params) -> Any:
        return {"Responses": {TABLE: []}}


async def main() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        for models in (1, 500):
            snapshot, house = catalog(models), Halls()
            await house.health.refresh(snapshot.channels)
            packed = dump(snapshot)
            figures = {
                f"routing and pricing, {models} models": await requests_of(snapshot, house),
                f"loading a snapshot, {models} models": spent(lambda packed=packed: load(packed), 10),  # type: ignore[misc]
                f"snapshot, kB, {models} models": len(packed) / 1000,
            }
            for name, value in figures.items():
                if number:
                    found.setdefault(name, []).append(value)
    return found


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(main())).decode())
