"""docs/openapi.yaml: as plain data, and as what answers are checked against."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tools.local.template import ROOT

type Json = dict[str, Any]

PATH = ROOT / "docs" / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


@functools.cache
def document() -> Json:
    loaded: Json = yaml.safe_load(PATH.read_text())
    return loaded


@functools.cache
def _registry() -> Registry[Any]:
    return Registry().with_resource("ours", DRAFT202012.create_resource(document()))


def operations() -> dict[tuple[str, str], Json]:
    """By method and path: ("post", "/v1/messages")."""
    return {
        (method, path): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def schema(name: str) -> Json:
    found: Json = document()["components"]["schemas"][name]
    return found


def resolved(node: Json) -> Json:
    """What a reference names; anything else as it is."""
    while "$ref" in node:
        target: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def faults(node: Json, value: Any) -> list[str]:
    """Where `value` is not what this schema of the document says."""
    validator = Draft202012Validator(_anchored(node), registry=_registry())
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def _anchored(node: Any) -> Any:
    """With its references to the document made absolute."""
    if isinstance(node, dict):
        return {k: f"ours{v}" if k == "$ref" and isinstance(v, str) else _anchored(v) for k, v in node.items()}
    return [_anchored(each) for each in node] if isinstance(node, list) else node


def answer_faults(method: str, path: str, answer: httpx.Response) -> list[str]:
    """Where a live answer is not what the document says of this operation: status, headers, body, events of a stream."""
    said = operations()[method, path]["responses"].get(str(answer.status_code))
    if said is None:
        return [f"{method} {path} never answers {answer.status_code}: {answer.text[:200]}"]
    response = resolved(said)
    found = list(_header_faults(response.get("headers", {}), answer.headers))
    kind = answer.headers["content-type"].partition(";")[0]
    if kind not in response["content"]:
        return [*found, f"{kind} is not among {list(response['content'])}"]
    of = response["content"][kind]["schema"]
    if kind != "text/event-stream":
        return found + faults(of, answer.json())
    for event in _events(answer.text):
        found += faults(of, event)
        data = resolved(of["properties"]["data"])
        if event["data"] != "[DONE]":
            # jsonschema takes contentSchema for a remark; here it is what counts.
            inner = next(each for each in data.get("anyOf", [data]) if "contentSchema" in each)
            found += faults(inner["contentSchema"], json.loads(event["data"]))
    return found


def _header_faults(documented: Json, headers: httpx.Headers) -> Iterator[str]:
    for name, node in documented.items():
        header = resolved(node)
        if name in headers:
            value = headers[name]
            number = resolved(header["schema"]).get("type") == "integer"
            yield from faults(header["schema"], int(value) if number else value)
        elif header.get("required"):
            yield f"the header {name} is missing"
    for name in headers:
        if (
            name not in documented
            and (name.startswith(("x-", "retry-")) or name == "request-id")
            and name not in UNTOLD
        ):
            yield f"the header {name} is not in the document"


UNTOLD = ("x-content-type-options", "x-accel-buffering")
"""For browsers and proxies, not for callers."""


def _events(text: str) -> Iterator[Json]:
    for event in text.split("\n\n")[:-1]:
        if not event.startswith(":"):
            yield {name: value for name, _, value in (line.partition(": ") for line in event.split("\n"))}
