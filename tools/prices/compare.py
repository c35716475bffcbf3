"""Where two sources differ by more than 1 %, and which of these differences a person has signed off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tools.prices.offer import Offer, Prices, Rates
from tools.prices.selection import Ratio, SignOff

TOLERANCE = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Difference:
    """`bucket` is a path: "input", "above.1" (the first threshold), "above.1.output" (a rate above it), "above" (how many
    thresholds there are), "flex.input" (in a service tier), "from.2027-01-01.input" (a coming price), "context".

    A value is None where the source says nothing.
    """

    model: str
    bucket: str
    genai_prices: Decimal | None
    models_dev: Decimal | None

    @property
    def percent(self) -> str:
        if not self.genai_prices or self.models_dev is None:
            return "-"
        return f"{(self.models_dev / self.genai_prices - 1) * 100:+.1f} %"

    def __str__(self) -> str:
        return f"{self.model}  {self.bucket}  {shown(self.genai_prices)}  {shown(self.models_dev)}  {self.percent}"


def shown(value: Decimal | None) -> str:
    """As it stands in signed_off.yaml."""
    return "none" if value is None else f"{value.normalize():f}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`offer` is what may be sold. The model's own differences forbid that; those of `tiers` forbid only their service tier."""

    offer: Offer
    differences: tuple[Difference, ...] = ()
    tiers: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a vendor's entry in selection.yaml says on how to compare."""

    ratios: Mapping[str, Ratio] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


def reconcile(name: str, one: Offer, two: Offer, rules: Rules, signed: "Signed", prefix: str = "") -> Outcome:
    """`one` is genai-prices', and what is sold where they agree; a sign-off may say otherwise for a bucket."""
    terms = _Terms(two.silent, rules)
    limits, open_limits = _limits(name, one, two, signed)
    prices, open_prices = _prices(name, prefix, one.prices, two.prices, terms, signed)
    tiers: dict[str, Prices] = {}
    open_tiers: list[Difference] = []
    for tier, listed in one.service_tiers.items():
        second = two.service_tiers.get(tier)
        if second is None:
            open_tiers.append(Difference(name, f"{prefix}{tier}", listed.rates.get("input"), None))
            continue
        agreed, differing = _prices(name, f"{prefix}{tier}.", listed, second, terms, signed)
        open_tiers += differing
        if not differing:
            tiers[tier] = agreed
    offer = replace(two, model=one.model, prices=prices, service_tiers=tiers, context=limits)
    return Outcome(offer, (*open_limits, *open_prices), tuple(open_tiers))


class Signed:
    """The sign-offs, and which of them were needed."""

    def __init__(self, entries: Iterable[SignOff]) -> None:
        self._entries = list(entries)
        self._used: set[tuple[str, str]] = set()

    def settle(self, difference: Difference) -> Decimal | None:
        """The value that a person chose; None where nobody has, or where one of the values is another one since."""
        for entry in self._entries:
            seen = (entry.bucket, entry.genai_prices, entry.models_dev)
            now = (difference.bucket, shown(difference.genai_prices), shown(difference.models_dev))
            if difference.model in entry.models and seen == now:
                self._used.add((difference.model, difference.bucket))
                return difference.genai_prices if entry.use == "genai_prices" else difference.models_dev
        return None

    def unused(self) -> list[str]:
        return sorted(
            f"{model}  {entry.bucket}"
            for entry in self._entries
            for model in entry.models
            if (model, entry.bucket) not in self._used
        )


@dataclass(frozen=True, slots=True)
class _Terms:
    silent: frozenset[str]
    rules: Rules


def _limits(name: str, one: Offer, two: Offer, signed: Signed) -> tuple[int | None, list[Difference]]:
    """models.dev's window, the finer of the two. genai-prices knows no output limit, and not every window."""
    if one.context is None or two.context is None or _near(Decimal(one.context), Decimal(two.context)):
        return two.context, []
    difference = Difference(name, "context", Decimal(one.context), Decimal(two.context))
    chosen = signed.settle(difference)
    return (two.context, [difference]) if chosen is None else (int(chosen), [])


def _prices(
    name: str, prefix: str, one: Prices, two: Prices, terms: _Terms, signed: Signed
) -> tuple[Prices, list[Difference]]:
    unsettled: list[Difference] = []
    pairs = list(zip(sorted(one.above), sorted(two.above), strict=False))
    if len(one.above) != len(two.above):
        difference = Difference(name, f"{prefix}above", Decimal(len(one.above)), Decimal(len(two.above)))
        chosen = signed.settle(difference)
        tiers = one.above if chosen == len(one.above) else two.above
        unsettled += [difference] if chosen is None else []
        base, open_base = _rates(name, prefix, one, two, (None, None), terms, signed)
        return Prices(base, {start: _kept(rates, terms) for start, rates in tiers.items()}), open_base + unsettled
    above: dict[int, Rates] = {}
    for number, (ours, theirs) in enumerate(pairs, start=1):
        threshold = ours
        if not _near(Decimal(ours), Decimal(theirs)):
            difference = Difference(name, f"{prefix}above.{number}", Decimal(ours), Decimal(theirs))
            chosen = signed.settle(difference)
            unsettled += [difference] if chosen is None else []
            threshold = ours if chosen is None else int(chosen)
        above[threshold], open_rates = _rates(name, f"{prefix}above.{number}.", one, two, (ours, theirs), terms, signed)
        unsettled += open_rates
    base, open_base = _rates(name, prefix, one, two, (None, None), terms, signed)
    return Prices(base, above), open_base + unsettled


def _rates(
    name: str,
    prefix: str,
    one: Prices,
    two: Prices,
    tiers: tuple[int | None, int | None],
    terms: _Terms,
    signed: Signed,
) -> tuple[Rates, list[Difference]]:
    """The rates that may be sold, and the differences that nobody has signed off."""
    rates = dict(one.rates if tiers[0] is None else one.above[tiers[0]])
    unsettled: list[Difference] = []
    for bucket in sorted((one.buckets() | two.buckets()) - terms.rules.ignored):
        ours, theirs = one.rate(bucket, tiers[0]), two.rate(bucket, tiers[1])
        if bucket in terms.silent:
            ratio = terms.rules.ratios.get(bucket)
            of = one.rate(ratio.of, tiers[0]) if ratio else None
            theirs = of * Decimal(ratio.times) if ratio and of is not None else None
        if ours is not None and theirs is not None and _near(ours, theirs):
            continue
        difference = Difference(name, f"{prefix}{bucket}", ours, theirs)
        chosen = signed.settle(difference)
        if chosen is None:
            unsettled.append(difference)
        else:
            rates[bucket] = chosen
    return _kept(rates, terms), unsettled


def _kept(rates: Rates, terms: _Terms) -> Rates:
    return {bucket: rate for bucket, rate in rates.items() if bucket not in terms.rules.ignored}


def _near(one: Decimal, two: Decimal) -> bool:
    return abs(one - two) <= TOLERANCE * one
