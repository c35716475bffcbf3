"""Secrets by reference: fetched when first needed, kept for at most five minutes, never a default.

Two versions are live during a rotation: AWSCURRENT and AWSPREVIOUS.
"""

from infergate.kernel.errors import Unavailable
from infergate.kernel.time import Clock
from infergate.store.client import Store
from infergate.store.errors import Rejected, StoreError

KEEP_S = 300
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""There is none, or it is about to be deleted."""
_PLACEHOLDERS = frozenset({"", "changeme", "change-me", "placeholder", "todo", "secret", "test", "xxx", "none", "null"})


class Secrets:
    def __init__(self, service: Store, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, str]] = {}

    async def value(self, reference: str, stage: str = "AWSCURRENT") -> str:
        """The secret's text. Raises Unavailable where it is missing, unreadable, empty or an obvious placeholder."""
        text = await self.find(reference, stage)
        if text is None:
            raise Unavailable("a secret of this deployment is not set")
        return text

    async def find(self, reference: str, stage: str = "AWSCURRENT") -> str | None:
        """The same, with None for what an operator has yet to set. Raises Unavailable where that cannot be told."""
        kept = self._kept.get((reference, stage))
        if kept and kept[0] > self._clock():
            return kept[1]
        text = await self._fetch(reference, stage)
        if text is None or text.strip().lower() in _PLACEHOLDERS:
            return None
        self._kept[reference, stage] = (self._clock() + KEEP_S, text)
        return text

    async def live_values(self, reference: str) -> list[str]:
        """The current value, then the one before it where there is one."""
        current = await self.value(reference)
        try:
            previous = await self.value(reference, "AWSPREVIOUS")
        except Unavailable:
            return [current]
        return [current, previous] if previous != current else [current]

    async def others(self, reference: str, refused: str) -> list[str]:
        """The live values besides one that was refused, read anew: it may have been rotated since it was kept."""
        found: list[str] = []
        for stage in ("AWSCURRENT", "AWSPREVIOUS"):
            try:
                text = await self._fetch(reference, stage)
            except Unavailable:
                continue
            if text is not None and text.strip().lower() not in _PLACEHOLDERS and text not in (refused, *found):
                found.append(text)
        return found

    def prefer(self, reference: str, value: str) -> None:
        """Take this live value, which was found to be good, until the next look."""
        self._kept[reference, "AWSCURRENT"] = (self._clock() + KEEP_S, value)

    async def _fetch(self, reference: str, stage: str) -> str | None:
        try:
            answer = await self._service.call("GetSecretValue", {"SecretId": reference, "VersionStage": stage})
        except Rejected as error:
            if error.code in _ABSENT:
                return None
            raise Unavailable("a secret of this deployment cannot be read") from error
        except StoreError as error:
            raise Unavailable("the secret store does not answer") from error
        return str(answer.get("SecretString", ""))
