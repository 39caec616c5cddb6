"""Who pretends to be asked by another name, from another page, or with a token in the address, gets no further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.identity.heads import HeadRules, check_head, declared_length, read_host
from sjs.values import replace
from tests.gateway.identity.calls import scope

RULES = HeadRules(
    hosts=["gate.example", "[::1]", "localhost:8765"],
    origins=["https://pages.example"],
    is_stream=lambda path: path.endswith("/events"),
)
TOKEN = "sjs_0123456789abcdef_" + "0" * 64


def code(*given: object, rules: HeadRules = RULES, query: bytes = b"") -> str:
    found = check_head(scope(*given, query=query), rules)  # type: ignore[arg-type]
    return found.code if found is not None else ""


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (b"gate.example", ""),
        (b"gate.example:8765", ""),
        (b"GATE.Example.:80", ""),
        (b"[::1]:8765", ""),
        (b"[0:0::1]", ""),
        (b"localhost:8765", ""),
        (b"localhost", "unknown_host"),
        (b"localhost:80", "unknown_host"),
        (b"evil.example", "unknown_host"),
        (b"gate.example.evil.example", "unknown_host"),
        (b"evilgate.example", "unknown_host"),
        (b"127.0.0.1", "unknown_host"),
        (b"[::2]", "unknown_host"),
        (b"0", "unknown_host"),
        (b"", "bad_host"),
        (b"gate.example:", "bad_host"),
        (b"gate.example:80:80", "bad_host"),
        (b"gate.example@evil.example", "bad_host"),
        (b"evil.example/gate.example", "bad_host"),
        (b"evil.example#gate.example", "bad_host"),
        (b"gate.example evil.example", "bad_host"),
        (b"gate.example,evil.example", "bad_host"),
        (b"gate.example\tx", "bad_host"),
        (b"g\xe4te.example", "bad_host"),
        (b"[::1", "bad_host"),
        (b"[:::1]", "bad_host"),
        (b"a" * 300, "bad_host"),
    ],
)
def test_a_name_that_was_bound_to_our_address_is_not_ours(host: bytes, found: str) -> None:
    assert code("GET", "/", (b"host", host)) == found


def test_there_is_exactly_one_host() -> None:
    assert code("GET", "/", (b"host", b"gate.example"), (b"Host", b"gate.example")) == "bad_host"
    without = scope()
    without["headers"] = []
    refusal = check_head(without, RULES)
    assert refusal is not None
    assert (refusal.code, refusal.status) == ("bad_host", 400)


ORIGINS = {
    b"http://gate.example:8765": True,
    b"https://gate.example:8765": True,
    b"HTTPS://GATE.example:8765": True,
    b"https://pages.example": True,
    b"https://gate.example": False,
    b"https://gate.example:9999": False,
    b"https://pages.example:8443": False,
    b"http://pages.example": False,
    b"https://evil.example": False,
    b"https://gate.example:8765.evil.example": False,
    b"https://gate.example:8765@evil.example": False,
    b"null": False,
    b"": False,
    b"gate.example:8765": False,
    b"file://": False,
    b"https://pages.example https://evil.example": False,
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "WHATEVER"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_pages_of_other_origins_are_not_answered(origin: bytes, method: str) -> None:
    assert code(method, "/jobs", (b"origin", origin)) == ("" if ORIGINS[origin] else "foreign_origin")


def test_two_origins_are_none() -> None:
    ours = (b"origin", b"https://gate.example:8765")
    assert code("POST", "/", ours, ours) == "foreign_origin"


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"Cross-Site", b"other"])
def test_what_a_browser_says_of_itself_counts_where_there_is_no_origin(site: bytes) -> None:
    """As it is with a form, an image, a script: forms of old browsers, and GET without CORS, have no Origin."""
    fetch = (b"sec-fetch-site", site)
    assert code("POST", "/jobs", fetch) == "foreign_origin"
    assert code("GET", "/events", fetch) == "foreign_origin"
    assert code("GET", "/jobs", fetch, (b"accept", b"text/html, Text/Event-Stream;q=0.5")) == "foreign_origin"
    assert code("GET", "/jobs", fetch) == "", "a link from elsewhere, which changes nothing"
    assert code("GET", "/jobs", fetch, rules=replace(RULES, is_strict=True)) == "foreign_origin"


@pytest.mark.parametrize("site", [b"same-origin", b"none", b"None "])
def test_ones_own_pages_and_what_a_person_types_are_answered(site: bytes) -> None:
    assert code("POST", "/jobs", (b"sec-fetch-site", site)) == ""
    assert code("GET", "/events", (b"sec-fetch-site", site), rules=replace(RULES, is_strict=True)) == ""


@pytest.mark.parametrize(
    "query",
    [b"token=x", b"a=b&token=x", b"ToKeN=x", b"access_token=", b"%74oken=x", b"a=1;token=x", b"api_key=x", b"token"]
    + [f"x={TOKEN}".encode(), f"x=%73js{TOKEN[3:]}".encode(), f"x={TOKEN[:30]}".encode(), f"{TOKEN.upper()}".encode()],
)
def test_no_token_comes_in_an_address(query: bytes) -> None:
    assert code("GET", "/jobs", query=query) == "token_in_url"


@pytest.mark.parametrize("query", [b"", b"tokens=x", b"name=token", b"x=sjs_tool", b"after=abc&limit=5"])
def test_other_words_in_an_address_are_none(query: bytes) -> None:
    assert code("GET", "/jobs", query=query) == ""


def test_nor_in_a_path_and_it_is_not_told_again() -> None:
    found = check_head(scope("GET", f"/jobs/{TOKEN}"), RULES)
    assert found is not None
    assert (found.code, found.status) == ("token_in_url", 400)
    assert TOKEN[:30] not in repr(found)


@pytest.mark.parametrize("path", ["", "jobs", "http://gate.example/", "/a\0b", "/a\nb", "/a\x7f", "*"])
def test_what_is_no_path(path: str) -> None:
    assert code("GET", path) == "bad_path"


def test_a_star_is_a_path_for_options_alone() -> None:
    assert code("OPTIONS", "*") == ""


def test_sizes() -> None:
    many = [(f"x-{number}".encode(), b"") for number in range(99)]
    assert code("GET", "/", *many) == ""
    assert code("GET", "/", *many, (b"x", b"")) == "headers_too_large"
    assert code("GET", "/", (b"x", b"a" * 16_384)) == "headers_too_large"
    assert code("GET", "/" + "a" * 8_192) == "address_too_long"
    assert code("GET", "/", query=b"a" * 8_192) == "address_too_long"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([(b"content-length", b"5")], ""),
        ([(b"transfer-encoding", b"chunked")], ""),
        ([(b"content-length", b"5"), (b"content-length", b"5")], "bad_length"),
        ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], "bad_length"),
        ([(b"content-length", b"-5")], "bad_length"),
        ([(b"content-length", b"+5")], "bad_length"),
        ([(b"content-length", b"5, 5")], "bad_length"),
        ([(b"content-length", b"5_0")], "bad_length"),
        ([(b"content-length", b"")], "bad_length"),
        ([(b"content-length", b"9" * 5_000)], "bad_length"),
    ],
)
def test_a_length_is_said_once(headers: list[tuple[bytes, bytes]], found: str) -> None:
    assert code("POST", "/", *headers) == found


def test_lengths() -> None:
    assert declared_length(scope()) == 0
    assert declared_length(scope("POST", "/", (b"content-length", b"007"))) == 7
    assert declared_length(scope("POST", "/", (b"transfer-encoding", b"chunked"))) is None


@given(st.lists(st.tuples(st.sampled_from([b"host", b"origin", b"content-length", b"accept"]), st.binary(max_size=30))))
def test_any_headers_pass_or_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    found = check_head(scope("POST", "/", *headers), RULES)
    assert found is None or 400 <= found.status < 500


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_none(text: str) -> None:
    found = read_host(text)
    assert found is None or read_host(f"{found[0]}{':' if found[1] else ''}{found[1]}") == found
