"""In the manager: what Slurm would never take (no such partition, account, quality of service, flag) is refused when it
is handed in. Slurm is asked (`slurm.trial`), once for all jobs that say the same to it.

Who hands in waits for the answer, but not for long: what nobody has answered by then is taken, as if it were well, and
Slurm's refusal is the job's end.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Set, Tuple

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import Spec
from sjs.daemon.ground import kind
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.program import OURS
from sjs.daemon.ground.starting import Start
from sjs.daemon.manager.desk import Ask
from sjs.daemon.manager.hooks import Hooks
from sjs.daemon.manager.orders import told_to_slurm
from sjs.daemon.manager.subjects import Request
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.daemon.slurm.shape import Shape, Unfit, shape_of
from sjs.errors import BadRequest, Refused

PATIENCE = 5.0
"""Seconds that somebody waits for Slurm's word, …"""

FRESH = 10.0
"""… for which it counts, where it was no, for an administrator may mend that, …"""

AGAIN = 60.0
"""… and until Slurm is asked again that has not answered."""

SLOWEST = 90.0
"""Seconds that the process may take that asks."""

MOST = 4
"""Different things that the jobs of one request say to Slurm about which it is asked."""

KNOWN = 1_000
"""What is kept of things to which Slurm has said yes."""


class Said(NamedTuple):
    """What jobs say to Slurm by name, and all that it is told of the first of them."""

    native: str
    shape: Shape


class Trials:
    """Those of one queue; none, if its jobs run here."""

    def __init__(self, path: str, ledger: Ledger, store: Store, hooks: Hooks) -> None:
        """`path`: a file for the answer."""
        self._path = path
        self._ledger = ledger
        self._store = store
        self._hooks = hooks
        self._well: Set[str] = set()
        self._refused: Dict[Said, Tuple[str, float]] = {}
        self._tried: Optional[Said] = None
        self._waiting: Deque[Ask] = deque()
        self._until: Optional[float] = None
        self._not_before = 0.0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._waiting)

    def must_wait(self, ask: Ask, now: float) -> bool:
        """Whether the request is kept here until Slurm has answered, or has had its time. Who comes later stays
        behind, so that the jobs of a command have their order."""
        if not self._ledger.is_elsewhere or ask.request.get("op") != "submit":
            return False
        if not self._waiting:
            open_ones = [one for one in self._said(ask.request) if not self._is_known(one, now)]
            if not open_ones or self._tried is not None or now < self._not_before:
                return False
            self._try(open_ones[0], now)
        self._waiting.append(ask)
        return True

    def refusal(self, ask: Ask, now: float) -> Optional[Refused]:
        """Why the request is refused, if Slurm has said so."""
        if not self._refused or ask.request.get("op") != "submit":
            return None
        for one in self._said(ask.request):
            why, until = self._refused.get(one, ("", 0.0))
            if now < until:
                hint = "correct what is said to Slurm, in the command or in the target's entry"
                return Refused(f"Slurm takes no such job: {why}", hint)
        return None

    def has_answered(self, now: float) -> List[Ask]:
        """The process has ended; who waited for it can go on."""
        tried, self._tried = self._tried, None
        answer = self._read()
        if tried is None or not answer.get("known"):
            self._not_before = now + AGAIN
        elif answer.get("refused"):
            self._refused = {one: found for one, found in self._refused.items() if now < found[1]}
            self._refused[tried] = str(answer["refused"]), now + FRESH
        else:
            if len(self._well) >= KNOWN:
                self._well.clear()
            self._well.add(tried.native)
        return self._let_go()

    def late(self, now: float) -> List[Ask]:
        """Who has waited for long enough."""
        return self._let_go() if self._until is not None and now >= self._until else []

    def next_time(self) -> Optional[float]:
        return self._until

    def _let_go(self) -> List[Ask]:
        found, self._until = list(self._waiting), None
        self._waiting.clear()
        return found

    def _is_known(self, one: Said, now: float) -> bool:
        return one.native in self._well or now < self._refused.get(one, ("", 0.0))[1]

    def _try(self, one: Said, now: float) -> None:
        self._tried, self._until = one, now + PATIENCE
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._hooks.run(OURS.command("trial", *one.shape), self, SLOWEST, self._path)

    def _read(self) -> Dict[str, Any]:
        try:
            with open(self._path, encoding="utf-8") as source:
                found = json.load(source)
        except (OSError, ValueError) as error:
            note(f"nobody knows whether Slurm would take a job ({error}); it is handed in")
            return {}
        return found if isinstance(found, dict) else {}

    def _said(self, request: Request) -> List[Said]:
        """What the jobs of a request say to Slurm by name, the first few; nothing of one that was taken before, or
        that is refused anyway."""
        jobs, key = request.get("jobs"), request.get("key")
        if not isinstance(jobs, list) or (isinstance(key, str) and self._store.submit(key) is not None):
            return []
        found: Dict[str, Any] = {}
        for body in jobs:
            native = body.get("native") if isinstance(body, dict) else None
            own = native.get(kind.SLURM) if isinstance(native, dict) else None
            if own and len(found) < MOST:
                found.setdefault(to_json(own), body)
        try:
            return [Said(native, _shape(spec_json.from_wire(body))) for native, body in found.items()]
        except (BadRequest, Unfit):
            return []


def _shape(spec: Spec) -> Shape:
    """As it would be handed in, but for the name, which Slurm does not mind."""
    told = {name: value for name, value in told_to_slurm(spec).items() if name != "name"}
    limits = Start("", [], "", {}, "", "", timeout=spec.timeout, grace=spec.grace, mem=spec.needs.mem)
    return shape_of(limits._replace(slurm=told))
