from tests.openapi.attack import attack


async def test_whatever_the_document_allows_or_forbids_is_answered_as_it_says_and_the_books_stay_right() -> None:
    done = await attack(3500)

    assert not done.findings, "\n".join(done.findings)
    assert done.cases >= 3500
    assert {200, 400, 401, 403, 404, 405} <= done.answers.keys()
    assert done.answers[200] > 500, "the attack got past the parsers"
