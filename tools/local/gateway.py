"""The gateway alone, as an ASGI application: `uvicorn tools.local.gateway:app`. Its environment is in wiring.py."""

from tools.local.wiring import local_gateway

app = local_gateway()
