"""From offers to the models that are sold: who is refused and why, and one model from several providers' offers."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tools.prices import genai, modelsdev
from tools.prices.compare import Difference, Outcome, Signed, reconcile
from tools.prices.offer import Offer, Prices
from tools.prices.selection import Limits, Selection, SignOff, Vendor, first_match

type Kind = str


@dataclass(frozen=True, slots=True)
class Route:
    """`id` names its price book too."""

    id: str
    channel: str
    upstream_model: str
    offer: Offer


@dataclass(frozen=True, slots=True)
class Model:
    """One model with the offers of every provider that has it, the cheapest first."""

    id: str
    kind: Kind
    owned_by: str
    created: date
    context: int
    max_output: int
    image_tokens: int
    routes: tuple[Route, ...]


@dataclass(slots=True)
class Findings:
    """`open` must be settled by a person; the rest is to be known: `left_out` by our own choice or for a plain reason."""

    open: list[Difference] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    tiers: list[Difference] = field(default_factory=list)
    upcoming: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.open and not self.missing


def publish(selection: Selection, signed_off: Iterable[SignOff], on: date) -> tuple[list[Model], Findings]:
    """The models that may be sold at the prices of a day, sorted by their names."""
    findings, signed = Findings(), Signed(signed_off)
    routes: dict[str, list[Route]] = {}
    for channel, vendor in selection.vendors.items():
        for offer in _agreed(channel, vendor, on, signed, findings):
            sold = _sold_as(vendor, offer.model)
            called = vendor.called.get(offer.model, offer.model)
            routes.setdefault(sold, []).append(Route(f"{channel}-{sold}", channel, called, offer))
    findings.unused = signed.unused()
    models = [_model(name, routes[name], selection, findings) for name in sorted(routes)]
    return [model for model in models if model], findings


def _agreed(channel: str, vendor: Vendor, on: date, signed: Signed, findings: Findings) -> list[Offer]:
    second = modelsdev.offers(vendor.models_dev, on, vendor.modes)
    wanted = sorted(second) if vendor.models == "all" else sorted(vendor.models)
    first = genai.offers(vendor.genai_prices, wanted, on, vendor.modes)
    agreed: list[Offer] = []
    for model in wanted:
        one, two = first.get(model), second.get(model)
        if two is not None and model in vendor.newer:
            two = _with_limits(two, vendor.newer[model])
        reason = vendor.reason_against(model) or _reason_against(one, two, vendor)
        if reason or one is None or two is None:
            findings.left_out.append(f"{channel}/{model}: {reason}")
            continue
        if kind(model) == "embedding":
            one, two = _input_only(one), _input_only(two)
        outcome = reconcile(f"{channel}/{model}", one, two, vendor.ratios, vendor.ignored, signed)
        _note(outcome, one, findings)
        if not outcome.differences:
            agreed.append(outcome.offer)
    return agreed


def _note(outcome: Outcome, one: Offer, findings: Findings) -> None:
    findings.open += outcome.differences
    findings.tiers += outcome.tiers
    if one.changes_on and not outcome.differences:
        findings.upcoming.append(f"{one.model}: another price from {one.changes_on}")


def _with_limits(offer: Offer, limits: Limits) -> Offer:
    takes = frozenset({"text", "image"}) if limits.images else frozenset({"text"})
    return replace(
        offer, context=limits.context, max_output=limits.max_output, takes=takes, gives=frozenset({"text"})
    )


def _input_only(offer: Offer) -> Offer:
    """An embedding has no output, and nothing of it is cached."""
    return replace(offer, prices=Prices({"input": offer.prices.rates["input"]}), service_tiers={})


def _reason_against(one: Offer | None, two: Offer | None, vendor: Vendor) -> str | None:
    """Why a model is not offered at all, whatever it costs."""
    if one is None or two is None:
        return "only one of the packages knows it" if one or two else "neither package knows it"
    if one.retired or two.retired:
        return "deprecated or removed by its provider"
    if two.context is None:
        return "no limits known: put them under `newer`, from the provider's page"
    if "text" not in two.takes or two.gives != {"text"}:
        return "does not turn text into text"
    needed = ("input",) if kind(two.model) == "embedding" else ("input", "output")
    if any(not one.prices.rates.get(bucket) for bucket in needed):
        return "free, or without a complete price"
    if unknown := one.unknown - set(vendor.ignored):
        return f"has prices that we have no bucket for: {', '.join(sorted(unknown))}"
    return None


def kind(model: str) -> Kind:
    return "embedding" if "embed" in model else "chat"


def _sold_as(vendor: Vendor, model: str) -> str:
    return model if vendor.models == "all" else vendor.models[model]


def _model(name: str, routes: list[Route], selection: Selection, findings: Findings) -> Model | None:
    """Limits are the smallest of its routes, so that any of them can serve a request."""
    ordered = tuple(sorted(routes, key=_cost))
    offers = [route.offer for route in ordered]
    released = min((offer.released for offer in offers if offer.released), default=None)
    created = first_match(selection.created, name) or released
    owner = first_match(selection.owners, name)
    context = min(offer.context for offer in offers if offer.context)
    max_output = min(offer.max_output or 0 for offer in offers)
    if owner is None or created is None or (kind(name) == "chat" and not max_output):
        findings.missing.append(f"{name}: no owner, day of release, or output limit is known")
        return None
    image = first_match(selection.image_tokens, name) or 0
    return Model(
        name,
        kind(name),
        owner,
        created,
        context,
        min(max_output, context) if kind(name) == "chat" else 0,
        image if all("image" in offer.takes for offer in offers) and kind(name) == "chat" else 0,
        ordered,
    )


def _cost(route: Route) -> Decimal:
    """A usual request has about three times as much input as output. The order of equals is selection.yaml's."""
    rates = route.offer.prices.rates
    return 3 * rates["input"] + rates.get("output", Decimal(0))
