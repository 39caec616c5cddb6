"""Tokens: who asks, and what they may. Of a token only its digest is kept; it is drawn from 256 bits, and so needs no
slow one. Pure, but for the drawing.

    sjs_0123456789abcdef_<64 hexadecimal digits>
        public id        secret
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from secrets import token_hex
from typing import Any

from sjs.gateway.identity.limits import Limits, trouble
from sjs.values import dataclass, field

SCOPES = ("submit", "read", "cancel", "admin", "raw", "metrics")
"""To hand in jobs; to see one's own; to end one's own; to do so with everybody's, and with tokens; to hand in any
command, not named specs only; to read the numbers of the whole gateway, and of no job. None implies another."""

MOST_LABEL = 255
"""Letters."""

USED_EVERY = 3_600.0
"""When a token was last used is known to the hour, so that not each request writes."""

_FORM = re.compile(r"sjs_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+) *")
_LIKE = re.compile(r"sjs_[0-9a-f]{16}_", re.ASCII | re.IGNORECASE)
_NOBODYS = os.urandom(32)
"""What is compared with where there is no token, so that this takes as long."""


class Shown:
    """A token's text, which is shown once. It has no other way out than `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Shown(…)"


@dataclass(frozen=True)
class Token:
    """What is kept of a token. `specs` and `targets`: the only ones that it may use; None: all."""

    id: str
    digest: bytes = field(repr=False)
    owner: str
    scopes: frozenset[str]
    made: float
    label: str = ""
    specs: frozenset[str] | None = None
    targets: frozenset[str] | None = None
    expires: float | None = None
    revoked: float | None = None
    used: float | None = None
    limits: Limits = field(default_factory=Limits)


def document(token: Token) -> dict[str, Any]:
    """All that may be known of a token, as JSON has it."""
    return {
        "id": token.id,
        "owner": token.owner,
        "label": token.label,
        "scopes": [scope for scope in SCOPES if scope in token.scopes],
        "specs": None if token.specs is None else sorted(token.specs),
        "targets": None if token.targets is None else sorted(token.targets),
        "created": token.made,
        "expires": token.expires,
        "revoked": token.revoked,
        "used": token.used,
        "limits": dict(vars(token.limits)),
    }


@dataclass(frozen=True)
class Presented:
    """What a caller came with; it may be a token."""

    id: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Denied:
    """Nobody is known to ask: `none` was presented, it is `malformed`, `unknown`, `expired` or `revoked`. The last two
    are told only to who has the secret."""

    code: str
    text: str


@dataclass(frozen=True)
class Forbidden:
    """It is known who asks, and this they may not: `scope`, `raw`, `spec`, `target`."""

    code: str
    text: str


def make(
    owner: str,
    scopes: Collection[str],
    now: float,
    *,
    label: str = "",
    specs: Iterable[str] | None = None,
    targets: Iterable[str] | None = None,
    expires: float | None = None,
    limits: Limits | None = None,
    draw: Callable[[int], str] = token_hex,
) -> tuple[Token, Shown]:
    """A new token: what is kept of it, and what is shown once. ValueError says what makes no sense."""
    limits = limits or Limits()
    _check(owner, label, scopes, specs, expires, limits, now)
    name = draw(8)
    text = f"sjs_{name}_{draw(32)}"
    return (
        Token(
            name,
            _digest(text),
            owner,
            frozenset(scopes),
            now,
            label,
            None if specs is None else frozenset(specs),
            None if targets is None else frozenset(targets),
            expires,
            limits=limits,
        ),
        Shown(text),
    )


def parse(text: str) -> Presented | None:
    """What looks like a token, with its public id; None for what does not."""
    match = _FORM.fullmatch(text) if len(text) <= 100 else None
    return Presented(match[1], text) if match else None


def bearer(headers: Sequence[bytes]) -> Presented | Denied:
    """The token in the headers `Authorization`, of which there is to be one."""
    if not headers:
        return Denied("none", "no token was presented")
    match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 and len(headers[0]) <= 200 else None
    found = parse(match[1].decode("latin-1")) if match else None
    return found or Denied("malformed", "that is no token")


def check(presented: Presented | None, record: Token | None, now: float) -> Token | Denied:
    """Whose token it is. `record`: what is kept under its id. Whatever is wrong, digests are compared once."""
    kept = record.digest if record is not None else _NOBODYS
    is_same = hmac.compare_digest(_digest(presented.text if presented else ""), kept)
    if presented is None:
        return Denied("malformed", "that is no token")
    if record is None or not is_same:
        return Denied("unknown", "no such token")
    if record.revoked is not None:
        return Denied("revoked", "this token was revoked")
    if record.expires is not None and record.expires <= now:
        return Denied("expired", "this token has expired")
    return record


def recognise(headers: Sequence[bytes], lookup: Callable[[str], Token | None], now: float) -> Token | Denied:
    """Who asks with these headers `Authorization`. `lookup`: what is kept under a public id."""
    found = bearer(headers)
    if isinstance(found, Denied):
        check(None, None, now)
        return found
    return check(found, lookup(found.id), now)


def is_usable(token: Token, now: float) -> bool:
    """Whether somebody could come with it."""
    return token.revoked is None and (token.expires is None or now < token.expires)


def used_now(token: Token, now: float) -> float | None:
    """When it was last used, if that is to be written down anew."""
    moment = now - now % USED_EVERY
    return moment if token.used is None or token.used < moment else None


def may(token: Token, scope: str) -> Forbidden | None:
    """Why not, if not."""
    return None if scope in token.scopes else Forbidden("scope", f"this token may not {_VERBS[scope]}")


def may_submit(token: Token, spec: str | None, targets: Iterable[str]) -> Forbidden | None:
    """Whether it may hand in jobs of a spec, or, with None, of any command, to each of these targets. Why not, if
    not."""
    if "submit" not in token.scopes:
        return may(token, "submit")
    if spec is None:
        if "raw" not in token.scopes:
            return Forbidden("raw", "this token may hand in named specs only")
    elif token.specs is not None and spec not in token.specs:
        return Forbidden("spec", f"this token may not use the spec {spec!r:.100}")
    others = [name for name in targets if name not in token.targets] if token.targets is not None else []
    return Forbidden("target", f"this token may not use the target {others[0]!r:.100}") if others else None


def reachable(token: Token, names: Iterable[str]) -> list[str]:
    """Of these targets those that it may use: what `any` means to it."""
    return [name for name in names if token.targets is None or name in token.targets]


def may_see(token: Token, owner: str) -> bool:
    """Whether what this owner has handed in is there for it. To others it is as if it were not."""
    return owner == token.owner or "admin" in token.scopes


def is_owner(text: str) -> bool:
    """Whether jobs can belong to somebody who is called so."""
    return 0 < len(text) <= 100 and text.isprintable()


def only_of(token: Token) -> str | None:
    """Whose things are there for it; None: everybody's."""
    return None if "admin" in token.scopes else token.owner


def looks_like_one(text: str) -> bool:
    """Whether a token stands in a text."""
    return _LIKE.search(text) is not None


_VERBS = {
    "submit": "hand in jobs",
    "read": "look at jobs",
    "cancel": "end jobs",
    "admin": "do what is for administrators",
    "raw": "hand in commands",
    "metrics": "read numbers of all",
}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _check(
    owner: str,
    label: str,
    scopes: Collection[str],
    specs: Iterable[str] | None,
    expires: float | None,
    limits: Limits,
    now: float,
) -> None:
    strange = sorted(set(scopes) - set(SCOPES))
    if strange or not scopes:
        raise ValueError(f"{strange[0] if strange else 'nothing'} is no scope; there are {', '.join(SCOPES)}")
    if not is_owner(owner):
        raise ValueError("a token has an owner, of 1 to 100 printable characters")
    if "raw" in scopes and "submit" not in scopes:
        raise ValueError("raw goes with submit")
    if "raw" in scopes and specs is not None:
        raise ValueError("who may hand in any command is not kept to some specs: leave out raw, or the specs")
    if expires is not None and expires <= now:
        raise ValueError("it would have expired already")
    if len(label) > MOST_LABEL:
        raise ValueError(f"a label has at most {MOST_LABEL} letters")
    wrong = trouble(limits)
    if wrong:
        raise ValueError(wrong)
