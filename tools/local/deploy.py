"""The product, deployed into the embedded AWS from the template that is deployed to the real one.

    with EmbeddedAws() as aws:
        stack = deploy(aws.endpoint)
        stack.outputs["UserPoolId"], stack.names["SweepHoldsFunction"], stack.api_url

What is deployed differs from template.yaml by the functions in DIFFERENCES, each with its reason, and by nothing else.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from tools.local.aws import client_arguments
from tools.local.template import ROOT, Json, load_template, resources_of
from tools.package import RUNTIME_PACKAGES

CODE_BUCKET = "infergate-local-code"
FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class DeployError(RuntimeError):
    """CloudFormation refused or rolled back; the message names the resources that failed."""


@dataclass(frozen=True, slots=True)
class Build:
    """Where the pieces come from. A test may deploy other functions, from another root."""

    root: Path = ROOT
    core: Path = ROOT / "layers" / "core" / "python"
    requirements: Path = ROOT / "layers" / "vendor" / "requirements.txt"
    scratch: Path = ROOT / ".local" / "layers"


@dataclass(frozen=True, slots=True)
class Stack:
    """What was deployed: outputs by name, physical names by logical id."""

    name: str
    endpoint: str
    outputs: dict[str, str]
    names: dict[str, str]
    stage: str = field(default="live")

    @property
    def api_url(self) -> str:
        """Base URL of the buffered routes. The gateway's streamed ones are served by uvicorn beside the emulator."""
        return f"{self.endpoint}/restapis/{self.outputs['ApiId']}/{self.stage}/_user_request_"

    def environment_of(self, function: str) -> dict[str, str]:
        """The variables that a function was deployed with; GatewayFunction's are for the uvicorn that stands in for it."""
        client = boto3.client("lambda", **client_arguments(self.endpoint))
        answer = client.get_function_configuration(FunctionName=self.names[function])
        return dict(answer["Environment"]["Variables"])

    def credentials_of(self, role: str) -> dict[str, str]:
        """Environment variables to act as one of the template's roles, for twelve hours. Means something with `iam=True`."""
        client = boto3.client("sts", **client_arguments(self.endpoint))
        arn = f"arn:aws:iam::000000000000:role/{self.names[role]}"
        keys = client.assume_role(RoleArn=arn, RoleSessionName="local", DurationSeconds=43200)["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }


def deploy(endpoint: str, stack_name: str = "infergate", build: Build | None = None) -> Stack:
    """Create the stack, or bring it up to date; nothing happens where nothing changed. Raises DeployError."""
    build = build or Build()
    template = load_template(build.root / "template.yaml")
    for difference in DIFFERENCES:
        difference(template)
    _upload_code(template, build, _CodeShelf(endpoint))
    client = boto3.client("cloudformation", **client_arguments(endpoint))
    _apply(client, stack_name, template)
    return _describe(client, endpoint, stack_name)


# -- how the local deployment differs ----------------------------------------------------------------------------------
def without_web_adapter(template: Json) -> None:
    """The adapter is a layer of another account's, which an emulator does not have, and it runs where there is streaming.

    MiniStack answers every STREAM integration with 500, so the gateway's function is deployed (its role, variables and
    log group are the real ones) but has no routes: uvicorn serves /v1 from the same code beside the emulator.
    """
    gateway = template["Resources"]["GatewayFunction"]["Properties"]
    gateway["Layers"] = []
    del gateway["Events"]


def any_method_spelled_out(template: Json) -> None:
    """MiniStack skips `x-amazon-apigateway-any-method` when it reads the OpenAPI document that SAM makes of the routes."""
    for function in resources_of(template, FUNCTION).values():
        events: Json = function["Properties"].get("Events", {})
        for name, event in [*events.items()]:
            if event["Type"] == "Api" and event["Properties"]["Method"] == "ANY":
                del events[name]
                for method in METHODS:
                    events[name + method.title()] = {**event, "Properties": event["Properties"] | {"Method": method}}


def gateway_role_for_a_laptop(template: Json) -> None:
    """That uvicorn runs under the gateway's own role; on AWS, only Lambda may assume it."""
    role = template["Resources"]["GatewayRole"]["Properties"]
    role["MaxSessionDuration"] = 43200
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
        "Action": "sts:AssumeRole",
    }
    document = role["AssumeRolePolicyDocument"]
    role["AssumeRolePolicyDocument"] = document | {"Statement": [*document["Statement"], statement]}


DIFFERENCES: tuple[Callable[[Json], None], ...] = (
    without_web_adapter,
    any_method_spelled_out,
    gateway_role_for_a_laptop,
)
"""And one in `_upload_code`: layers are linked, not copied. Copies are built for Lambda's processor, and each function's
process would unpack its own."""


# -- code: what `sam build` and `sam package` do -----------------------------------------------------------------------
class _CodeShelf:
    """Uploads by content, so that the same code has the same key and CloudFormation sees no change."""

    def __init__(self, endpoint: str) -> None:
        self._client = boto3.client("s3", **client_arguments(endpoint))
        self._client.create_bucket(Bucket=CODE_BUCKET)

    def put(self, name: str, files: dict[str, bytes]) -> Json:
        body = _zip(files)
        key = f"{name}-{hashlib.sha256(body).hexdigest()[:16]}.zip"
        self._client.put_object(Bucket=CODE_BUCKET, Key=key, Body=body)
        return {"Bucket": CODE_BUCKET, "Key": key}


def _upload_code(template: Json, build: Build, shelf: _CodeShelf) -> None:
    for logical_id, function in resources_of(template, FUNCTION).items():
        folder = build.root / function["Properties"]["CodeUri"]
        function["Properties"]["CodeUri"] = shelf.put(logical_id, _files_in(folder))
    links = {"VendorLayer": _linked_packages(build), "CoreLayer": build.core}
    for logical_id, layer in resources_of(template, LAYER).items():
        layer["Properties"]["ContentUri"] = shelf.put(logical_id, _link_to(links[logical_id]))


def _files_in(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    if not paths:
        raise DeployError(f"{folder} holds no code")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _link_to(folder: Path) -> dict[str, bytes]:
    """A layer that is one .pth file. Python puts `folder` in front of the path, and the emulator's own packages off it.

    The fingerprint changes with the code behind the link: a changed layer is what makes running functions start again.
    """
    line = (
        "import sys; sys.path[:] = "
        f"[{str(folder)!r}] + [p for p in sys.path if not p.startswith(sys.prefix + '/lib') and p != {str(folder)!r}]\n"
    )
    return {
        f"python/lib/python3.13/site-packages/{folder.name}.pth": line.encode(),
        "fingerprint": _fingerprint(folder).encode(),
    }


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _linked_packages(build: Build) -> Path:
    """A folder of links to exactly what a function finds on Lambda: the vendor layer's packages and the runtime's.

    Not this environment's whole site-packages, or a function that imports a test's library would work here and fail there.
    """
    requirements = build.requirements.read_text()
    pinned = [line.split("==")[0] for line in requirements.splitlines() if line[:1].isalnum()]
    wanted = sorted({*pinned, *RUNTIME_PACKAGES})
    versions = "\n".join(f"{name}=={metadata.version(name)}" for name in wanted)
    folder = build.scratch / f"packages-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"
    if not folder.exists():
        _link_packages(wanted, folder)
    return folder


def _link_packages(names: list[str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
    for source in {path for name in names for path in _top_level(name)}:
        (unfinished / source.name).symlink_to(source)
    try:
        os.rename(unfinished, folder)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)


def _top_level(package: str) -> Iterator[Path]:
    """What an installed package put into site-packages."""
    distribution = metadata.distribution(package)
    for file in distribution.files or ():
        first = file.parts[0]
        if first not in {"..", "__pycache__"}:
            yield Path(str(distribution.locate_file(first)))


def _zip(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files: no timestamps, and everything may be executed, as run.sh must be."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


# -- CloudFormation ----------------------------------------------------------------------------------------------------
def _apply(client: Any, stack_name: str, template: Json) -> None:
    arguments = {
        "StackName": stack_name,
        "TemplateBody": json.dumps(template),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        client.update_stack(**arguments)
        waiter = "stack_update_complete"
    except ClientError as error:
        said = str(error)
        if "No updates are to be performed" in said:
            return
        if "does not exist" not in said:
            raise DeployError(said) from error
        client.create_stack(**arguments)
        waiter = "stack_create_complete"
    try:
        client.get_waiter(waiter).wait(StackName=stack_name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    except WaiterError as error:
        raise DeployError(_failures(client, stack_name)) from error


def _failures(client: Any, stack_name: str) -> str:
    events = client.describe_stack_events(StackName=stack_name)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    return (
        "\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in failed) or "no reason given"
    )


def _describe(client: Any, endpoint: str, stack_name: str) -> Stack:
    stack = client.describe_stacks(StackName=stack_name)["Stacks"][0]
    resources = client.describe_stack_resources(StackName=stack_name)["StackResources"]
    return Stack(
        name=stack_name,
        endpoint=endpoint,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
        names={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )
