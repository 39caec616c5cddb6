"""How pages say numbers, times and states. Pure."""

from __future__ import annotations

from datetime import datetime, timezone

from sjs.core import lifecycle

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))

STATES = (lifecycle.QUEUED, lifecycle.RUNNING, *(one for one in lifecycle.FINAL if one != lifecycle.MOVED))
"""Those that a job can be in as the gateway knows it, in the order in which they are shown."""

TONES = {
    **dict.fromkeys(lifecycle.PENDING, "waits"),
    **dict.fromkeys(lifecycle.LIVE, "runs"),
    **dict.fromkeys(lifecycle.BAD, "bad"),
    lifecycle.SUCCEEDED: "good",
}
"""Of the states that have a colour; each has its name beside it, for who sees none."""


def tone(state: str) -> str:
    """The class by which a state is coloured."""
    return TONES.get(state, "plain")


def brief(text: str, most: int = 120) -> str:
    """The beginning of what is too long for its place."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def seconds(amount: float | None) -> str:
    """A time that has passed, in its two largest units: 3d 4h, 5m 12s, 0.31s."""
    if amount is None:
        return ""
    if amount < 10:
        return f"{max(0.0, amount):.2f}s"
    left = round(amount)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join([*parts, f"{left}s"][:2])


def moment(at: float | None) -> str:
    """A time, in UTC."""
    return "" if at is None else f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S}"


def machine_moment(at: float | None) -> str:
    """The same, as `datetime` of the element time has it, by which a page can say it in its reader's zone."""
    return "" if at is None else f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def size(amount: float | None) -> str:
    """Bytes: 14 B, 1.5 KiB, 20 GiB."""
    if amount is None:
        return ""
    unit = 0
    while amount >= 1024 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_SIZES[unit]}" if amount >= 10 or unit == 0 else f"{amount:.1f} {_SIZES[unit]}"


def count(amount: float | None) -> str:
    """1 234 567."""
    return "" if amount is None else f"{amount:,.0f}".replace(",", "\u202f")


_TWISTING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")


class Exact(str):
    """What is to stand in a page as it is, for it is sent back from there."""


def exact(text: str) -> Exact:
    """A text that a form brings back."""
    return Exact(text)


def untwisted(shown: object) -> object:
    """What is shown, without the marks that change the direction of what stands behind them: one that nobody ends
    turns the page's own words, too, and `photo\u202egpj.sh` would look like a picture."""
    return shown.translate(_TWISTING) if isinstance(shown, str) and not isinstance(shown, Exact) else shown
