"""API keys: their form, their checksum, what is kept of them."""

import os
import re
import string
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from infergate.accounts.keys import (
    ApiKey,
    change_members,
    generate,
    hash_of,
    hint_of,
    put_members,
    read,
    well_formed,
)
from infergate.kernel.time import NEVER

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DIGITS = string.ascii_letters + string.digits
KEYS = st.binary(min_size=32, max_size=32).map(lambda random: generate(lambda _: random))
PREFIX = "sk-ig-"
NOW = 1_800_000_000


def key(**changes: object) -> ApiKey:
    values: dict[str, object] = {
        "id": "key_1",
        "account": "acc_1",
        "hash": "ab" * 32,
        "name": "mine",
        "hint": "sk-ig-…abcd",
        "plan": "starter",
        "epoch": 3,
        "created_at": NOW,
    }
    return ApiKey(**(values | changes))  # type: ignore[arg-type]


@LAW
@given(KEYS)
def test_a_new_key_has_the_documented_form_and_is_well_formed(secret: str) -> None:
    assert re.fullmatch(r"sk-ig-[0-9A-Za-z]{43}[0-9A-Za-z]{6}", secret)
    assert well_formed(secret)


@LAW
@given(KEYS, st.integers(0, 54), st.sampled_from(DIGITS + "-_ é\n\0"))
def test_a_key_with_one_character_changed_is_not_well_formed(secret: str, at: int, other: str) -> None:
    assume(secret[at] != other)

    assert not well_formed(secret[:at] + other + secret[at + 1 :])


@LAW
@given(KEYS, st.integers(0, 53))
def test_a_key_with_two_neighbours_swapped_is_not_well_formed(secret: str, at: int) -> None:
    assume(secret[at] != secret[at + 1])

    assert not well_formed(secret[:at] + secret[at + 1] + secret[at] + secret[at + 2 :])


@LAW
@given(KEYS, st.integers(0, 54), st.text(min_size=1, max_size=3))
def test_a_key_cut_or_lengthened_is_not_well_formed(secret: str, at: int, more: str) -> None:
    assert not well_formed(secret[:at])
    assert not well_formed(secret + more)
    assert not well_formed(more + secret)
    assert not well_formed(secret + "\n")


@pytest.mark.parametrize(
    "text", ["", "sk-ig-", "sk-ig-" + "0" * 49, "SK-IG-" + "0" * 49, "sk-ig-" + "٠" * 49, "Bearer", "\0" * 55]
)
def test_what_never_was_a_key_is_not_well_formed(text: str) -> None:
    assert not well_formed(text)


def test_a_megabyte_is_no_key_and_is_known_as_such_at_once() -> None:
    started = time.perf_counter()

    assert not well_formed("sk-ig-" + "a" * (1 << 20))

    assert time.perf_counter() - started < 0.1


def test_a_key_draws_256_random_bits() -> None:
    asked: list[int] = []

    generate(lambda n: asked.append(n) or os.urandom(n))  # type: ignore[func-returns-value]

    assert asked == [32]


@LAW
@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
def test_every_random_bit_changes_the_key(random: bytes, bit: int) -> None:
    other = (int.from_bytes(random) ^ 1 << bit).to_bytes(32)

    assert generate(lambda _: random)[:49] != generate(lambda _: other)[:49]


@pytest.mark.parametrize("random", [bytes(32), b"\xff" * 32])
def test_the_least_and_the_largest_key_keep_the_form(random: bytes) -> None:
    assert well_formed(generate(lambda _: random))


@LAW
@given(KEYS, KEYS, st.text(min_size=1), st.text(min_size=1))
def test_a_hash_depends_on_the_key_and_on_the_pepper(one: str, other: str, pepper: str, second: str) -> None:
    # HMAC pads a short key with zeros: peppers that differ only there are one.
    assume(one != other and pepper.rstrip("\0") != second.rstrip("\0"))

    assert len({hash_of(one, pepper), hash_of(other, pepper), hash_of(one, second)}) == 3
    assert hash_of(one, pepper) == hash_of(one, pepper)


@LAW
@given(KEYS)
def test_a_hash_is_64_hexadecimal_digits_and_holds_nothing_of_the_key(secret: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", hash_of(secret, "pepper"))
    assert not any(secret[i : i + 12] in hash_of(secret, "pepper") for i in range(6, 40))


@LAW
@given(KEYS)
def test_a_hint_shows_the_last_four_characters_and_no_more(secret: str) -> None:
    assert hint_of(secret) == f"sk-ig-…{secret[-4:]}"


@LAW
@given(KEYS, KEYS)
def test_the_hint_hides_all_random_characters(one: str, other: str) -> None:
    random_part = one[:49]

    assert hint_of(random_part + other[49:]) == hint_of(other)


@pytest.mark.parametrize(
    ("changes", "now", "state"),
    [
        ({}, NOW, "active"),
        ({}, NEVER - 1, "active"),
        ({"expires_at": NOW + 1}, NOW, "active"),
        ({"expires_at": NOW + 1}, NOW + 0.999, "active"),
        ({"expires_at": NOW + 1}, NOW + 1, "expired"),
        ({"expires_at": NOW}, NOW, "expired"),
        ({"expires_at": NOW - 1}, NOW, "expired"),
        ({"revoked_at": NOW}, NOW, "revoked"),
        ({"revoked_at": NOW + 60}, NOW, "revoked"),
        ({"revoked_at": 1, "expires_at": NOW - 1}, NOW, "revoked"),
    ],
)
def test_a_key_is_active_until_the_second_it_expires_or_is_revoked(
    changes: dict[str, int], now: float, state: str
) -> None:
    assert key(**changes).state(now) == state


@LAW
@given(
    st.builds(
        ApiKey,
        id=st.text(),
        account=st.text(),
        hash=st.text(),
        name=st.text(),
        hint=st.text(),
        plan=st.text(),
        epoch=st.integers(0),
        created_at=st.integers(0),
        expires_at=st.integers(0),
        revoked_at=st.integers(0),
        limits=st.dictionaries(st.text(), st.integers(1)),
    )
)
def test_a_stored_key_is_read_as_it_was_in_both_its_places(stored: ApiKey) -> None:
    members = put_members("accounts", stored)

    assert [read(member["Put"]["Item"]) for member in members] == [stored, stored]
    assert len({member["Put"]["Item"]["pk"]["S"] for member in members}) == 2


def test_a_key_is_never_written_over_another() -> None:
    for member in put_members("accounts", key()):
        assert member["Put"]["ConditionExpression"] == "attribute_not_exists(pk)"


def test_what_is_stored_holds_nothing_of_the_secret() -> None:
    secret = generate(os.urandom)
    stored = key(hash=hash_of(secret, "pepper"), hint=hint_of(secret))

    text = repr(put_members("accounts", stored))

    assert secret not in text
    assert secret.removeprefix(PREFIX)[:43] not in text


def test_a_change_touches_both_places_and_never_a_revoked_key() -> None:
    members = [member["Update"] for member in change_members("accounts", key(), {"expires_at": NOW, "name": "other"})]

    places = [(m["Key"]["pk"]["S"], m["Key"]["sk"]["S"]) for m in members]
    assert places == [(f"KEY#{'ab' * 32}", "KEY"), ("ACCOUNT#acc_1", "KEY#key_1")]
    assert all("revoked_at = :never" in m["ConditionExpression"] for m in members)
