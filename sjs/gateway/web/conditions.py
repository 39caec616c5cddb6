"""What a request says of what its client has already: conditions and ranges (RFC 9110). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sjs.errors import Refused
from sjs.values import dataclass

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}[ \t]*(?:,[ \t]*(?:{_TAG}[ \t]*)?)*")
_ONE = re.compile(_TAG)
_WEIGHT = re.compile(r"[01](\.\d{0,3})?", re.ASCII)
_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))[ \t]*", re.ASCII | re.IGNORECASE)

ACCEPTED = {"accept-ranges": "bytes"}


@dataclass(frozen=True)
class Asked:
    """What of a thing: whether only how it is, and what these headers say: If-None-Match, Range, If-Range."""

    is_head: bool = False
    match: str | None = None
    wanted: str | None = None
    condition: str | None = None


def asked(method: str, headers: Mapping[str, str]) -> Asked:
    """What a request asks."""
    return Asked(method == "HEAD", *(headers.get(name) for name in ("if-none-match", "range", "if-range")))


class NoSuchRange(Refused):
    """None of the bytes that are asked for is there."""

    code = "no_such_range"

    def __init__(self, text: str, beyond: Beyond) -> None:
        super().__init__(text)
        self.headers = {**ACCEPTED, "content-range": beyond.content_range}


def is_known(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names this tag, weak or not; one that is none says nothing."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    if not _TAGS.fullmatch(header.strip()):
        return False
    return tag.removeprefix("W/") in [one.removeprefix("W/") for one in _ONE.findall(header)]


def prefers(header: str, kinds: Sequence[str]) -> str:
    """Which of these media types `Accept` likes best; the first of them, where it says nothing of any. A type of its
    own counts more than one that is meant by a star, as far as we look."""
    weights = dict.fromkeys(kinds, -1.0)
    for part in header.split(","):
        kind, *rest = (word.strip().lower() for word in part.split(";"))
        if kind in weights:
            said = next((word[2:] for word in rest if word.startswith("q=")), "1")
            weights[kind] = float(said) if _WEIGHT.fullmatch(said) else 0.0
    best = max(kinds, key=lambda kind: weights[kind])
    return best if weights[best] > 0 else kinds[0]


@dataclass(frozen=True)
class Span:
    """Of so many bytes those from `start` up to `stop`."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


@dataclass(frozen=True)
class Beyond:
    """None of so many bytes."""

    size: int

    @property
    def content_range(self) -> str:
        return f"bytes */{self.size}"


def span_of(
    header: str | None, size: int, condition: str | None = None, tag: str | None = None
) -> Span | Beyond | None:
    """What `Range` asks for; None where that is all: it says nothing that is understood, wants several pieces, or is
    meant (`condition`, of If-Range) for another version than this `tag`."""
    if header is None or (condition is not None and (tag is None or condition.strip() != tag)):
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last, tail = match.groups()
    if tail is not None:
        wanted = min(int(tail), size)
        return Span(size - wanted, size, size) if wanted else Beyond(size)
    start, stop = int(first), int(last) + 1 if last else size
    if stop <= start and last:
        return None
    return Span(start, min(stop, size), size) if start < size else Beyond(size)
