"""catalog.yaml: the committed one is good, and every kind of mistake is refused with the place where it stands."""

import time
import typing
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from infergate.catalog.compile import compile_file
from infergate.catalog.file import CatalogFile, ChannelTerms
from infergate.catalog.read import CatalogRefused, Problem, parse, read_folder, read_texts
from infergate.catalog.snapshot import dump, load
from infergate.catalog.types import NEEDED_BUCKETS
from infergate.store.signing import Credentials
from infergate.wiring.gateway import providers

FOLDER = Path(__file__).parents[3] / "catalog"

SMALL = """
models:
  chatty:
    kind: chat
    owned_by: us
    created: 2026-11-01
    context: 1000
    max_output: 100
    routes:
      chatty-a: {channel: one, upstream_model: m, price_book: dear}
  embedder:
    kind: embedding
    owned_by: us
    created: 2026-11-01
    context: 1000
    routes:
      embedder-a: {channel: one, upstream_model: e, price_book: cheap}
channels:
  one: {kind: openai, base_url: "https://api.example.com/v1", secret: one}
price_books:
  dear: {input: "1.00", cached_input: "0.50", output: "4.00"}
  cheap: {input: "0.02"}
plans:
  starter: {requests_per_minute: 60, tokens_per_minute: 1000, concurrency: 5, models: [chatty]}
campaigns:
  trial: {kind: trial, amount: "20.00", expires_after_days: 90}
"""


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    raw = deepcopy(yaml.safe_load(SMALL))
    change(raw)
    return yaml.safe_dump(raw)


def with_value(path: str, value: Any) -> str:
    def put(raw: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place = raw
        for name in parents:
            place = place[name]
        place[last] = value

    return changed(put)


def without(path: str) -> str:
    def drop(raw: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place = raw
        for name in parents:
            place = place[name]
        del place[last]

    return changed(drop)


def refusal(text: str) -> str:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - each caller looks at the words
        parse(text)
    return str(refused.value)


def test_the_committed_catalog_is_valid_and_compiles() -> None:
    snapshot = compile_file(read_folder(FOLDER))

    written = [yaml.safe_load(file.read_text()).get("models", {}) for file in FOLDER.glob("*.yaml")]
    assert snapshot.models.keys() == {name for models in written for name in models}


def test_every_route_of_the_committed_catalog_has_a_complete_price() -> None:
    for model in compile_file(read_folder(FOLDER)).models.values():
        assert model.routes
        for route in model.routes:
            assert all(route.price.rates[bucket] > 0 for bucket in NEEDED_BUCKETS[model.kind])


def test_the_committed_catalog_sells_nothing_over_plain_http_until_it_is_told_to() -> None:
    for channel in read_folder(FOLDER).channels.values():
        assert channel.base_url.startswith("https://") or not channel.enabled


def test_the_committed_trial_is_the_promised_20_dollars() -> None:
    assert compile_file(read_folder(FOLDER)).campaigns["trial"].amount == 20_000_000_000


def test_the_small_catalog_of_these_tests_is_valid() -> None:
    assert isinstance(parse(SMALL), CatalogFile)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        # Prices and amounts: strings, not negative, not absurd.
        ("price_books/dear/input", 1.5, "price_books.dear.input"),
        ("price_books/dear/input", 1, "price_books.dear.input"),
        ("price_books/dear/input", True, "price_books.dear.input"),
        ("price_books/dear/input", None, "no price for input"),
        ("price_books/dear/input", float("nan"), "price_books.dear.input"),
        ("price_books/dear/input", "NaN", "price_books.dear.input"),
        ("price_books/dear/input", "1e3", "price_books.dear.input"),
        ("price_books/dear/input", "0.0000000001", "price_books.dear.input"),
        ("price_books/dear/input", "-1.00", "price_books.dear.input"),
        ("price_books/dear/input", "999999999999", "price_books.dear.input"),
        ("price_books/dear/inptu", "1.00", "price_books.dear.inptu"),
        ("price_books/unused", {"input": "-1"}, "price_books.unused.input"),
        ("price_books/unused", {"input": "free"}, "price_books.unused.input"),
        ("price_books/unused", {"tokens": "1"}, "price_books.unused.tokens"),
        ("campaigns/trial/amount", "0", "campaigns.trial.amount"),
        ("campaigns/trial/amount", "-20.00", "campaigns.trial.amount"),
        ("campaigns/trial/amount", 20, "campaigns.trial.amount"),
        ("campaigns/trial/amount", 20.0, "campaigns.trial.amount"),
        ("campaigns/trial/amount", "999999999999", "campaigns.trial.amount"),
        ("campaigns/trial/amount", "twenty", "campaigns.trial.amount"),
        ("campaigns/trial/expires_after_days", 0, "campaigns.trial.expires_after_days"),
        ("campaigns/trial/kind", "gift", "campaigns.trial.kind"),
        # What refers to something that is not there.
        ("models/chatty/routes/chatty-a/channel", "two", "models.chatty.routes.chatty-a: no channel 'two'"),
        ("models/chatty/routes/chatty-a/price_book", "none", "models.chatty.routes.chatty-a: no price book 'none'"),
        ("plans/starter/models", ["chatty", "gone"], "plans.starter: no model 'gone'"),
        ("aliases", {"nick": "gone"}, "aliases.nick: no model 'gone'"),
        ("aliases", {"chatty": "embedder"}, "aliases.chatty: a model has this name"),
        ("aliases", {"a": "b", "b": "c", "c": "a"}, "aliases.a: it goes round in a ring: a -> b -> c -> a"),
        ("aliases", {"a": "a"}, "aliases.a: it goes round in a ring: a -> a"),
        # Tiers and editions of a price.
        ("price_books/dear/above", {"200k": {"input": "2"}}, "price_books.dear.above"),
        ("price_books/dear/above", {"-1": {"input": "2"}}, "price_books.dear.above"),
        ("price_books/dear/above", {"5": {"input": 2}}, "price_books.dear.above.5.input"),
        ("price_books/dear/above", {"5": {"reasoning": "2"}}, "price_books.dear: above 5 tokens it prices reasoning"),
        ("price_books/dear/service_tiers", {"cheap": {"input": "1"}}, "price_books.dear: no service tier 'cheap'"),
        ("price_books/dear/service_tiers", {"flex": {"input": "1"}}, "has no price for output in its tier 'flex'"),
        ("price_books/dear", [], "price_books.dear: it has no edition"),
        (
            "price_books/dear",
            [{"input": "1", "output": "1"}, {"input": "2", "output": "2"}],
            "price_books.dear: two of its editions begin on the same day",
        ),
        ("price_books/dear", [{"input": "1", "output": -1}], "price_books.dear.0.output"),
        ("models/chatty/routes/chatty-a/markup", "0", "models.chatty.routes.chatty-a.markup"),
        ("models/chatty/routes/chatty-a/markup", "1e3", "models.chatty.routes.chatty-a.markup"),
        ("models/chatty/routes/chatty-a/markup", 1.05, "models.chatty.routes.chatty-a.markup"),
        (
            "models/embedder/routes",
            {"chatty-a": {"channel": "one", "upstream_model": "e", "price_book": "cheap"}},
            "models.embedder.routes.chatty-a: the model 'chatty' has a route of this name already",
        ),
        # A price that is not complete.
        (
            "models/chatty/routes/chatty-a/price_book",
            "cheap",
            "models.chatty.routes.chatty-a: price book 'cheap' has no",
        ),
        # Numbers that are none, or beyond their bounds.
        ("models/chatty/context", 1000.0, "models.chatty.context"),
        ("models/chatty/context", float("nan"), "models.chatty.context"),
        ("models/chatty/context", float("inf"), "models.chatty.context"),
        ("models/chatty/context", "1000", "models.chatty.context"),
        ("models/chatty/context", True, "models.chatty.context"),
        ("models/chatty/context", 0, "models.chatty.context"),
        ("models/chatty/max_output", -1, "models.chatty.max_output"),
        ("models/chatty/max_output", 0, "models.chatty"),
        ("models/chatty/image_tokens", -1, "models.chatty.image_tokens"),
        ("models/chatty/created", "2026-11-01", "models.chatty.created"),
        ("models/chatty/kind", "video", "models.chatty.kind"),
        ("models/chatty/owned_by", "", "models.chatty.owned_by"),
        ("models/chatty/routes", {}, "models.chatty.routes"),
        ("models/chatty/routes/chatty-a/priority", 0, "models.chatty.routes.chatty-a.priority"),
        ("models/chatty/routes/chatty-a/weight", 0, "models.chatty.routes.chatty-a.weight"),
        ("models/chatty/routes/chatty-a/weight", 0.5, "models.chatty.routes.chatty-a.weight"),
        ("models/chatty/routes/chatty-a/upstream_model", "", "models.chatty.routes.chatty-a.upstream_model"),
        ("plans/starter/requests_per_minute", 0, "plans.starter.requests_per_minute"),
        ("plans/starter/tokens_per_minute", -1, "plans.starter.tokens_per_minute"),
        ("plans/starter/concurrency", 501, "plans.starter.concurrency"),
        # Where a provider is, and how it is reached.
        ("channels/one/base_url", "http://api.example.com/v1", "channels.one.base_url"),
        ("channels/one/base_url", "http://localhost.example.com/v1", "channels.one.base_url"),
        ("channels/one/base_url", "http://127.0.0.1@example.com/v1", "channels.one.base_url"),
        ("channels/one/base_url", "http://10.0.0.1/v1", "channels.one.base_url"),
        ("channels/one/base_url", "ftp://api.example.com/v1", "channels.one.base_url"),
        ("channels/one/base_url", "https://api.example.com/v1?key=1", "channels.one.base_url"),
        ("channels/one/base_url", "https://api.example.com:x/v1", "channels.one.base_url"),
        ("channels/one/base_url", "https://api.exämple.com/v1", "channels.one.base_url"),
        ("channels/one/base_url", "https://api.example.com/v1\n", "channels.one.base_url"),
        ("channels/one/kind", "other", "channels.one.kind"),
        ("channels/one/secret", "../other", "channels.one.secret"),
        ("channels/one/secret", "", "channels.one: it needs a secret"),
        ("channels/one/region", "EU", "channels.one.region"),
        ("channels/one/concurrency", 0, "channels.one.concurrency"),
        ("channels/one/options", {"a": 1}, "channels.one.options.a"),
        ("channels/one/enabled", "yes", "channels.one.enabled"),
        ("channels/one/enabled", 1, "channels.one.enabled"),
        ("channels/one/idle_timeout_s", 0, "channels.one.idle_timeout_s"),
        ("channels/one/output_field", "n_predict", "channels.one.output_field"),
        ("channels/one/options", {"api_version": "1"}, "channels.one.options"),
        ("channels/one/options", {"region": 5}, "channels.one.options"),
        # What nobody knows.
        ("channels/one/timeout", 5, "channels.one.timeout"),
        ("models/chatty/price", "1.00", "models.chatty.price"),
        ("models/chatty/routes/chatty-a/price", "1.00", "models.chatty.routes.chatty-a.price"),
        ("plans/starter/rpm", 5, "plans.starter.rpm"),
        ("campaigns/trial/credits", "5", "campaigns.trial.credits"),
        ("prices", {}, "prices"),
        # Names.
        ("models/a b", None, "models.a b"),
        ("channels/two\n", {"kind": "openai", "base_url": "https://b.example.com", "secret": "b"}, "'two\\n' is not a"),
        ("price_books/ü", {"input": "1"}, "'ü' is not a usable name"),
        ("plans/", {"requests_per_minute": 1, "tokens_per_minute": 1, "concurrency": 1}, "'' is not a usable name"),
    ],
)
def test_a_mistake_is_refused_with_the_place_where_it_stands(path: str, value: Any, place: str) -> None:
    assert place in refusal(with_value(path, value))


@pytest.mark.parametrize("kind", NEEDED_BUCKETS)
def test_without_a_complete_price_there_is_no_sale(kind: str) -> None:
    book = {"chat": "dear", "embedding": "cheap"}[kind]
    for bucket in NEEDED_BUCKETS[kind]:
        message = refusal(without(f"price_books/{book}/{bucket}"))

        assert f"price book '{book}' has no price for {bucket}: no price, no sale" in message


@pytest.mark.parametrize("part", ["models", "channels", "price_books", "plans", "campaigns"])
def test_every_part_of_a_catalog_is_needed(part: str) -> None:
    assert part in refusal(without(part))


@pytest.mark.parametrize("part", ["models", "channels", "plans"])
def test_a_part_that_cannot_be_empty_is_refused_when_it_is(part: str) -> None:
    assert part in refusal(with_value(part, {}))


def test_a_route_with_an_unusable_name_is_refused() -> None:
    route = {"channel": "one", "upstream_model": "m", "price_book": "dear"}

    assert "'a\\nb' is not a usable name" in refusal(with_value("models/chatty/routes/a\nb", route))


@pytest.mark.parametrize(
    ("once", "key", "line"),
    [
        ("  chatty:\n", "chatty", "  chatty: {}\n"),
        ("    context: 1000\n    max_output", "context", "    context: 5\n"),
        ("price_books:\n", "price_books", "price_books: {}\n"),
        ("    owned_by: us\n    created: 2026-11-01\n    context: 1000\n    max", "owned_by", '    "owned_by": them\n'),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(once: str, key: str, line: str) -> None:
    at = SMALL.index(once)

    message = refusal(SMALL[:at] + line + SMALL[at:])

    assert f"the key '{key}' stands twice" in message
    assert "line" in message


def test_a_price_that_stands_twice_is_refused() -> None:
    assert "the key 'input' stands twice" in refusal(SMALL.replace('{input: "0.02"}', '{input: "0.02", input: "0.2"}'))


def test_a_merged_mapping_is_no_duplicate() -> None:
    text = SMALL.replace(
        'dear: {input: "1.00"', 'base: &base {input: "9", output: "9"}\n  dear: {<<: *base, input: "1.00"'
    )

    (edition,) = parse(text).price_books["dear"]
    assert edition.rates() == {"input": "1.00", "cached_input": "0.50", "output": "4.00"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "models",
        "models: [",
        "a: b: c",
        "\t",
        "? [a]\n: b",
        "created: 2026-13-01",
        "!!python/name:os.system ''",
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not YAML|a catalog is a mapping"):
        parse(text)


def test_local_providers_may_be_reached_by_plain_http() -> None:
    for url in ("http://127.0.0.1:8081/v1", "http://localhost/v1", "http://[::1]:8081/v1"):
        assert parse(with_value("channels/one/base_url", url)).channels["one"].base_url == url


@pytest.mark.parametrize(
    ("base_url", "options"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com", {}),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}),
        ("https://vpce-0a1b2c.bedrock-runtime.eu-west-3.vpce.amazonaws.com", {}),
        ("https://bedrock.example.com/behind", {"region": "eu-central-1"}),
    ],
)
def test_a_channel_that_the_role_opens_has_a_region_and_no_secret(base_url: str, options: dict[str, str]) -> None:
    terms = {"kind": "bedrock", "base_url": base_url, "secret": "", "options": options}
    channel = compile_file(parse(with_value("channels/one", terms))).models["chatty"].routes[0].channel

    assert (channel.kind, channel.secret, channel.options) == ("bedrock", "", options)


@pytest.mark.parametrize("host", ["bedrock.example.com", "evil-bedrock-runtime.eu-central-1.example.com"])
def test_a_channel_to_bedrock_without_a_region_is_refused(host: str) -> None:
    terms = {"kind": "bedrock", "base_url": f"https://{host}", "secret": ""}

    assert "options.region" in refusal(with_value("channels/one", terms))


def test_a_base_url_ends_without_a_slash() -> None:
    assert (
        parse(with_value("channels/one/base_url", "https://b.example.com/v1/")).channels["one"].base_url.endswith("/v1")
    )


def test_an_override_replaces_one_value() -> None:
    file = parse(SMALL, {"channels.one.enabled": "false", "plans.starter.concurrency": "7"})

    assert not file.channels["one"].enabled
    assert file.plans["starter"].concurrency == 7


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("nowhere.one.enabled", "true", "nothing is called 'nowhere.one.enabled'"),
        ("channels.two.enabled", "true", "nothing is called 'channels.two.enabled'"),
        ("channels.one.enabled.deeper", "true", "nothing is called"),
        ("channels.one.enabeld", "true", "channels.one.enabeld"),
        ("channels.one.enabled", "maybe", "channels.one.enabled"),
        ("channels.one.enabled", "[", "not YAML"),
        ("price_books.dear.input", "1.5", "price_books.dear.input"),
    ],
)
def test_an_override_is_checked_like_the_file(path: str, value: str, place: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the next line looks at the words
        parse(SMALL, {path: value})

    assert place in str(refused.value)


def test_a_folder_of_files_is_one_catalog(tmp_path: Path) -> None:
    sections = yaml.safe_load(SMALL)
    for name in ("models", "channels", "price_books"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({name: sections.pop(name)}))
    (tmp_path / "rest.yaml").write_text(yaml.safe_dump(sections))

    assert read_folder(tmp_path) == parse(SMALL)


def test_every_problem_is_listed_with_its_file_its_path_and_the_reason() -> None:
    whole = yaml.safe_load(SMALL)
    whole["models"]["chatty"]["routes"]["chatty-a"]["channel"] = "two"
    whole["plans"]["starter"]["models"] = ["gone"]
    files = {
        "models.yaml": yaml.safe_dump({"models": whole.pop("models")}),
        "rest.yaml": yaml.safe_dump(whole),
    }

    with pytest.raises(CatalogRefused) as refused:
        read_texts(files)

    assert refused.value.problems == [
        Problem("models.yaml", "models.chatty.routes.chatty-a", "no channel 'two'"),
        Problem("rest.yaml", "plans.starter", "no model 'gone'"),
    ]


def test_what_stands_in_two_files_is_refused() -> None:
    with pytest.raises(CatalogRefused, match=r"plans\.starter: it stands in a\.yaml already"):
        read_texts({"a.yaml": SMALL, "b.yaml": "plans: {starter: {requests_per_minute: 1}}"})


def test_all_that_is_malformed_is_listed_too() -> None:
    text = with_value("models/chatty/context", 0).replace("concurrency: 5", "concurrency: 0")

    with pytest.raises(CatalogRefused) as refused:
        parse(text)

    assert [problem.path for problem in refused.value.problems] == [
        "models.chatty.context",
        "plans.starter.concurrency",
    ]


def test_every_kind_that_the_gateway_speaks_can_be_written_and_no_other() -> None:
    written = typing.get_args(ChannelTerms.model_fields["kind"].annotation)

    assert set(written) == set(providers(Credentials("a", "b"), time.time))


def test_a_server_of_ones_own_needs_no_key_and_azure_may_have_a_dated_version() -> None:
    own = {"kind": "ollama", "base_url": "http://127.0.0.1:11434/v1"}
    azure = {
        "kind": "azure",
        "base_url": "https://r.openai.azure.com/openai",
        "secret": "azure",
        "options": {"api_version": "2024-10-21"},
    }

    assert parse(with_value("channels/one", own)).channels["one"].secret == ""
    snapshot = load(dump(compile_file(parse(with_value("channels/one", azure)))))
    assert snapshot.models["chatty"].routes[0].channel.options == {"api_version": "2024-10-21"}
