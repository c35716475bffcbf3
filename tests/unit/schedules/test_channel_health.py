"""The look after the channels: real catalog, secrets, breakers and, where it probes, a real server on loopback."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.catalog.shelf import Shelf
from infergate.catalog.types import Snapshot
from infergate.channels.health import Health
from infergate.channels.rules import FAILURES_MIN, OPEN_S
from infergate.providers.types import Call
from infergate.schedules.channel_health import ChannelHealth, Checked, Send
from infergate.schedules.probe import send_probe
from infergate.store.client import Params
from infergate.store.errors import Busy, Rejected
from infergate.store.secrets import KEEP_S, Secrets

from tests.support.live import serve
from tests.support.memory_store import MemoryStore
from tools.local.template import ROOT
from tools.local.upstream import app as upstream_app

T0 = 1_800_000_000.0
IDS = ("demo", "openai")


class Place:
    """One deployment, its clock, and what its providers answer to a probe."""

    def __init__(self, send: Send | None = None, **overrides: str) -> None:
        self.now = T0
        self.store = MemoryStore(["catalog", "counters"], clock=lambda: self.now)
        self.keys = {"channels/demo": "demo-upstream-key", "channels/openai": "sk-live"}
        self.secret_error: Exception | None = None
        self.statuses = dict.fromkeys(IDS, 200)
        self.probes: list[str] = []
        self.lines: list[dict[str, Any]] = []
        self._send = send or self._answer
        self.snapshot = catalog(**overrides)

    def worker(self) -> Health:
        return Health(self.store, "counters", lambda: self.now, self.lines.append)

    def schedule(self) -> ChannelHealth:
        clock = lambda: self.now  # noqa: E731
        shelf, secrets = Shelf(self.store, "catalog", clock), Secrets(self, clock)
        health = Health(self.store, "counters", clock, self.lines.append)
        return ChannelHealth(shelf, health, secrets, "channels/", self._send, clock, self.lines.append)

    async def run(self, **how: int) -> Checked:
        if not self.store.items("catalog"):
            await Shelf(self.store, "catalog", lambda: self.now).apply(self.snapshot, "test")
        return await self.schedule().run(**how)

    async def phases(self) -> dict[str, str]:
        return {channel: seen.state.phase for channel, seen in (await self.worker().overview(IDS)).items()}

    async def open(self, channel: str) -> None:
        health = self.worker()
        for _ in range(FAILURES_MIN):
            await health.failed(channel, "timed out")

    def changes(self) -> list[tuple[str, str, str]]:
        return [(li["channel"], li["was"], li["phase"]) for li in self.lines if li["event"] == "channel"]

    async def _answer(self, base_url: str, call: Call) -> int:
        channel = "demo" if "127.0.0.1" in base_url else "openai"
        self.probes.append(channel)
        await asyncio.sleep(0)
        return self.statuses[channel]

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """As a store of secrets."""
        if self.secret_error:
            raise self.secret_error
        if params["SecretId"] not in self.keys:
            raise Rejected("ResourceNotFoundException")
        return {"SecretString": self.keys[params["SecretId"]]}


def catalog(**overrides: str) -> Snapshot:
    enabled = {"channels.demo.enabled": "true", "channels.openai.enabled": "true"}
    return compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), enabled | overrides))


@pytest.fixture
def place() -> Place:
    return Place()


# -- secrets -----------------------------------------------------------------------------------------------------------
async def test_channels_with_their_secrets_are_left_as_they_are(place: Place) -> None:
    checked = await place.run()

    assert checked == Checked(channels=2)
    assert place.store.items("counters") == []
    assert place.changes() == []


@pytest.mark.parametrize("value", [None, "", "changeme"])
async def test_a_channel_whose_secret_is_missing_is_off_until_it_appears(place: Place, value: str | None) -> None:
    place.keys.pop("channels/openai")
    if value is not None:
        place.keys["channels/openai"] = value

    assert (await place.run()).off == 1
    state = (await place.worker().state_of(["openai"]))["openai"]
    assert (state.phase, state.reason) == ("off", "secret missing")

    place.keys["channels/openai"] = "sk-live"
    assert (await place.run()).off == 0
    assert await place.phases() == {"demo": "closed", "openai": "closed"}
    assert place.changes() == [("openai", "closed", "off"), ("openai", "off", "closed")]


async def test_another_run_on_the_same_finding_writes_nothing_and_says_nothing(place: Place) -> None:
    place.keys.clear()
    await place.run()
    paid, said = place.store.write_units, place.changes()

    await place.run()

    assert place.store.write_units == paid
    assert place.changes() == said
    assert len(said) == 2


@pytest.mark.parametrize("error", [Busy("ThrottlingException"), Rejected("AccessDeniedException")])
async def test_a_secret_store_that_cannot_be_read_turns_nothing_off(place: Place, error: Exception) -> None:
    place.secret_error = error

    checked = await place.run()

    assert (checked.failed, checked.off) == (2, 0)
    assert await place.phases() == {"demo": "closed", "openai": "closed"}


async def test_a_secret_that_disappears_is_noticed_within_five_minutes_by_a_warm_function(place: Place) -> None:
    await place.run()
    schedule = place.schedule()
    await schedule.run()
    place.keys.pop("channels/openai")
    place.now += KEEP_S

    assert (await schedule.run()).off == 1


async def test_a_disabled_channel_is_not_looked_at() -> None:
    place = Place(**{"channels.openai.enabled": "false"})
    place.keys.pop("channels/openai")

    assert await place.run() == Checked(channels=1)


# -- probes ------------------------------------------------------------------------------------------------------------
async def test_an_open_channel_is_left_alone_until_its_time_is_over(place: Place) -> None:
    await place.open("openai")

    assert await place.run() == Checked(channels=2, open=1)
    assert place.probes == []


async def test_a_channel_whose_time_is_over_is_probed_and_closed_without_a_customers_request(place: Place) -> None:
    await place.open("openai")
    place.now += OPEN_S

    assert await place.run() == Checked(channels=2, probed=1)
    assert place.probes == ["openai"]
    assert await place.phases() == {"demo": "closed", "openai": "closed"}
    assert place.changes() == [("openai", "closed", "open"), ("openai", "half-open", "closed")]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(0, "unreachable"), (504, "timed out"), (500, "server error"), (302, "server error"), (401, "refused our key")],
)
async def test_a_probe_that_fails_opens_it_again(place: Place, status: int, reason: str) -> None:
    await place.open("openai")
    place.now += OPEN_S
    place.statuses["openai"] = status

    assert await place.run() == Checked(channels=2, probed=1, open=1)
    state = (await place.worker().state_of(["openai"]))["openai"]
    assert (state.phase, state.reason, state.until_s) == ("open", reason, place.now + 2 * OPEN_S)


@pytest.mark.parametrize(("status", "phase"), [(404, "closed"), (405, "closed"), (429, "cooled")])
async def test_a_provider_without_a_list_of_models_or_with_too_much_to_do_is_alive(
    place: Place, status: int, phase: str
) -> None:
    await place.open("openai")
    place.now += OPEN_S
    place.statuses["openai"] = status

    await place.run()

    assert (await place.phases())["openai"] == phase


async def test_eight_runs_at_once_probe_once(place: Place) -> None:
    await place.run()
    await place.open("openai")
    place.now += OPEN_S

    await asyncio.gather(*[place.schedule().run() for _ in range(8)])

    assert place.probes == ["openai"]


async def test_a_cooled_channel_is_not_probed_for_its_provider_has_said_when(place: Place) -> None:
    await place.worker().failed("openai", "rate limited", retry_after_s=10)
    assert (await place.phases())["openai"] == "cooled"
    place.now += 10

    assert await place.run() == Checked(channels=2)
    assert place.probes == []


async def test_a_kind_without_such_a_call_stays_half_open_for_the_next_request(place: Place) -> None:
    channels = {name: replace(channel, kind="something else") for name, channel in place.snapshot.channels.items()}
    place.snapshot = replace(place.snapshot, channels=channels)
    await place.open("openai")
    place.now += OPEN_S

    assert await place.run() == Checked(channels=2)
    assert place.probes == []
    worker = place.worker()
    assert (await worker.state_of(["openai"]))["openai"].phase == "half-open"
    assert await worker.try_probe("openai")


async def test_a_url_over_which_no_key_may_go_counts_as_unreachable() -> None:
    async def refuse(base_url: str, call: Call) -> int:
        raise ValueError("a provider is reached by https")

    place = Place(refuse)
    await place.open("openai")
    place.now += OPEN_S

    assert await place.run() == Checked(channels=2, probed=1, failed=1, open=1)


async def test_a_real_probe_of_a_real_server_closes_the_channel() -> None:
    async with serve(upstream_app) as url:
        place = Place(send_probe, **{"channels.demo.base_url": f"{url}/v1"})
        await place.open("demo")
        place.now += OPEN_S

        assert await place.run() == Checked(channels=2, probed=1)

    assert (await place.phases())["demo"] == "closed"


# -- bounds and metrics ------------------------------------------------------------------------------------------------
async def test_what_one_run_does_not_reach_is_counted(place: Place) -> None:
    assert await place.run(channels_max=1) == Checked(channels=1, left=1)


async def test_no_probe_begins_when_the_next_run_is_at_hand() -> None:
    async def slow(base_url: str, call: Call) -> int:
        place.now += 60
        return 200

    place = Place(slow)
    for channel in IDS:
        await place.open(channel)
    place.now += OPEN_S

    assert await place.run() == Checked(channels=2, probed=1, left=1, open=0)


async def test_every_channel_has_its_metric_in_every_run(place: Place) -> None:
    place.keys.pop("channels/openai")

    await place.run()

    measured = [line for line in place.lines if "channel_open" in line]
    assert [(line["channel"], line["channel_open"]) for line in measured] == [("demo", 0), ("openai", 1)]
