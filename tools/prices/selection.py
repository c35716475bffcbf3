"""selection.yaml and signed_off.yaml: what people decide. Everything else is computed."""

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

HERE = Path(__file__).parent
SELECTION = HERE / "selection.yaml"
SIGNED_OFF = HERE / "signed_off.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Limits(_Part):
    """Of a model that is newer than the package with the limits: by hand, from the vendor's page.

    It may be newer than all of models.dev: then each of its prices needs a sign-off.
    """

    context: int = Field(ge=1)
    max_output: int = Field(ge=1)
    images: bool = False


class Ratio(_Part):
    """The second opinion on a bucket that models.dev has no word for: the vendor's own rule."""

    times: str
    of: str


class Vendor(_Part):
    """A provider: how the packages call it, what we buy there. Patterns are a shell's.

    `models` is a mapping of their id -> ours, or "all": every model of both packages that reads and writes text.
    `called` is a model's name in a request, where it is another one than the packages'.
    `modes` are service tiers: ours -> models.dev's, the first that is there.
    `ignored` are price keys and buckets that no request of ours can use.
    """

    genai_prices: str
    models_dev: str
    models: Literal["all"] | dict[str, str]
    called: dict[str, str] = {}
    newer: dict[str, Limits] = {}
    leave_out: dict[str, str] = {}
    modes: dict[str, list[str]] = {}
    ratios: dict[str, Ratio] = {}
    ignored: list[str] = []

    @model_validator(mode="after")
    def newer_models_are_sold(self) -> Self:
        if isinstance(self.models, dict) and (unsold := self.newer.keys() - self.models.keys()):
            raise ValueError(f"limits of models that are not sold: {', '.join(sorted(unsold))}")
        return self

    def reason_against(self, model: str) -> str | None:
        return first_match(self.leave_out, model)


class Selection(_Part):
    """`vendors` are keyed by the name of the channel. The last three are keyed by patterns of the names that we sell under, the
    first that fits counts."""

    markup: str
    vendors: dict[str, Vendor]
    owners: dict[str, str]
    created: dict[str, date]
    image_tokens: dict[str, int]


class SignOff(_Part):
    """One difference that a person has looked at. It counts for these two values only."""

    models: list[str] = Field(min_length=1)
    bucket: str
    genai_prices: str
    models_dev: str
    use: Literal["genai_prices", "models_dev"]
    by: str = Field(min_length=3)
    when: date
    why: str = Field(min_length=10)


def first_match[V](patterns: Mapping[str, V], name: str) -> V | None:
    return next((value for pattern, value in patterns.items() if fnmatchcase(name, pattern)), None)


def read_selection(text: str) -> Selection:
    """Raises ValueError (pydantic's ValidationError is one) that says where and why."""
    return Selection.model_validate(yaml.safe_load(text))


def read_signed_off(text: str) -> list[SignOff]:
    return [SignOff.model_validate(entry) for entry in yaml.safe_load(text) or []]
