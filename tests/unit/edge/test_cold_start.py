"""The gateway's cold start is paid by a customer who waits: what it must not import."""

import subprocess
import sys

HEAVY = ("aiohttp", "aws_lambda_powertools", "boto3", "botocore", "httpx", "pydantic", "requests", "yaml")


def test_the_gateway_imports_none_of_the_heavy_libraries() -> None:
    code = "import infergate.wiring.gateway, sys; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {name.partition(".")[0] for name in imported} & set(HEAVY)
