"""Looking after the channels, so that one which nobody uses any more is found well again, and one without a key is not tried.

For each enabled channel of the catalog in force: it is off while its secret is missing; and where its time of being open
is over, one cheap call of ours decides instead of a customer's. What a cooled channel waits for its provider has said:
nothing is tried there. Every step is a conditional write of `channels.health`, so that two runs at once do no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from infergate.catalog.shelf import Shelf
from infergate.catalog.types import Channel, Snapshot
from infergate.channels.health import Health
from infergate.channels.rules import ChannelState, Failure, failure_of
from infergate.kernel.errors import Unavailable
from infergate.kernel.time import Clock
from infergate.providers.probe import probe_call
from infergate.providers.types import Call, Target
from infergate.store.secrets import Secrets

CHANNELS_MAX = 500
AT_ONCE = 10
RUN_S_MAX = 35
"""After this no probe begins: the next run is at hand."""
KEYLESS = "secret missing"

type Send = Callable[[str, Call], Awaitable[int]]
"""A base URL and a call below it in, the answer's status out (0: none). Raises ValueError for a URL not to be used."""


@dataclass(slots=True)
class Checked:
    channels: int = 0
    off: int = 0
    open: int = 0
    probed: int = 0
    failed: int = 0
    """Whose secret or URL could not be judged."""
    left: int = 0
    """Above the most that one run looks at, or for which there was no time."""


class ChannelHealth:
    def __init__(
        self,
        shelf: Shelf,
        health: Health,
        secrets: Secrets,
        secret_prefix: str,
        send: Send,
        clock: Clock,
        log: Callable[[dict[str, Any]], None],
    ) -> None:
        self._shelf = shelf
        self._health = health
        self._secrets = secrets
        self._prefix = secret_prefix
        self._send = send
        self._clock = clock
        self._log = log

    async def run(self, *, channels_max: int = CHANNELS_MAX) -> Checked:
        """One run. Raises Unavailable without a catalog, StoreError where the channels' state cannot be read."""
        enabled = enabled_channels(await self._shelf.refresh())
        channels = enabled[:channels_max]
        checked = Checked(channels=len(channels), left=len(enabled) - len(channels))
        ids = [channel.id for channel in channels]
        before = await self._health.overview(ids)
        room, until = asyncio.Semaphore(AT_ONCE), self._clock() + RUN_S_MAX

        async def one(channel: Channel) -> None:
            async with room:
                if self._clock() >= until:
                    checked.left += 1
                else:
                    await self._check(channel, before[channel.id].state, checked)

        await asyncio.gather(*map(one, channels))
        for channel_id, seen in (await self._health.overview(ids)).items():
            self._measure(channel_id, seen.state, checked)
        return checked

    async def _check(self, channel: Channel, state: ChannelState, checked: Checked) -> None:
        try:
            secret = await self._secrets.find(self._prefix + channel.secret) if channel.secret else ""
        except Unavailable:
            checked.failed += 1
            return
        if secret is None:
            await self._health.turn_off(channel.id, KEYLESS)
        elif state.phase == "off":
            await self._health.turn_on(channel.id)
        elif state.phase == "half-open":
            await self._probe(channel, secret, checked)

    async def _probe(self, channel: Channel, secret: str, checked: Checked) -> None:
        call = probe_call(channel.kind, Target(channel.base_url, "", secret, channel.options))
        if call is None or not await self._health.try_probe(channel.id):
            return  # the next request is the probe, or somebody's is under way
        checked.probed += 1
        try:
            failure = verdict(await self._send(channel.base_url, call))
        except ValueError:
            checked.failed += 1
            failure = "unreachable"
        if failure is None:
            await self._health.succeeded(channel.id)
        else:
            await self._health.failed(channel.id, failure)

    def _measure(self, channel_id: str, state: ChannelState, checked: Checked) -> None:
        is_open = state.phase in ("open", "off")
        checked.off += state.phase == "off"
        checked.open += is_open
        line = {"event": "channel_state", "channel": channel_id, "phase": state.phase, "reason": state.reason}
        self._log({**line, "channel_open": int(is_open)})


def enabled_channels(snapshot: Snapshot) -> list[Channel]:
    """By id."""
    return [channel for _, channel in sorted(snapshot.channels.items()) if channel.enabled]


def verdict(status: int) -> Failure | None:
    """A redirect is no answer of a provider's API: something else stands at its address."""
    return "server error" if 300 <= status < 400 else failure_of(status)
