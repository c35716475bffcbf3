"""Amazon's own model of Bedrock's API, as botocore ships it: what proves that a shape is real."""

import base64
import json
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
CONVERSE = SERVICE.operation_model("Converse")
CONVERSE_STREAM = SERVICE.operation_model("ConverseStream")


def serialized(operation: OperationModel, model: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(path, body) as botocore sends them, of what we would send. Raises AssertionError where it is not of Amazon's shape."""
    shape = operation.input_shape
    params = {**_native(shape, body), "modelId": model}
    report = ParamValidator().validate(params, shape)  # type: ignore[no-untyped-call]
    assert not report.has_errors(), report.generate_report()
    request = create_serializer("rest-json").serialize_to_request(params, operation)  # type: ignore[no-untyped-call]
    return request["url_path"], json.loads(request["body"])


def understood(shape: Shape, wire: dict[str, Any]) -> dict[str, Any]:
    """What botocore reads of a body of this shape, written as JSON again: the same, if it knows every part of it."""
    response = {"status_code": 200, "headers": {}, "body": json.dumps(wire).encode()}
    parsed = create_parser("rest-json").parse(response, shape)  # type: ignore[no-untyped-call]
    parsed.pop("ResponseMetadata", None)
    written = json.loads(json.dumps(parsed, default=lambda value: base64.b64encode(value).decode()))
    assert isinstance(written, dict)
    return written


def event_shape(kind: str) -> Shape:
    return CONVERSE_STREAM.output_shape.members["stream"].members[kind]  # type: ignore[no-any-return, attr-defined]


def _native(shape: Shape, value: Any) -> Any:
    """Blobs as bytes. Raises AssertionError for a part that Amazon's shape does not have."""
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        assert set(value) <= set(shape.members), (shape.name, sorted(set(value) - set(shape.members)))
        return {name: _native(shape.members[name], part) for name, part in value.items()}
    if isinstance(shape, ListShape):
        return [_native(shape.member, part) for part in value]
    if isinstance(shape, MapShape):
        return {name: _native(shape.value, part) for name, part in value.items()}
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    return value
