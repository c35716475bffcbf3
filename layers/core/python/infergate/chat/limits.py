"""Where the plan that the catalog sells meets the limits that are enforced: one place, for admission and for what is shown."""

from infergate.accounts.keys import ApiKey
from infergate.catalog.types import Plan
from infergate.limits.rules import Base, Limits, resolve


def limits_of(plan: Plan, key: ApiKey) -> Limits:
    base = Base(f"plan {plan.id}", plan.requests_per_minute, plan.tokens_per_minute, plan.concurrency)
    return resolve(base, key.id, key.limits)
