"""Canonical e-mail addresses: one box, one spelling."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.accounts.accounts import Account, canonical_email, email_pk, put_members, read
from infergate.kernel.errors import InvalidRequest

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=12)
LOCALS = st.lists(WORDS, min_size=1, max_size=3).map(".".join)
DOMAINS = st.lists(WORDS, min_size=2, max_size=3).map(".".join)
ADDRESSES = st.builds("{}@{}".format, LOCALS, DOMAINS)
ANYTHING = st.text() | st.builds("{}@{}.{}".format, st.text(), st.text(), st.text())


@LAW
@given(ANYTHING)
def test_a_canonical_address_is_its_own_canonical_form(text: str) -> None:
    try:
        canonical = canonical_email(text)
    except InvalidRequest:
        return
    assert canonical_email(canonical) == canonical
    assert canonical.isprintable()
    assert canonical.count("@") == 1


@LAW
@given(ADDRESSES, st.randoms())
def test_case_makes_no_other_address(address: str, random: object) -> None:
    shouted = "".join(c.upper() if random.random() < 0.5 else c for c in address)  # type: ignore[attr-defined]

    assert canonical_email(shouted) == canonical_email(address)


@LAW
@given(LOCALS, DOMAINS, st.text("abc+.", max_size=9))
def test_a_tag_makes_no_other_address(local: str, domain: str, tag: str) -> None:
    assert canonical_email(f"{local}+{tag}@{domain}") == canonical_email(f"{local}@{domain}")


@LAW
@given(WORDS, st.sampled_from(["gmail.com", "googlemail.com", "GMail.Com"]), st.integers(0, 12))
def test_dots_and_the_other_name_make_no_other_gmail_address(local: str, domain: str, at: int) -> None:
    dotted = local[:at] + "." + local[at:]

    assert canonical_email(f"{dotted}@{domain}") == f"{local}@gmail.com"


@LAW
@given(ADDRESSES)
def test_dots_count_wherever_they_mean_something(address: str) -> None:
    assert canonical_email(address) == address


@LAW
@given(ADDRESSES)
def test_wide_letters_make_no_other_address(address: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if 0x21 <= ord(c) <= 0x7E else c for c in address)

    assert unicodedata.normalize("NFKC", wide) == address
    assert canonical_email(wide) == canonical_email(address)


@LAW
@given(ADDRESSES, st.sampled_from([" ", "\t", "\n", "\u00a0", "\u3000"]))
def test_space_around_an_address_is_no_part_of_it(address: str, space: str) -> None:
    assert canonical_email(space + address + space) == canonical_email(address)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "a", "a@", "@b.com", "a@b", "a b@c.com", "a@b c.com", "a@b.com\nx", "a\0@b.com", "a@b.com\x7f"),
        *("+tag@b.com", "..@gmail.com", ".+x@gmail.com", "a" * 250 + "@b.com"),
        *("a@b.com.", "a@.com", "a@b..com", "a@gmail.com."),
        *("a@b@c.com", "a\u200bb@c.com", "a\u00adb@c.com", "a@c.com\u2060", "\ud800@c.com", "a\u202eb@c.com"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        canonical_email(text)

    assert refused.value.param == "email"


@LAW
@given(ADDRESSES, ADDRESSES)
def test_a_claim_names_one_canonical_address_and_hides_it(one: str, other: str) -> None:
    assert (email_pk(one, "pepper") == email_pk(other, "pepper")) == (one == other)
    assert email_pk(one, "pepper") != email_pk(one, "salt")
    assert one not in email_pk(one, "pepper")


def test_a_new_account_claims_its_address_or_is_not_stored() -> None:
    account = Account("acc_1", "a@b.com", "Anna", "starter", 1_800_000_000)

    claim, profile = put_members("accounts", account, "EMAIL#1")

    assert read(profile["Put"]["Item"]) == account
    assert claim["Put"]["Item"]["account"] == {"S": "acc_1"}
    assert {m["Put"]["ConditionExpression"] for m in (claim, profile)} == {"attribute_not_exists(pk)"}
