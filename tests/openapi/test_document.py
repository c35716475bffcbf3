"""docs/openapi.yaml is a valid document, says what the code says, and is what docs/reference.md was made from."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from infergate.catalog.types import DEFAULT_TIER, SERVICE_TIERS
from infergate.chat import idempotency
from infergate.edge import asgi, chat_request, errors, fields, openai, reads, route_options
from infergate.edge.wire import completions, messages_answer, messages_blocks, messages_request, responses_input
from infergate.edge.wire.messages_answer import anthropic_error
from infergate.kernel import errors as kernel
from openapi_spec_validator import validate

from tests.openapi.document import Json, document, faults, operations, resolved, schema
from tests.openapi.parsers import PARSERS, REQUEST_ID
from tools import reference

RAISED: tuple[kernel.InferGateError, ...] = (
    kernel.InvalidRequest("words", "model"),
    kernel.ContextTooLong(10, 20),
    kernel.BodyTooLarge(10),
    kernel.InvalidKey("malformed"),
    kernel.InsufficientCredits(10, 5, 1),
    kernel.RateLimited("requests per minute", 5, 5, "this key", 70, windows=(kernel.Window("requests", 5, 0, 70),)),
    kernel.AccountNotActive("suspended"),
    kernel.ModelNotFound("m"),
    kernel.ModelNotEnabled("m", "why"),
    kernel.IdempotencyMismatch(),
    kernel.RequestInFlight("req_1", 5),
    kernel.AlreadyCompleted("req_1", 5),
    kernel.NotFound("such thing"),
    *(
        kernel.UpstreamFailed("r", status, "words", retry_after_s=5)
        for status in (0, 400, 401, 422, 429, 500, 502, 504)
    ),
    kernel.Unavailable("words", 70),
)


def test_it_is_a_valid_document() -> None:
    validate(document())


def test_no_sentence_of_it_was_cut_at_a_comma() -> None:
    def empty(node: Any, where: str) -> Iterator[str]:
        if isinstance(node, dict):
            for name, value in node.items():
                if value is None:
                    yield f"{where}.{name}"
                yield from empty(value, f"{where}.{name}")
        elif isinstance(node, list):
            for each in node:
                yield from empty(each, where)

    assert list(empty(document(), "")) == []


def test_it_has_every_route_of_the_gateway_and_no_other() -> None:
    posts = {("post", path) for path in (*openai.POSTS, *openai.COUNTS)}
    gets = {("get", path) for path in (*reads._EXACT, "/healthz")} | {("get", f"{path}{{id}}") for path in reads._UNDER}

    assert set(operations()) == posts | gets


def test_its_limits_are_those_of_the_code() -> None:
    chat, options = schema("ChatRequest")["properties"], schema("ProviderOptions")["properties"]
    said = {
        "model": schema("ModelName")["maxLength"],
        "n": schema("Choices")["maximum"],
        "max_tokens": schema("OutputLimit")["maximum"],
        "messages": chat["messages"]["maxItems"],
        "input": {each["maxItems"] for each in schema("EmbeddingsRequest")["properties"]["input"]["anyOf"][1:]},
        "names": schema("RouteNames")["maxItems"],
        "price": schema("PriceMax")["anyOf"][0]["maximum"],
        "completion": schema("CompletionRequest")["properties"]["max_tokens"]["default"],
        "body": f"at most {asgi.BODY_MAX >> 20} MiB"
        in resolved({"$ref": "#/components/responses/TooLarge"})["description"],
        "idempotency": f"{idempotency.KEEP_S // 3600} hours" in _parameter("IdempotencyKey")["description"],
        "key": _parameter("IdempotencyKey")["schema"]["pattern"],
        "options": tuple(options),
    }

    assert said == {
        "model": fields.NAME_MAX,
        "n": chat_request.CHOICES_MAX,
        "max_tokens": chat_request.OUTPUT_MAX,
        "messages": chat_request.MESSAGES_MAX,
        "input": {chat_request.INPUTS_MAX},
        "names": route_options.NAMES_MAX,
        "price": route_options.PRICE_MAX_USD,
        "completion": completions.MAX_TOKENS,
        "body": True,
        "idempotency": True,
        "key": "^[!-~]{1,255}$",
        "options": route_options._KNOWN,
    }


def test_its_words_are_those_of_the_code() -> None:
    chat = schema("ChatRequest")["properties"]
    refused = {name for name, node in chat.items() if node.get("$ref", "").endswith("/Refused")}
    blocks = schema("CountRequest")["properties"]
    image = next(each for each in schema("AnthropicBlock")["oneOf"] if "source" in each.get("properties", {}))

    assert refused == set(chat_request._UNPRICED)
    assert set(schema("ChatMessage")["properties"]["role"]["enum"]) == chat_request._ROLES
    assert set(schema("ServiceTier")["enum"]) == {"auto", DEFAULT_TIER, *SERVICE_TIERS, None}
    assert tuple(schema("ResponsesItem")["properties"]["role"]["enum"]) == responses_input._ROLES
    assert tuple(schema("AnthropicMessage")["properties"]["role"]["enum"]) == messages_blocks._ROLES
    assert tuple(image["properties"]["source"]["properties"]["media_type"]["enum"]) == messages_blocks._IMAGES
    assert set(blocks["output_config"]["properties"]["effort"]["enum"]) == {*messages_request._EFFORTS, None}
    assert set(schema("Message")["properties"]["stop_reason"]["enum"]) == {
        *messages_answer._STOP_REASONS.values(),
        "stop_sequence",
    }


@pytest.mark.parametrize("error", [*RAISED, Exception("a bug")], ids=lambda error: type(error).__name__)
def test_every_error_has_a_documented_status_body_and_headers_in_both_forms(error: Exception) -> None:
    wire = errors.wire_error(error)
    told = {name.decode() for name, _ in wire.headers}

    for path in ("/v1/chat/completions", "/v1/messages"):
        response = resolved(operations()["post", path]["responses"][str(wire.status)])
        form = response["content"]["application/json"]["schema"]
        body = wire.object()
        if path == "/v1/messages":
            body = anthropic_error(wire.status, wire.object()["error"], REQUEST_ID)
        assert faults(form, body) == []
        assert told <= response["headers"].keys()


def test_every_kind_of_error_is_among_those_that_were_tried() -> None:
    """All but the wrong method: an operation of the document has the right one."""

    def leaves(kind: type[kernel.InferGateError]) -> Iterator[type[kernel.InferGateError]]:
        below = kind.__subclasses__()
        yield from (leaf for each in below for leaf in leaves(each)) if below else (kind,)

    ours = {kind for kind in leaves(kernel.InferGateError) if kind.__module__ == kernel.__name__}
    assert ours - {type(error) for error in RAISED} == {kernel.MethodNotAllowed}


def test_its_examples_are_what_it_says_and_what_the_gateway_takes() -> None:
    for (_, path), operation in operations().items():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                assert faults(content["schema"], example["value"]) == []
                PARSERS.get(path, chat_request.parse_chat)(orjson.dumps(example["value"]), REQUEST_ID)


def test_the_reference_was_made_from_it() -> None:
    assert reference.PAGE.read_text() == reference.render(document()), "python -m tools.reference"


def _parameter(name: str) -> Json:
    found: Json = document()["components"]["parameters"][name]
    return found
