from tests.openapi.parsers import PARSERS, fuzz


def test_a_parser_accepts_or_refuses_and_what_it_accepts_can_be_sent_on() -> None:
    done = fuzz(50_000, seed=1)

    assert not done.violations, "\n".join(done.violations[:5])
    assert done.outcomes.total() == 50_000
    for path in PARSERS:
        assert min(done.outcomes[path, "accepted"], done.outcomes[path, "refused"]) > 1000, f"{path} is hardly attacked"
