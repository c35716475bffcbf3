"""Bad input gets a clear refusal in OpenAI's form, with the field at fault, and holds nothing."""

from typing import Any

import pytest
from infergate.accounts.keys import generate
from infergate.console import accounts, api_keys

from tests.support.live import Customer, Live

KEYS = ("message", "type", "param", "code")


async def refused(live: Live, customer: Customer, status: int, param: str | None, **how: Any) -> str:
    before = await live.house.ledger.wallet(customer.account)
    answer = await live.post("/v1/chat/completions", customer.key, **how)
    error = answer.json()["error"]
    assert answer.status_code == status, answer.text
    assert tuple(error) == KEYS
    assert error["param"] == param
    assert answer.headers["x-request-id"].startswith("req_")
    assert await live.house.ledger.wallet(customer.account) == before, "nothing was held"
    return str(error["message"])


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "demo-chat", "messages": [{"role": "user", "content": "Hi"}], **fields}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic sk-ig-aaaa",
        "Bearer sk-ig-short",
        "Bearer " + "x" * 5000,
        "Bearer sk-ig-" + "a" * 49,
        "sk-ig-" + "a" * 49,
    ],
)
async def test_a_missing_or_malformed_key_is_a_401(live: Live, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}

    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/credits")):
        answer = await live.http.request(method, path, headers=headers)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert "x-request-id" in answer.headers


async def test_an_unknown_key_with_a_good_checksum_is_a_401(live: Live) -> None:

    answer = await live.get("/v1/models", generate(live.house.entropy))

    assert answer.status_code == 401


async def test_two_authorization_headers_are_a_401_like_every_bad_key(live: Live) -> None:
    customer = await live.customer()
    headers = [("authorization", f"Bearer {customer.key}"), ("authorization", "Bearer sk-ig-other")]

    answer = await live.http.post("/v1/chat/completions", headers=headers, json=body())

    assert answer.status_code == 401
    assert answer.json() == (await live.get("/v1/models", "sk-ig-nonsense")).json()


async def test_a_revoked_key_stops_at_its_next_request_although_it_is_cached(live: Live) -> None:
    customer = await live.customer()
    other = await api_keys.create(live.rooms.desk, customer.account, name="other", actor="test")
    assert (await live.chat(customer)).status_code == 200

    await api_keys.revoke(live.rooms.desk, customer.account, customer.key_id, actor="test")

    assert (await live.chat(customer)).status_code == 401
    assert (await live.get("/v1/models", customer.key)).status_code == 401
    assert (await live.get("/v1/models", other.secret)).status_code == 200
    assert (await live.post("/v1/chat/completions", other.secret, json=body())).status_code == 200


async def test_a_suspended_account_stops_at_its_next_request_and_goes_on_when_reinstated(live: Live) -> None:
    customer = await live.customer()
    assert (await live.chat(customer)).status_code == 200

    await accounts.set_status(live.rooms.desk, customer.account, "suspended", actor="test", reason="abuse")
    assert (await live.chat(customer)).status_code == 403
    assert (await live.get("/v1/credits", customer.key)).status_code == 403

    await accounts.set_status(live.rooms.desk, customer.account, "active", actor="test", reason="appeal")
    assert (await live.chat(customer)).status_code == 200


async def test_a_rotated_key_works_through_its_grace_period_and_not_after(live: Live) -> None:
    customer = await live.customer()
    assert (await live.chat(customer)).status_code == 200

    fresh = await api_keys.rotate(live.rooms.desk, customer.account, customer.key_id, grace_s=3600, actor="test")

    assert (await live.chat(customer)).status_code == 200
    assert (await live.post("/v1/chat/completions", fresh.secret, json=body())).status_code == 200
    live.clock.advance(3601)
    assert (await live.chat(customer)).status_code == 401
    assert (await live.post("/v1/chat/completions", fresh.secret, json=body())).status_code == 200


async def test_a_body_over_six_megabytes_is_a_413(live: Live) -> None:
    customer = await live.customer()

    await refused(live, customer, 413, None, content=b'{"model": "' + b"x" * (6 << 20) + b'"}')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b'{"model": "demo-chat", "model": "demo-chat"}',
        b'{"model": "demo-chat", "temperature": NaN}',
        b'{"model": "demo-chat", "temperature": 1e400}',
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 100_000,
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
    ],
)
async def test_what_is_not_one_clear_json_object_is_a_400(live: Live, content: bytes) -> None:
    customer = await live.customer()
    param = "model" if content.count(b'"model"') == 2 else None

    await refused(live, customer, 400, param, content=content)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("value", [-1, 0, 1.5, True, "5", 2**63, 10**4000, [], {}])
async def test_a_number_that_would_be_money_must_be_a_whole_number_in_range(live: Live, name: str, value: Any) -> None:
    customer = await live.customer()
    if isinstance(value, int) and value > 2**64:
        raw = b'{"model":"demo-chat","messages":[{"role":"user","content":"x"}],"%s":%s}' % (name.encode(), b"1" * 4400)
        await refused(live, customer, 400, None, content=raw)
    else:
        await refused(live, customer, 400, name, json=body(**{name: value}))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
    ],
)
async def test_what_has_no_price_or_no_sense_is_a_400_that_names_the_field(
    live: Live, fields: dict[str, Any], param: str
) -> None:
    customer = await live.customer()

    await refused(live, customer, 400, param, json=body(**fields))


async def test_images_are_refused_for_a_model_that_has_no_price_for_them(live: Live) -> None:
    customer = await live.customer()
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}

    await refused(live, customer, 400, "messages", json=body(messages=[{"role": "user", "content": [part]}]))


async def test_no_credit_is_a_402_that_says_what_is_needed_available_and_affordable(live: Live) -> None:
    customer = await live.customer("0.0002")

    message = await refused(live, customer, 402, None, json=body(max_tokens=1000))

    assert "$0.0002 is available" in message
    affordable = int(message.split("max_tokens to ")[1].split()[0])
    assert (await live.chat(customer, "Hi", max_tokens=affordable)).status_code == 200


async def test_where_no_limit_was_given_the_balance_sets_it_and_the_answer_says_so(live: Live) -> None:
    customer = await live.customer("0.001")

    answer = await live.chat(customer, "Hi")

    assert answer.status_code == 200
    assert 64 <= int(answer.headers["x-infergate-max-tokens"]) < 16384
    assert (await live.receipt(customer, answer)).hold <= 1_000_000


async def test_an_unknown_model_is_a_404_and_a_disabled_one_a_403(live: Live) -> None:
    customer = await live.customer()

    await refused(live, customer, 404, "model", json=body(model="no-such-model"))
    await refused(live, customer, 404, "model", json=body(model="demo-embedding"))
    await refused(live, customer, 403, "model", json=body(model="gpt-4o-mini"))


async def test_the_sixth_request_of_a_minute_is_a_429_with_when_to_come_back(live: Live) -> None:
    customer = await live.customer(limits={"requests_per_minute": 5})
    live.fresh_minute()

    answers = [await live.chat(customer) for _ in range(6)]

    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers] == ["4", "3", "2", "1", "0", "0"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "this key" in answers[-1].json()["error"]["message"]
    assert not (await live.wallet(customer)).holds, "a refused request holds nothing"
    live.clock.advance(60)
    assert (await live.chat(customer)).status_code == 200


async def test_an_unknown_url_and_a_wrong_method_are_answered_in_openais_form(live: Live) -> None:
    customer = await live.customer()

    assert (await live.get("/v1/nothing", customer.key)).json()["error"]["code"] == "not_found"
    wrong = await live.get("/v1/chat/completions", customer.key)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert (await live.post("/v1/models", customer.key)).status_code == 405


async def test_anothers_receipt_is_the_same_404_as_one_that_never_was(live: Live) -> None:
    anna, bob = await live.customer(), await live.customer()
    made = await live.chat(anna)

    theirs = await live.get(f"/v1/receipts/{made.headers['x-request-id']}", bob.key)
    nobodys = await live.get("/v1/receipts/req_01JDF3Z9G00000000000000000", bob.key)
    nonsense = await live.get("/v1/receipts/..%2f..%2fx", bob.key)

    assert theirs.status_code == nobodys.status_code == nonsense.status_code == 404
    assert theirs.json() == nobodys.json() == nonsense.json()
    mine = await live.get(f"/v1/receipts/{made.headers['x-request-id']}", anna.key)
    assert mine.json()["cost"] == made.headers["x-infergate-cost"]


async def test_credits_key_and_limits_are_shown_to_the_nano_dollar(live: Live) -> None:
    live.fresh_minute()
    customer = await live.customer(limits={"requests_per_minute": 50})
    answer = await live.chat(customer, "demo: tokens=7 prompt=3")

    credits = (await live.get("/v1/credits", customer.key)).json()
    key = (await live.get("/v1/key", customer.key)).json()
    limits = (await live.get("/v1/limits", customer.key)).json()["limits"]

    assert answer.headers["x-infergate-cost"] == "0.000012"
    assert (credits["available"], credits["spent"], credits["held"]) == ("19.999988", "0.000012", "0.00")
    assert key["id"] == customer.key_id
    assert customer.key[-4:] in key["hint"]
    assert customer.key not in str(key)
    assert {"limit": "requests per minute", "value": 50, "used": 1, "source": "this key"} in limits


async def test_upstream_credentials_and_callers_keys_never_meet(live: Live) -> None:
    customer = await live.customer()
    live.secrets.values["channels/demo"] = "sk-upstream-canary-8271"

    answer = await live.chat(customer, "demo: status=401", headers={"x-api-key": "caller-canary", "cookie": "c=1"})

    assert answer.status_code == 502
    assert "canary" not in answer.text
    assert not [line for line in live.lines if "canary" in str(line) or customer.key in str(line)]
    sent = (await live.upstream_requests())[-1]
    assert "caller-canary" not in str(sent["headers"])
    assert "cookie" not in {name.lower() for name in sent["headers"]}
