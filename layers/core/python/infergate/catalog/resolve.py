"""Which model a name means for an account, over which routes, and why not. The one place that says so."""

from collections.abc import Callable

from infergate.catalog.types import Model, Plan, Route, Snapshot
from infergate.kernel.errors import ModelNotEnabled, ModelNotFound


def why_not(model: Model, plan: Plan | None) -> str | None:
    """The reason why an account on this plan may not call the model now, or None if it may."""
    if plan is None:
        return "the account's plan is no longer offered"
    if plan.models and model.id not in plan.models:
        return f"it is not part of the plan {plan.id}"
    if not any(route.channel.enabled for route in model.routes):
        return "no channel to it is enabled"
    return None


def sellable(snapshot: Snapshot, plan_id: str) -> list[Model]:
    """What an account on this plan may call."""
    plan = snapshot.plans.get(plan_id)
    return [model for model in snapshot.models.values() if why_not(model, plan) is None]


def resolve(snapshot: Snapshot, model_id: str, kind: str, plan_id: str) -> Model:
    """Raises ModelNotFound, or ModelNotEnabled with the reason."""
    model = snapshot.models.get(model_id)
    if model is None or model.kind != kind:
        raise ModelNotFound(model_id)
    reason = why_not(model, snapshot.plans.get(plan_id))
    if reason is not None:
        raise ModelNotEnabled(model_id, reason)
    return model


def routes_in_order(model: Model, chance: Callable[[], float]) -> list[Route]:
    """The enabled routes: best priority first, and within one priority drawn by weight."""
    enabled = [route for route in model.routes if route.channel.enabled]
    if len(enabled) == 1:
        return enabled
    # A draw without replacement: the largest of u ** (1 / weight) goes first (Efraimidis and Spirakis, 2006).
    return sorted(enabled, key=lambda r: (r.priority, -(chance() ** (1 / r.weight))))
