"""Where the channels' shared state lies. The counters table has string keys `pk` and `sk`.

  CHANNEL#<channel>            HEALTH     its circuit breaker (rules.Breaker), changed by one version at a time
                               LEASES     `leases`: {lease id: deadline}, of a channel that has a cap on requests in flight
  CHANNEL#<channel>#<minute>   CAPACITY   requests and tokens of a UTC minute, of a channel that has a cap on them; TTL

A channel's id contains no "#". Nothing here is money: without this state everything works, only worse.
"""

from infergate.store.client import Params

HEALTH = "HEALTH"
LEASES = "LEASES"
CAPACITY = "CAPACITY"
MINUTE_S = 60


def channel_pk(channel: str) -> str:
    return f"CHANNEL#{channel}"


def key(channel: str, sk: str) -> Params:
    return {"pk": {"S": channel_pk(channel)}, "sk": {"S": sk}}


def minute_key(channel: str, now_s: float) -> Params:
    return {"pk": {"S": f"{channel_pk(channel)}#{int(now_s) // MINUTE_S}"}, "sk": {"S": CAPACITY}}
