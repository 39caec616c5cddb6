from __future__ import annotations

import hmac
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.identity import tokens
from sjs.gateway.identity.tokens import (
    SCOPES,
    Denied,
    Forbidden,
    Presented,
    Token,
    bearer,
    check,
    is_usable,
    looks_like_one,
    make,
    may,
    may_see,
    may_submit,
    parse,
    reachable,
    recognise,
    used_now,
)
from sjs.values import replace

NOW = 1_000_000.0


def made(**more: object) -> tuple[Token, str]:
    token, shown = make("ann", ["submit", "read"], NOW, **more)  # type: ignore[arg-type]
    return token, shown.reveal()


def header(text: str) -> list[bytes]:
    return [b"Bearer " + text.encode()]


def test_a_token_is_recognised_by_its_text_alone() -> None:
    token, text = made()
    assert re.fullmatch(r"sjs_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert recognise(header(text), {token.id: token}.get, NOW) == token
    assert recognise([b"bEARER   " + text.encode() + b" "], {token.id: token}.get, NOW) == token


def test_neither_what_is_kept_nor_what_is_shown_tells_the_secret() -> None:
    token, shown = make("ann", ["read"], NOW)
    text = shown.reveal()
    secret = text.rpartition("_")[2]
    for seen in (repr(token), repr(shown), str(shown), f"{shown}", repr(parse(text)), repr(vars(token))):
        assert secret not in seen
    assert token.digest.hex() not in repr(token)
    assert not hasattr(shown, "__dict__")


def test_no_two_are_alike_and_all_of_256_bits_are_drawn() -> None:
    drawn: list[int] = []

    def draw(count: int) -> str:
        drawn.append(count)
        return "ab" * count

    make("ann", ["read"], NOW, draw=draw)
    assert drawn == [8, 32]
    assert len({made()[1] for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "none"),
        ([b""], "malformed"),
        ([b"Bearer"], "malformed"),
        ([b"Bearer "], "malformed"),
        ([b"Basic YTpi"], "malformed"),
        ([b"Bearer sjs_0123456789abcdef_" + b"0" * 63], "malformed"),
        ([b"Bearer sjs_0123456789abcdef_" + b"0" * 65], "malformed"),
        ([b"Bearer sjs_0123456789ABCDEF_" + b"0" * 64], "malformed"),
        ([b"Bearer sjs_0123456789abcdef_" + b"0" * 64 + b"\n"], "malformed"),
        ([b"Bearer sjs_0123456789abcdef_" + b"\xd9\xa3" * 32], "malformed"),
        ([b"Bearer " + b"x" * 100_000], "malformed"),
        ([b"sjs_0123456789abcdef_" + b"0" * 64], "malformed"),
        ([b"Bearer sjs_0123456789abcdef_" + b"0" * 64], "unknown"),
        ([b"Bearer sjs_0123456789abcdef_" + b"0" * 64] * 2, "malformed"),
    ],
)
def test_what_is_no_token(headers: list[bytes], code: str) -> None:
    found = recognise(headers, lambda name: None, NOW)
    assert isinstance(found, Denied)
    assert found.code == code


def test_an_end_is_told_only_to_who_has_the_secret() -> None:
    token, text = made(expires=NOW + 10)
    wrong = text[:-64] + "0" * 64
    for kept, now, code in [
        (token, NOW + 9, ""),
        (token, NOW + 10, "expired"),
        (replace(token, revoked=NOW), NOW, "revoked"),
        (replace(token, revoked=NOW), NOW + 10, "revoked"),
    ]:
        found = recognise(header(text), {token.id: kept}.get, now)
        assert (found.code if isinstance(found, Denied) else "") == code
        guessed = recognise(header(wrong), {token.id: kept}.get, now)
        nobody = recognise(header(text), lambda name: None, now)
        assert guessed == nobody == Denied("unknown", "no such token")
        assert is_usable(kept, now) == (code == "")


def test_whatever_is_presented_digests_are_compared_once_and_are_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time tells neither whether an id exists nor how much of a secret was right."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    token, text = made()
    digits = random.Random(7)
    tries = [
        text,
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text[:-64] + "f" * 64,
        "sjs_0123456789abcdef_" + "0" * 64,
    ]
    tries += [
        text[: 85 - wrong] + "".join(digits.choice("0123456789abcdef") for _ in range(wrong)) for wrong in range(1, 65)
    ]
    tries += ["", "nothing", "x" * 1_000, text + "0"]
    for number, one in enumerate(tries, 1):
        found = recognise(header(one), {token.id: token}.get, NOW)
        assert isinstance(found, Token) is (one == text)
        assert compared == [(32, 32)] * number
    recognise([], {token.id: token}.get, NOW)
    assert len(compared) == len(tries) + 1


def test_each_part_of_a_token_is_looked_at() -> None:
    token, text = made()
    for place in range(len(text)):
        other = text[:place] + ("1" if text[place] == "0" else "0") + text[place + 1 :]
        presented = parse(other)
        found = check(presented, token, NOW)
        assert isinstance(found, Denied), "even where the record under another id is handed in"


def test_a_record_is_no_way_in_for_who_read_it() -> None:
    token, _ = made()
    assert isinstance(check(parse(f"sjs_{token.id}_{token.digest.hex()}"), token, NOW), Denied)
    assert isinstance(check(None, replace(token, digest=tokens._digest("")), NOW), Denied)


@given(st.lists(st.binary(max_size=120), max_size=3))
def test_any_headers_are_read_or_denied(headers: list[bytes]) -> None:
    assert isinstance(bearer(headers), (Denied, Presented))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"scopes": ["write"]}, "write is no scope; there are submit, read, cancel, admin, raw"),
        ({"scopes": []}, "nothing is no scope"),
        ({"owner": ""}, "a token has an owner"),
        ({"owner": "a\nb"}, "a token has an owner"),
        ({"scopes": ["raw"]}, "raw goes with submit"),
        ({"scopes": ["raw", "submit"], "specs": ["a"]}, "is not kept to some specs"),
        ({"expires": NOW}, "it would have expired already"),
    ],
)
def test_tokens_that_make_no_sense(given: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        make(**{"owner": "ann", "scopes": ["read"], "now": NOW, **given})  # type: ignore[arg-type]


def token(*scopes: str, **more: object) -> Token:
    return Token("id", b"", "ann", frozenset(scopes), NOW, **more)  # type: ignore[arg-type]


def why(found: Forbidden | None) -> str:
    return found.code if found is not None else ""


@pytest.mark.parametrize("scope", SCOPES)
def test_no_scope_implies_another(scope: str) -> None:
    assert [one for one in SCOPES if may(token(scope), one) is None] == [scope]


def test_who_may_hand_in_what_where() -> None:
    named = token("submit")
    assert why(may_submit(named, "a", ["x", "y"])) == ""
    assert why(may_submit(named, None, ["x"])) == "raw"
    assert why(may_submit(token("submit", "raw"), None, ["x"])) == ""
    assert why(may_submit(token("raw"), None, ["x"])) == "scope"
    assert why(may_submit(token("read", "admin"), "a", ["x"])) == "scope"
    kept = token("submit", specs=frozenset(["a"]), targets=frozenset(["x"]))
    assert why(may_submit(kept, "a", ["x"])) == ""
    assert why(may_submit(kept, "b", ["x"])) == "spec"
    assert why(may_submit(kept, "a", ["x", "y"])) == "target"
    assert why(may_submit(token("submit", specs=frozenset()), "a", [])) == "spec"
    assert reachable(kept, ["y", "x", "z"]) == ["x"]
    assert reachable(named, ["y", "x"]) == ["y", "x"]


def test_jobs_of_others_are_not_there() -> None:
    assert may_see(token("read"), "ann")
    assert not may_see(token("read"), "bob")
    assert may_see(token("read", "admin"), "bob")


def test_when_it_was_last_used_is_written_once_an_hour() -> None:
    kept, written = token("read"), 0
    for now in range(int(NOW), int(NOW) + 3 * 3_600, 60):
        moment = used_now(kept, float(now))
        if moment is not None:
            written += 1
            kept = replace(kept, used=moment)
        assert kept.used is not None
        assert 0 <= now - kept.used < 3_600
    assert written == 4


def test_tokens_in_other_texts_are_seen() -> None:
    assert looks_like_one("/x/" + made()[1])
    assert looks_like_one(made()[1].upper())
    assert not looks_like_one("sjs_tool")
