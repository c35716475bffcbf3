#!/bin/sh
# Started by Lambda Web Adapter in place of Python's own runtime, which is what normally puts the layers on the path:
# without the next line neither infergate (layer) nor app (task root) would be found. The runtime's own packages, boto3
# among them, stay reachable and come last, so that a layer's version wins.
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python/lib/python3.13/site-packages:/opt/python:${LAMBDA_RUNTIME_DIR:-/var/runtime}"

exec python3 -m uvicorn app:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" \
    --loop uvloop --http httptools --no-access-log --no-server-header --timeout-keep-alive 75 --log-level warning
