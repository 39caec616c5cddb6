"""Links of the gateway's own: a word that lets who has it fetch one artifact until some time. Pure.

    BODY.MAC    BODY: base64url of [path, name, owner, expires, sha256] as JSON; MAC: base64url of HMAC-SHA256 of BODY

The word says all that is needed to answer, so nothing is kept of links, and a key that is no longer accepted ends all
that were signed with it. The first key signs; others are those that were first before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from sjs.errors import BadRequest, Refused
from sjs.values import dataclass

MIN_KEY = 32
"""Bytes of a key."""

MAX_WORD = 8192

_PURPOSE = b"sjs link to an artifact, 1\0"
"""So that what was signed for something else with the same key is no link."""


class BadLink(Refused):
    code = "bad_link"


class ExpiredLink(BadLink):
    code = "expired_link"


@dataclass(frozen=True)
class Grant:
    """What a link allows: to fetch what is at a path, as a file of this name, for whoever let it be made, until then
    (Unix seconds). `sha256`: of what is there, by which whoever fetches it in pieces sees that they are of one file."""

    path: str
    name: str
    owner: str
    expires: int
    sha256: str


def sign(grant: Grant, keys: Sequence[bytes]) -> str:
    """The word for it, of letters that a URL takes."""
    fields = [grant.path, grant.name, grant.owner, grant.expires, grant.sha256]
    body = _encoded(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode())
    word = f"{body}.{_mac(_checked(keys)[0], body)}"
    if len(word) > MAX_WORD:
        raise BadRequest(f"no link can be made to what has so long a name: {grant.name!r:.40}…")
    return word


def check(word: str, keys: Sequence[bytes], now: float) -> Grant:
    """What a word allows. BadLink for one that none of the keys has signed, ExpiredLink when its time is over."""
    body, _, mac = word.partition(".")
    given = mac.encode("utf-8", "replace")
    is_signed = False
    for key in _checked(keys):  # all of them, however soon one fits
        is_signed |= hmac.compare_digest(_mac(key, body).encode(), given)
    if not is_signed or len(word) > MAX_WORD:
        raise BadLink("this link was not made here, or its key is no longer used", "ask for a new link")
    grant = _grant(body)
    if now >= grant.expires:
        raise ExpiredLink("this link has expired", "ask for a new link")
    return grant


def _grant(body: str) -> Grant:
    try:
        fields: Any = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        path, name, owner, expires, sha256 = fields
    except (ValueError, TypeError, binascii.Error):
        raise BadLink("this link is of another version", "ask for a new link") from None
    return Grant(path, name, owner, expires, sha256)


def _mac(key: bytes, body: str) -> str:
    return _encoded(hmac.new(key, _PURPOSE + body.encode("utf-8", "replace"), hashlib.sha256).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _checked(keys: Sequence[bytes]) -> Sequence[bytes]:
    if not keys or any(len(key) < MIN_KEY for key in keys):
        raise BadRequest(f"links need keys of at least {MIN_KEY} bytes")
    return keys
