"""template.yaml as it stands and as SAM turns it into CloudFormation."""

import json
import subprocess
from typing import Any

import pytest

from tools.local.aws import PYTHON
from tools.local.template import Json, load_template, resources_of

_TRANSLATE = """
import json, os, sys, types
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
from samtranslator.translator.transform import transform
json.dump(transform(json.load(sys.stdin), {}, types.SimpleNamespace(load=dict)), sys.stdout)
"""


def _packaged(template: Json) -> Json:
    """What `sam package` does: code and layers lie in a bucket."""
    for resource in resources_of(template, "AWS::Serverless::Function").values():
        resource["Properties"]["CodeUri"] = "s3://bucket/function"
    for resource in resources_of(template, "AWS::Serverless::LayerVersion").values():
        resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    return template


@pytest.fixture(scope="session")
def template() -> Json:
    return load_template()


@pytest.fixture(scope="session")
def transformed() -> Json:
    """By SAM's own translator, which lives in the emulator's environment."""
    done = subprocess.run(
        [PYTHON, "-c", _TRANSLATE],
        input=json.dumps(_packaged(load_template())),
        capture_output=True,
        text=True,
        check=True,
    )
    result: Json = json.loads(done.stdout)
    return result


@pytest.fixture(scope="session")
def operations(transformed: Json) -> dict[tuple[str, str], Any]:
    """(path, method) -> operation of the OpenAPI document that the API is made of."""
    paths = transformed["Resources"]["Api"]["Properties"]["Body"]["paths"]
    return {(path, method): operation for path, item in paths.items() for method, operation in item.items()}
