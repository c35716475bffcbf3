"""The door of /v1: an ASGI application, served by uvicorn behind the Lambda Web Adapter (run.sh)."""

from infergate.wiring.gateway import from_lambda

app = from_lambda()
