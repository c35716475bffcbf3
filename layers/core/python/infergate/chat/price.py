"""What a request may cost at most, and what it did cost. Pure; the hold, the charge, the estimate and the errors all ask here."""

from collections.abc import Iterable
from dataclasses import dataclass

from infergate.catalog.resolve import Offer
from infergate.catalog.types import DEFAULT_TIER, INPUT_BUCKETS, Model, PriceBook, Rates
from infergate.chat.types import InferenceRequest
from infergate.kernel.errors import ContextTooLong, InvalidRequest
from infergate.kernel.money import Nanos, cost_of

OUTPUT_FLOOR = 64
"""Where the caller set no limit and little credit is left, an answer shorter than this is not worth buying."""
A_KIND_OF = {
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_output": "output",
}
"""Where a bucket that has no rate of its own is counted; all others, as input."""
USUAL_OUTPUT = 1000
BYTES_PER_TOKEN = 4
"""For a likely count; the hold uses the certain bound of one."""


@dataclass(frozen=True, slots=True)
class Quote:
    """`output` is the limit that is sent upstream, per choice; `hold` covers the request at the dearest rate of its routes."""

    hold: Nanos
    output: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """What bounds the cost of one request: the dearest of its routes, in every bucket."""

    input_bound: int
    input_rate: Nanos
    output_rate: Nanos
    request_rate: Nanos
    choices: int

    def hold(self, output: int) -> Nanos:
        units = {"input": self.input_bound, "output": output * self.choices, "request": 1}
        return cost_of(units, {"input": self.input_rate, "output": self.output_rate, "request": self.request_rate})

    def affordable_output(self, available: Nanos) -> int:
        """The most output tokens a choice, whose hold is within `available`; negative if not even the input is."""
        rest = available * 1_000_000 - self.input_bound * self.input_rate - self.request_rate
        per_token = self.output_rate * self.choices
        if rest < 0 or per_token == 0:
            return -1 if rest < 0 else 1 << 31
        return rest // per_token


@dataclass(frozen=True, slots=True)
class Charge:
    """`cost` is what the customer pays, never above the hold; `loss` what the provider reported beyond it."""

    units: dict[str, int]
    rates: Rates
    cost: Nanos
    loss: Nanos


def tariff(request: InferenceRequest, model: Model, offers: Iterable[Offer]) -> Tariff:
    """Raises InvalidRequest for images to a model that has no bound for what one costs."""
    if request.images and not model.image_tokens:
        raise InvalidRequest(f"The model `{model.id}` takes no images.", "messages")
    bound = request.input_bytes + request.images * model.image_tokens
    lists = [rates for offer in offers for rates in _that_may_apply(offer.price, request.wishes.tier, bound)]
    inputs = ("input", "cached_input", *request.cache_writes)
    return Tariff(
        input_bound=bound,
        input_rate=max(rates.get(bucket, 0) for rates in lists for bucket in inputs),
        output_rate=max(rates.get(bucket, 0) for rates in lists for bucket in ("output", "reasoning")),
        request_rate=max(rates.get("request", 0) for rates in lists),
        choices=request.choices,
    )


def within(request: InferenceRequest, terms: Tariff, wanted: Quote, available: Nanos) -> Quote | None:
    """The quote that this much credit allows, None if none: who set no limit gets the longest answer that it pays for."""
    if wanted.hold <= available:
        return wanted
    affordable = terms.affordable_output(available)
    if request.kind == "chat" and request.max_output is None and OUTPUT_FLOOR <= affordable < wanted.output:
        return Quote(terms.hold(affordable), affordable)
    return None


def _that_may_apply(price: PriceBook, tier: str, bound: int) -> list[Rates]:
    """A provider may answer in its default tier where it has no room in another; a long request is priced as such."""
    books = [price] if tier == DEFAULT_TIER else [price, price.service_tiers[tier]]
    return [
        rates for book in books for rates in (book.rates, *(dearer for limit, dearer in book.above if bound > limit))
    ]


def likely_input(request: InferenceRequest, model: Model) -> int:
    return -(-request.input_bytes // BYTES_PER_TOKEN) + request.images * model.image_tokens


def counted_tokens(request: InferenceRequest, model: Model, output: int) -> int:
    """What a request counts against the tokens of its minute: its likely input, and the output that the caller asked for.

    Who set no limit is counted with a usual answer, not with the model's longest: few answers come near that.
    """
    likely = output if request.max_output is not None else min(output, USUAL_OUTPUT)
    return likely_input(request, model) + likely * request.choices


def output_wanted(request: InferenceRequest, model: Model) -> int:
    """The output limit before credit is looked at. Raises ContextTooLong for input that cannot fit, by a likely count."""
    if model.kind != "chat":
        return 0
    room = model.context - likely_input(request, model)
    if room <= 0:
        raise ContextTooLong(model.context, likely_input(request, model))
    wanted = model.max_output if request.max_output is None else min(request.max_output, model.max_output)
    return max(1, min(wanted, room))


def rates_of(book: PriceBook, units: dict[str, int], tier: str = DEFAULT_TIER) -> Rates:
    """The rates that apply to the whole of a request with these units. An unknown tier is priced by default."""
    return (book.tier(tier) or book).rates_for(sum(units.get(bucket, 0) for bucket in INPUT_BUCKETS))


def fit(units: dict[str, int], rates: Rates) -> dict[str, int]:
    """The same units in buckets that have a rate: what has none of its own counts as what it is a kind of."""
    fitted: dict[str, int] = {}
    for bucket, count in units.items():
        name = bucket
        while name not in rates and name != "input":
            name = A_KIND_OF.get(name, "input")
        fitted[name] = fitted.get(name, 0) + count
    if rates.get("request"):
        fitted["request"] = 1
    return fitted


def charge(units: dict[str, int], book: PriceBook, hold: Nanos, tier: str = DEFAULT_TIER) -> Charge:
    """What these units cost: never more than the hold from the customer."""
    rates = rates_of(book, units, tier)
    fitted = fit(units, rates)
    full = cost_of(fitted, rates)
    return Charge(fitted, {bucket: rates[bucket] for bucket in fitted}, min(full, hold), max(0, full - hold))


def likely_units(request: InferenceRequest, model: Model, relayed_bytes: int) -> dict[str, int]:
    """Counted locally, where the provider reported nothing: about four bytes a token."""
    output = -(-relayed_bytes // BYTES_PER_TOKEN)
    return {"input": likely_input(request, model)} | ({"output": output} if output else {})
