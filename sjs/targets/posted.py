"""A chunk of jobs on its way."""

from __future__ import annotations

from typing import Any

from sjs.protocols import Envs
from sjs.targets.session import Session
from sjs.values import dataclass


@dataclass
class Posted:
    """Jobs that have no answer yet, and the session on which they were sent. `begun`: on that or an earlier one."""

    key: str
    jobs: list[dict[str, Any]]
    more: dict[str, Any]
    envs: Envs
    session: Session | None = None
    number: int = 0
    times: int = 0
    begun: bool = False
