"""Who has signed in: a word in a cookie that says by which token, and until when. Pure.

    TOKEN.EXPIRES.MAC    TOKEN: the token's public id; MAC: HMAC-SHA256 of what stands before it

The token's secret stays with the person, and nothing is kept of sessions: each request looks at the token, so one that
was revoked ends them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from sjs.values import dataclass

LIFETIME = 12 * 3_600
"""Seconds after which one is to sign in again who was not there in the meantime."""

_WORD = re.compile(r"([0-9a-f]{16})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Session:
    """`word`: the whole of it, as the cookie has it."""

    token: str
    expires: int
    word: str


def begin(token: str, keys: Sequence[bytes], now: float) -> Session:
    """A new one, for the token of this public id."""
    expires = int(now) + LIFETIME
    body = f"{token}.{expires}"
    return Session(token, expires, f"{body}.{_mac(keys[0], _SESSION, body)}")


def check(word: str, keys: Sequence[bytes], now: float) -> Session | None:
    """What a cookie says, if one of the keys has signed it and its time is not over."""
    match = _WORD.fullmatch(word)
    if match is None:
        return None
    body = f"{match[1]}.{match[2]}"
    signed = [hmac.compare_digest(_mac(key, _SESSION, body), match[3]) for key in keys]
    return Session(match[1], int(match[2]), word) if any(signed) and now < int(match[2]) else None


def is_to_be_renewed(session: Session, now: float) -> bool:
    """Whether more than half of its time is over."""
    return session.expires - now < LIFETIME / 2


def form_word(session: Session, keys: Sequence[bytes]) -> str:
    """What stands in each form of a page, and must come back with it: a page of another site can not know it."""
    return _mac(keys[0], _FORM, session.token)


def is_form_word(word: str, session: Session, keys: Sequence[bytes]) -> bool:
    """Whether a form came from one of our pages, made for whoever sends it."""
    given = word.encode("utf-8", "replace")
    return any(hmac.compare_digest(_mac(key, _FORM, session.token).encode(), given) for key in keys)


_SESSION = b"sjs session, 1\0"
_FORM = b"sjs form of a session, 1\0"
"""So that what was signed for something else with the same key is neither."""


def _mac(key: bytes, purpose: bytes, text: str) -> str:
    return hmac.new(key, purpose + text.encode("ascii"), hashlib.sha256).hexdigest()
