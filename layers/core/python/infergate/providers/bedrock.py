"""Amazon Bedrock, through Converse: one request shape for every model that it serves.

The function's own role opens it (Signature Version 4), or one of Bedrock's API keys where the channel has a secret:
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html.
"""

import os
import re
from typing import Any
from urllib.parse import quote

from infergate.kernel.errors import InvalidRequest, Unavailable
from infergate.kernel.ids import Entropy, new_ulid
from infergate.kernel.time import Clock
from infergate.providers.bedrock_answer import ConverseEvents, completion
from infergate.providers.bedrock_request import converse_body
from infergate.providers.openai import OpenAI, refusal_of
from infergate.providers.types import Call, Events, Refusal, Target, Usage
from infergate.providers.wire_json import dump_json, parse_json
from infergate.store.signing import Credentials, Signer
from infergate.transport.request import host_of, parse_url

_REGION_IN_HOST = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}[a-z0-9-]*-\d+)\.")
_TOO_LONG = re.compile(r"(input|prompt) is too long", re.IGNORECASE)
_usage = OpenAI().usage


class Bedrock:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, as of late 2026."""

    stream_type = b"application/vnd.amazon.eventstream"

    def __init__(self, credentials: Credentials, clock: Clock, entropy: Entropy = os.urandom) -> None:
        self._credentials = credentials
        self._clock = clock
        self._entropy = entropy
        self._signers: dict[tuple[str, str], Signer] = {}
        """By host and region: one for each channel."""

    def call(self, endpoint: str, body: dict[str, Any], target: Target) -> Call:
        """Raises Unavailable too, where nothing says in which region the channel is: a signature is for one region."""
        if endpoint != "chat/completions":
            raise InvalidRequest("This model is served through Amazon Bedrock, for chat completions only.", "model")
        operation = "converse-stream" if body.get("stream") else "converse"
        path = f"/model/{quote(target.model, safe='')}/{operation}"
        raw = dump_json(converse_body(body, target.model))
        if target.secret:
            return Call(path, [("content-type", "application/json"), ("authorization", f"Bearer {target.secret}")], raw)
        origin, base = parse_url(target.base_url)
        signer = self._signer(host_of(origin), target.options.get("region") or _region_of(origin.host))
        return Call(path, signer.rest_headers(base.rstrip("/") + path, raw, self._clock()), raw)

    def answer(self, endpoint: str, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        return completion(self._head(body), parse_json(raw))

    def events(self, body: dict[str, Any]) -> Events:
        options = body.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        return ConverseEvents(self._head(body), wants_usage=wants_usage)

    def refusal(self, raw: bytes) -> Refusal:
        answer = parse_json(raw)
        if not isinstance(answer, dict):
            return Refusal()
        message, code = answer.get("message") or answer.get("Message"), answer.get("__type")
        if isinstance(message, str) and _TOO_LONG.search(message):
            return refusal_of(message, "context_length_exceeded", "messages")
        return refusal_of(message, code.rpartition("#")[2] if isinstance(code, str) else None, None)

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        return _usage(answer)

    def _head(self, body: dict[str, Any]) -> dict[str, Any]:
        """Converse answers without an id, a time or the model's name."""
        now = self._clock()
        identifier = f"chatcmpl-{new_ulid(now, self._entropy)}"
        return {"id": identifier, "created": int(now), "model": body.get("model", "")}

    def _signer(self, host: str, region: str) -> Signer:
        signer = self._signers.get((host, region))
        if signer is None:
            signer = self._signers[host, region] = Signer(self._credentials, region, "bedrock", host)
        return signer


def _region_of(host: str) -> str:
    """eu-central-1, of bedrock-runtime.eu-central-1.amazonaws.com or of a VPC endpoint before it. Raises Unavailable."""
    match = _REGION_IN_HOST.search(host)
    if match is None:
        raise Unavailable("a channel to Amazon Bedrock does not say its region")
    return match[1]
