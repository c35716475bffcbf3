import pytest
from infergate.transport.request import Origin, encode_head, parse_url

HERE = Origin("http", "127.0.0.1", 80)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1"),
        ("http://localhost:8000", Origin("http", "localhost", 8000), "/"),
        ("HTTPS://Api.Example.COM/A?b=C", Origin("https", "api.example.com", 443), "/A?b=C"),
        ("http://h?q=1", Origin("http", "h", 80), "/?q=1"),
        ("http://[::1]:9/x", Origin("http", "::1", 9), "/x"),
    ],
)
def test_a_url_splits_into_origin_and_target(url: str, origin: Origin, target: str) -> None:
    assert parse_url(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        *("", "/v1", "ftp://h/", "file:///etc/passwd", "http:/h", "http://", "//h/", " http://h", "http://h ", "http://h/\n"),
        *("http://user@h/", "http://user:pw@h/", "http://h/#f", "http://h/a b", "http://h/\r\nx: y", "http://h/\x00"),
        *("http://h\\@evil/", "http://h:0/", "http://h:65536/", "http://h:x/", "http://h:/", "http://h:-1/"),
        *("http://hé/", "http://h/é", "httpſ://h/", "http://\u212a.com/", "http://h:\u0661/", "http://[::1/", "http://::1/"),
    ],
)  # fmt: skip
def test_anything_but_a_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a p"):
        parse_url(url)


def test_a_head_names_host_encoding_and_length() -> None:
    head = encode_head(HERE, "POST", "/a?b=c", [("X-One", "1"), ("x-empty", "")], 5)

    assert head == (
        b"POST /a?b=c HTTP/1.1\r\nhost: 127.0.0.1\r\naccept-encoding: identity\r\n"
        b"X-One: 1\r\nx-empty: \r\ncontent-length: 5\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (Origin("https", "h", 443), b"host: h\r\n"),
        (Origin("https", "h", 80), b"host: h:80\r\n"),
        (Origin("http", "h", 8000), b"host: h:8000\r\n"),
        (Origin("http", "::1", 80), b"host: [::1]\r\n"),
    ],
)
def test_the_host_line_omits_only_the_default_port(origin: Origin, line: bytes) -> None:
    assert line in encode_head(origin, "GET", "/", [], 0)


def test_an_empty_body_is_counted_where_one_is_expected_and_nowhere_else() -> None:
    assert b"content-length: 0\r\n" in encode_head(HERE, "POST", "/", [], 0)
    assert b"content-length" not in encode_head(HERE, "GET", "/", [], 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("x", "a\r\nb: c"), ("x", "a\rb"), ("x", "a\nb"), ("x", "a\0b"), ("x", "\u20ac"), ("x", "\u010d\u010a")),
        *(("x\r\nb", "c"), ("x\n", "c"), ("x\0", "c"), ("x y", "c"), ("x:", "c"), ("", "c"), ("é", "c")),
        *(("Host", "h"), ("content-length", "3"), ("Transfer-Encoding", "chunked"), ("Accept-Encoding", "gzip")),
        ("connection", "close"),
    ],
)
def test_a_header_that_could_change_the_meaning_of_a_head_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="head"):
        encode_head(HERE, "GET", "/", [("ok", "fine"), (name, value)], 0)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(("GET", "/a b"), ("GET", ""), ("GET", "/\r\nx: y"), ("GET", "/\t"), ("GET", "/é"), ("GET", "/\x7f")),
        *(("G ET", "/"), ("", "/"), ("GET /x HTTP/1.1\r\nHost: evil\r\n\r\nGET", "/"), ("G:T", "/")),
    ],
)
def test_a_method_or_target_that_could_change_the_meaning_of_a_head_is_refused(method: str, target: str) -> None:
    with pytest.raises(ValueError, match=r"head|malformed"):
        encode_head(HERE, method, target, [], 0)


@pytest.mark.parametrize("value", ["secret\r\n", "secret\u20ac"])
def test_a_refusal_does_not_quote_the_value(value: str) -> None:
    with pytest.raises(ValueError, match="head") as refused:
        encode_head(HERE, "GET", "/", [("authorization", value)], 0)

    assert "secret" not in repr(refused.value)
