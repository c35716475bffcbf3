"""The key that a request presents."""

from typing import Any

import pytest
from infergate.edge.presented import KEY_MAX, for_anthropic, presented_key
from infergate.kernel.errors import InvalidKey


def scope(path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"path": path, "headers": list(headers)}


BEARER, API_KEY = (b"authorization", b"Bearer sk-1"), (b"x-api-key", b"sk-1")


@pytest.mark.parametrize(
    ("path", "headers", "key"),
    [
        ("/v1/models", (), None),
        ("/v1/models", (BEARER,), "sk-1"),
        ("/v1/models", (API_KEY,), None),
        ("/v1/messages", (BEARER,), "sk-1"),
        ("/v1/messages", (API_KEY,), "sk-1"),
        ("/v1/messages", (API_KEY, BEARER), "sk-1"),
        ("/v1/messages/count_tokens", (API_KEY,), "sk-1"),
    ],
)
def test_a_key_comes_as_a_bearer_token_or_where_anthropics_clients_put_it(
    path: str, headers: tuple[tuple[bytes, bytes], ...], key: str | None
) -> None:
    assert presented_key(scope(path, *headers)) == key


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((BEARER, BEARER), "twice"),
        ((API_KEY, API_KEY), "twice"),
        ((BEARER, (b"x-api-key", b"sk-2")), "twice"),
        (((b"x-api-key", b""),), "malformed"),
        (((b"x-api-key", b"k" * (KEY_MAX + 1)),), "malformed"),
        (((b"authorization", b"Bearer "),), "malformed"),
        (((b"authorization", b"Basic sk-1"), API_KEY), "malformed"),
        (((b"authorization", b"Bearer " + b"k" * (KEY_MAX + 1)),), "malformed"),
    ],
)
def test_any_other_form_and_two_keys_are_no_key(headers: tuple[tuple[bytes, bytes], ...], why: str) -> None:
    with pytest.raises(InvalidKey) as refused:
        presented_key(scope("/v1/messages", *headers))

    assert refused.value.why == why


def test_only_messages_and_what_is_below_is_for_anthropics_clients() -> None:
    assert [for_anthropic(path) for path in ("/v1/messages", "/v1/messages/x", "/v1/messagesx", "/v1/models")] == [
        *(True, True, False, False)
    ]
