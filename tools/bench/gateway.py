"""The gateway as in Lambda (wiring.gateway.from_lambda), but for its endpoints: `uvicorn tools.bench.gateway:app`.

Not tools.local.gateway: that one imports boto3 for its other half, which would count as cold start and memory of ours.
"""

import os
import time

from infergate.edge.openai import Gateway
from infergate.store import aws
from infergate.store.secrets import Secrets
from infergate.transport.http1 import HttpClient
from infergate.wiring.gateway import credentials, house


def gateway() -> Gateway:
    environment, http, clock = os.environ, HttpClient(), time.time
    endpoint, region, keys = environment["BENCH_AWS"], environment["AWS_REGION"], credentials(environment)
    store = aws.dynamodb(http, keys, region=region, clock=clock, endpoint=endpoint)
    service = aws.secrets_manager(http, keys, region=region, clock=clock, endpoint=endpoint)
    secrets = Secrets(service, clock)
    return Gateway(house(environment, http=http, store=store, secrets=secrets, role=keys, clock=clock))


app = gateway()
