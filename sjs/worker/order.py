"""What a worker is to do, and who asks for it. Values, which travel to machines as JSON."""

from __future__ import annotations

import json
from typing import Any, Optional, Tuple

from sjs.errors import BadRequest
from sjs.values import dataclass, fields

LEASE = 300.0
GRACE = 10.0

EMPTY, ONCE = "empty", "once"


@dataclass(frozen=True)
class Order:
    """`url`: of the gateway; `argv`: what is run for each item, with places for its values; `lease`: for how many
    seconds an item is claimed at a time; `until`: EMPTY or ONCE, if it does not go on for ever; `idle`: the seconds
    without an item after which it ends; `on_failure`: the stage to which those go that fail; `grace`: the seconds
    between TERM and KILL; `farewell`: how many the commands have after the first signal to the worker, None for ever;
    `authorities`: a file with those who sign the gateway's certificate, instead of the system's; `plain`: without TLS,
    also beyond this machine; `cwd`: where the commands run, if not where the worker does."""

    url: str
    pipeline: str
    stage: str
    argv: Tuple[str, ...]
    slots: int = 1
    name: str = ""
    lease: float = LEASE
    until: str = ""
    idle: Optional[float] = None
    on_failure: str = ""
    grace: float = GRACE
    farewell: Optional[float] = None
    authorities: str = ""
    plain: bool = False
    quiet: bool = False
    cwd: str = ""


def to_json(order: Order) -> bytes:
    """The order as it travels."""
    return json.dumps(vars(order), indent=1).encode("ascii")


def from_json(data: bytes) -> Order:
    """What has travelled. What a newer sjs says more is nothing to this one."""
    try:
        said = json.loads(data)
        known = {name: said[name] for name in fields(Order) if name in said}
        return Order(**{**known, "argv": tuple(known["argv"])})
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest(f"this is no order for a worker: {error!r}") from None


def stage_of(said: str) -> int | str:
    """A stage as the gateway is told it: by its number, or else by its name."""
    return int(said) if said.isdecimal() and said.isascii() else said


def text_of(value: Any) -> str:
    """A value of an item as a word of a command."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
