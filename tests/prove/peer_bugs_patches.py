"""The money bugs of comparable gateways, put back into ours: a few lines of source each, and the test that must notice.

Numbers are threads and advisories of comparable systems, by repository. A patch is (module, old, new): the
old text stands exactly once in the module, or the patch no longer says what it did.
"""

from dataclasses import dataclass

type Patch = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PeerBug:
    """`test` is module::name; modules of tests/, or this package's own checks."""

    name: str
    peers: str
    patches: tuple[Patch, ...]
    test: str


LEDGER, WALLET, SWEEP = "infergate.ledger.ledger", "infergate.ledger.wallet", "infergate.schedules.sweep"
COMPLETE, PRICE, USAGE = "infergate.chat.complete", "infergate.chat.price", "infergate.providers.usage"
OURS = "tests.prove.peer_bugs_checks"
T_LEDGER, T_CASES = "tests.unit.ledger.test_ledger", "tests.unit.ledger.test_cases"
T_PRICE, T_OPENAI, T_JSON = (
    "tests.unit.chat.test_price",
    "tests.unit.providers.test_openai",
    "tests.unit.edge.test_strict_json",
)
T_PAYS, T_REFUSALS = "tests.journeys.test_who_pays", "tests.journeys.test_refusals"

_CHECK_THEN_DEDUCT: tuple[Patch, ...] = (
    (WALLET, 'RESERVE = " AND ".join([EXISTS, ENOUGH, ACTIVE, FRESH, UNEXPIRED, ROOM, NEW])',
     'RESERVE = " AND ".join([EXISTS, f"({ENOUGH} OR attribute_exists(pk))", ACTIVE, FRESH, UNEXPIRED, ROOM, NEW])'),
    (LEDGER, "            now_s = int(self._clock())\n            write = wallet.reserve(",
     "            now_s = int(self._clock())\n"
     "            looked = await self.wallet(ask.account)\n"
     "            if looked and looked.available < ask.amount:\n"
     "                return wallet.NotEnough(looked.available, ())\n"
     "            write = wallet.reserve("),
)  # fmt: skip

PEER_BUGS = (
    PeerBug("the balance is read and checked, then deducted", "new-api#6609, #5690", _CHECK_THEN_DEDUCT,
            f"{OURS}::test_credit_for_k_admits_exactly_k_of_fifty_at_once"),
    PeerBug("who was rich when last looked at is trusted without a hold", "one-api#2440, new-api#6607", (
        (LEDGER, "        await self._mark_active(ask.account)\n        for tried",
         "        await self._mark_active(ask.account)\n"
         "        if SEEN.get(ask.account, 0) > 10 * ask.amount:\n"
         "            return Held(ask.next_hold(), SEEN[ask.account])\n"
         "        if looked := await self.wallet(ask.account):\n"
         "            SEEN[ask.account] = looked.available\n"
         "        for tried"),
        (LEDGER, "TRIES = 5\n", "TRIES = 5\nSEEN: dict[str, int] = {}\n"),
    ), f"{OURS}::test_every_admitted_request_has_its_hold"),
    PeerBug("nothing is held: the cost is added afterwards", "LiteLLM#34732, sub2api#7002", (
        (WALLET, '            ":amount": hold.amount,\n            ":hold"', '            ":amount": 0,\n            ":hold"'),
    ), f"{T_LEDGER}::test_a_hold_is_a_ceiling_not_a_price"),
    PeerBug("an account without a wallet is let through", "LiteLLM#40095", (
        (LEDGER, "return Held(hold, refusal.available) if isinstance(refusal, AlreadyHeld) else refusal",
         "return Held(hold, getattr(refusal, 'available', 0)) "
         "if isinstance(refusal, AlreadyHeld | wallet.Missing) else refusal"),
    ), f"{T_LEDGER}::test_each_clause_of_the_reserve_says_that_it_failed"),
    PeerBug("a hold is a deduction without a record: a crash leaks it", "LiteLLM#27639, #30460, eliza#9904", (
        (WALLET, '"SET available = available - :amount, holds.#hold = :hold"', '"SET available = available - :amount"'),
        (WALLET, '            ":hold": {"amount": hold.amount, "deadline": hold.deadline},\n', ""),
    ), f"{T_LEDGER}::test_a_dead_workers_hold_is_swept_at_no_charge_and_its_late_receipt_finds_that"),
    PeerBug("the sweep leaves holds without a receipt alone", "LiteLLM PR#36592", (
        (SWEEP, "        if receipt is None:\n            receipt =",
         "        if receipt is None:\n            return\n            receipt ="),
    ), f"{T_LEDGER}::test_a_dead_workers_hold_is_swept_at_no_charge_and_its_late_receipt_finds_that"),
    PeerBug("every attempt reserves under the same id", "eliza#10846", (
        (WALLET, 'return f"{request_id}.{attempt}"', 'return f"{request_id}.1"'),
    ), f"{T_LEDGER}::test_a_reserve_that_lands_after_its_settle_is_a_stray_and_not_a_second_charge"),
    PeerBug("usage `or` estimate: an explicit zero is estimated", "LiteLLM#37992", (
        ("infergate.chat.bill", "    if usage is not None:\n        return Bill",
         "    if usage is not None and usage.units:\n        return Bill"),
    ), f"{T_PAYS}::test_an_explicit_zero_stays_zero"),
    PeerBug("negative usage counts", "CVE-2026-71479 (new-api), octopus#243", (
        (USAGE, "or not 0 <= value <= USAGE_MAX", "or not value <= USAGE_MAX"),
    ), f"{T_OPENAI}::test_a_chats_usage_with_an_absurd_or_missing_count_is_refused"),
    PeerBug("a negative charge can be booked: the caller is credited", "CVE-2026-71479 (new-api)", (
        (WALLET, "if not 0 <= cost <= amount:", "if not cost <= amount:"),
    ), f"{T_LEDGER}::test_a_charge_above_its_hold_cannot_be_written"),
    PeerBug("a charge above its hold can be booked", "sub2api#2011", (
        (WALLET, "if not 0 <= cost <= amount:", "if not 0 <= cost:"),
    ), f"{T_LEDGER}::test_a_charge_above_its_hold_cannot_be_written"),
    PeerBug("what usage comes to above the hold is charged", "token-factory-cookbook#27, claude-code#92642", (
        (PRICE, "min(full, hold), max(0, full - hold)", "full, 0"),
    ), f"{T_PRICE}::test_charge_and_loss_are_the_full_cost_and_the_charge_is_within_the_hold"),
    PeerBug("cached tokens are charged twice", "LiteLLM#14849, #6215, #11364", (
        (USAGE, '"input": prompt - cached - written - written_1h', '"input": prompt'),
    ), f"{T_OPENAI}::test_buckets_are_disjoint_and_add_up_to_what_was_reported"),
    PeerBug("cached tokens are charged at the full rate", "bifrost#904, Helicone#5766", (
        (PRICE, "        name = bucket\n", '        name = "input" if "input" in bucket else bucket\n'),
    ), f"{T_PRICE}::test_what_has_no_rate_of_its_own_counts_as_what_it_is_a_kind_of"),
    PeerBug("what has no price costs nothing", "LiteLLM#35913, #35691, #30081", (
        ("infergate.kernel.money", "total += count * rates[bucket]", "total += count * rates.get(bucket, 0)"),
    ), "tests.unit.kernel.test_money::test_units_without_a_rate_are_not_free"),
    PeerBug("a model without a complete price is sold", "LiteLLM#40649, #35358", (
        ("infergate.catalog.check", "            if missing:\n", "            if missing and not prices:\n"),
    ), "tests.unit.catalog.test_file::test_without_a_complete_price_there_is_no_sale"),
    PeerBug("the provider's error text is priced as output", "new-api#5288, #5289, #5290", (
        ("infergate.chat.relay", '            self._failed(event["error"])\n',
         '            self.relayed_bytes += len(data)\n            self._failed(event["error"])\n'),
    ), f"{T_PAYS}::test_an_error_in_mid_stream_costs_input_and_what_was_relayed_and_reaches_the_client_as_an_event"),
    PeerBug("who disconnects pays nothing", "LiteLLM#14457, sub2api#2168, new-api#5235", (
        (COMPLETE, "        receipt = self._receipt(bill)\n        if relay.failure",
         "        if self.reply.gone:\n            bill = Bill('client gone')\n"
         "        receipt = self._receipt(bill)\n        if relay.failure"),
    ), f"{T_PAYS}::test_a_client_that_leaves_pays_the_same_as_if_it_had_stayed"),
    PeerBug("a failed stream is charged its whole prompt", "new-api#4168", (
        ("infergate.chat.bill", 'if request.kind == "chat" and not relayed_bytes and not output:',
         'if request.kind == "chat" and not relayed_bytes and not output and False:'),
    ), f"{T_PAYS}::test_an_empty_answer_costs_nothing"),
    PeerBug("settling twice books twice", "eliza#10846, #11512", (
        (WALLET, 'HELD_WHOLE = "holds.#hold.amount = :amount AND',
         'HELD_WHOLE = "(holds.#hold.amount = :amount OR attribute_exists(pk)) AND'),
    ), f"{T_LEDGER}::test_settling_any_number_of_times_books_once"),
    PeerBug("sweep and late worker both decide", "eliza#11603, #22478", (
        ("infergate.ledger.receipts", '"ConditionExpression": "attribute_not_exists(pk)"',
         '"ConditionExpression": "attribute_exists(pk) OR attribute_not_exists(pk)"'),
    ), f"{T_LEDGER}::test_a_dead_workers_hold_is_swept_at_no_charge_and_its_late_receipt_finds_that"),
    PeerBug("the sweep ends requests that are still running", "eliza#11512", (
        (SWEEP, "            if hold.deadline + SLACK_S < self._clock():", "            if True:"),
    ), f"{T_LEDGER}::test_a_dead_workers_hold_is_swept_at_no_charge_and_its_late_receipt_finds_that"),
    PeerBug("a payment is credited again when its answer was lost", "lago-api#5870, NyxID#1050", (
        ("infergate.ledger.books", "            if draft.cause:\n", "            if draft.cause and False:\n"),
    ), f"{OURS}::test_a_payment_whose_answer_was_lost_is_credited_once"),
    PeerBug("one payment is credited once for what was paid and once for what was granted", "NyxID#1050", (
        ("infergate.ledger.grants", '{"available": grant.granted,', '{"available": 2 * grant.granted,'),
    ), f"{T_LEDGER}::test_a_grant_is_credited_once_per_cause_however_often_it_is_asked_for"),
    PeerBug("expired credit is spendable until the schedule has run", "fountain#1126, Bytez-com/docs#43", (
        (WALLET, 'UNEXPIRED = "next_expiry > :now"', 'UNEXPIRED = "(next_expiry > :now OR attribute_exists(pk))"'),
    ), f"{T_LEDGER}::test_expired_credit_is_never_reserved_although_no_schedule_has_run"),
    PeerBug("a running request that spans an expiry gets expired credit back", "fountain#1126", (
        (WALLET, "    lapsed = lapse_of_unused(unused, due)\n", "    lapsed = lapse_of_unused(0, due)\n"),
    ), f"{T_LEDGER}::test_a_hold_across_an_expiry_may_spend_what_it_reserved_and_gives_the_rest_to_expiry"),
    PeerBug("limits are counted in each process's memory", "bifrost#3547, LiteLLM#2730, #27736", (
        ("infergate.limits.rates", "    async def count(", "    async def count(self, *given: object) -> Counted:\n"
         "        me = Rates(_Mine(self), self._table)\n"
         "        return await me.shared_count(*given)\n\n    async def shared_count("),
        ("infergate.limits.rates", "class Rates:\n",
         "class _Mine:\n    def __init__(self, owner: object) -> None:\n"
         "        self.said = owner.__dict__.setdefault('mine', {})\n\n"
         "    async def call(self, operation: str, params: Params) -> dict[str, object]:\n"
         "        item = self.said.setdefault(str(params['Key']), {})\n"
         "        names, values = params['ExpressionAttributeNames'], params['ExpressionAttributeValues']\n"
         "        if int(item.get('requests', {'N': '0'})['N']) > int(values[':most0']['N']):\n"
         "            raise ConditionFailed(item)\n"
         "        item['requests'] = {'N': str(int(item.get('requests', {'N': '0'})['N']) + 1)}\n"
         "        return {'Attributes': item}\n\n\nclass Rates:\n"),
    ), f"{OURS}::test_two_workers_share_one_minute"),
    PeerBug("the limiter is asked, and not listened to", "LiteLLM#26672, #27381, #11962", (
        ("infergate.limits.rates", "            raise refusal(limits, failed.old, tokens, now_s) from None",
         "            answer = {'Attributes': failed.old or {}}"),
    ), f"{OURS}::test_two_workers_share_one_minute"),
    PeerBug("NaN and Infinity are numbers", "security.md S5", (
        ("infergate.edge.strict_json", "parse_constant=_no_constant", "parse_constant=float"),
    ), f"{T_JSON}::test_what_javascript_calls_a_number_is_refused"),
    PeerBug("of a key that stands twice, one counts", "security.md S5", (
        ("infergate.edge.strict_json", "    if len(value) != len(pairs):", "    if False:"),
    ), f"{T_JSON}::test_a_key_that_stands_twice_is_refused_by_name"),
    PeerBug("max_tokens may be negative, or true", "security.md S5, CVE-2026-71479", (
        ("infergate.edge.fields", "if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:",
         "if not isinstance(value, int) or not value <= high:"),
    ), f"{OURS}::test_a_limit_that_is_no_positive_whole_number_is_refused"),
    PeerBug("no money reads as a rate limit: SDKs retry it", "LiteLLM PR#29493, #14144, agent#327", (
        ("infergate.edge.errors", "            return WireError(\n                402,",
         "            return WireError(\n                429,"),
    ), f"{OURS}::test_no_credit_is_a_402"),
    PeerBug("name+tag@ has a trial of its own", "polar#6993, cursor-free-vip#632", (
        ("infergate.accounts.accounts", '    local = local.partition("+")[0]\n', ""),
    ), "tests.unit.accounts.test_accounts::test_a_tag_makes_no_other_address"),
    PeerBug("whoever signs up twice at once has two trials", "polar#6993, LiteLLM#40095", (
        ("infergate.accounts.accounts", "    return [put_new(table, item) for item in items]",
         '    items = [put_new(table, item)["Put"]["Item"] for item in items]\n'
         '    return [{"Put": {"TableName": table, "Item": item}} for item in items]'),
    ), f"{OURS}::test_an_address_that_signs_up_twenty_times_at_once_has_one_trial"),
    PeerBug("a save writes the balance that it read before", "CVE-2026-64865, new-api#2748", (
        ("infergate.ledger.entries", 'adds = [f"#{name} = if_not_exists(#{name}, :zero) + :add_{name}" for name in add]',
         'adds = [f"#{name} = :add_{name}" for name in add]'),
        ("infergate.ledger.entries", 'values |= {f":add_{name}": amount for name, amount in add.items()}',
         'values |= {f":add_{name}": getattr(before, name) + amount for name, amount in add.items()}'),
        ("infergate.ledger.entries", '    if adds:\n        values[":zero"] = 0\n', ""),
    ), f"{OURS}::test_what_was_reserved_while_a_payment_came_in_is_still_held"),
    PeerBug("receipts are stored under another's id, which repeats", "LiteLLM#28376, #6633", (
        ("infergate.ledger.receipts", '"pk": receipt_pk(receipt.account, receipt.request_id), "sk": receipt.request_id}',
         '"pk": receipt_pk(receipt.account, receipt.request_id)[:-1], "sk": receipt.model or "chatcmpl-1"}'),
    ), f"{OURS}::test_two_requests_have_two_receipts"),
    PeerBug("a key that was revoked goes on where it is cached", "CVE-2026-35030 (LiteLLM), P8", (
        (WALLET, 'FRESH = "epoch = :epoch"', 'FRESH = "(epoch = :epoch OR attribute_exists(pk))"'),
    ), f"{T_LEDGER}::test_each_clause_of_the_reserve_says_that_it_failed"),
    PeerBug("one key takes every slot", "bifrost#4790", (
        (WALLET, 'ROOM = "size(holds) < :room"', 'ROOM = "(size(holds) < :room OR attribute_exists(pk))"'),
    ), f"{T_LEDGER}::test_each_clause_of_the_reserve_says_that_it_failed"),
    PeerBug("n answers, one of them held for", "sub2api#7002", (
        (PRICE, '"output": output * self.choices', '"output": output'),
    ), f"{T_PRICE}::test_the_worst_usage_is_covered_on_every_route"),
    PeerBug("the hold's output limit is not sent to the provider", "sub2api#7002, #2011", (
        ("infergate.chat.shape", "] = output\n", "] = request.max_output or 10**6\n"),
    ), "tests.unit.chat.test_shape::test_exactly_one_limit_goes_out_and_it_is_the_one_that_is_held_for"),
    PeerBug("a cheap call is refused because the model could answer at length", "qwen-code#73, opencode#12219", (
        ("infergate.chat.price", "    if request.kind == \"chat\" and request.max_output is None and OUTPUT_FLOOR",
         "    if False and OUTPUT_FLOOR"),
    ), f"{T_REFUSALS}::test_where_no_limit_was_given_the_balance_sets_it_and_the_answer_says_so"),
    PeerBug("a dispute claws back what a refund has already paid back", "eliza#10920, fountain#1126", (
        ("infergate.ledger.rules", "    return grant.granted - promised(grant)\n", "    return grant.granted\n"),
    ), f"{T_CASES}::test_what_was_refunded_cannot_be_charged_back_as_well"),
    PeerBug("a refund does not freeze: the credit is spent meanwhile", "pollinations#15013, P16", (
        ("infergate.ledger.refunds", 'if amount > refundable:', 'if False:'),
    ), f"{T_CASES}::test_a_refund_freezes_first_and_never_more_than_is_paid_and_unspent"),
    PeerBug("an account with a debt is simply made active again", "fountain#1126", (
        ("infergate.ledger.grants", '    if status == "active":\n', '    if status == "none":\n'),
    ), f"{T_CASES}::test_a_lost_dispute_takes_the_frozen_then_other_paid_credit_and_the_rest_is_a_debt"),
    PeerBug("a retry through another transport is charged again", "eliza#16444, new-api#7486", (
        ("infergate.chat.idempotency", '"ConditionExpression": "attribute_not_exists(pk) OR #ttl <= :now",',
         '"ConditionExpression": "attribute_not_exists(pk) OR attribute_exists(pk) OR #ttl <= :now",'),
    ), "tests.journeys.test_idempotency::test_a_repeated_request_is_not_charged_again_and_names_the_receipt"),
    PeerBug("an empty secret is a secret", "CVE-2026-41432 (new-api), new-api#4319", (
        ("infergate.store.secrets", '_PLACEHOLDERS = frozenset({"", "changeme",', '_PLACEHOLDERS = frozenset({"changeme",'),
    ), f"{OURS}::test_a_secret_that_is_empty_or_a_placeholder_is_none"),
)  # fmt: skip
