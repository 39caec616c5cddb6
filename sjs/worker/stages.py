"""What a worker asks a gateway of a stage: items, and that each is renewed, finished or given back."""

from __future__ import annotations

import time
from typing import Any, List, Optional
from urllib.parse import quote

from sjs.errors import Refused, UsageError
from sjs.values import dataclass
from sjs.worker.connection import Answer, Away, Gateway, Json
from sjs.worker.lease import Lease
from sjs.worker.order import Order, stage_of

PATIENCE = 10.0
"""Seconds that an answer may take beside what was asked to be waited for."""

LONGEST_DETAIL = 1000

NOT_OURS = (404, 409, 410)


class Void(Exception):
    """The claim is none any more: the item may be somebody else's by now."""


@dataclass(frozen=True)
class Claim:
    """An item that is ours, as the gateway tells it, for as long as the lease is not over."""

    number: int
    word: str
    lease: Lease
    item: Json


def clock() -> float:
    """The time that leases count: it never jumps, and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stages:
    """A stage of a pipeline, for one worker. Each call raises Away where nobody has answered, Void where the claim is
    not ours, and Refused where the gateway says no."""

    def __init__(self, gateway: Gateway, order: Order) -> None:
        self._gateway = gateway
        self._order = order
        self._base = f"/api/v1/stages/{quote(order.pipeline, safe='')}"

    def claim(self, count: int, wait: float) -> List[Claim]:
        """At most so many items that are free, after so many seconds at most; none are none."""
        order, began = self._order, clock()
        body = {
            "stage": stage_of(order.stage),
            "worker": order.name,
            "seconds": order.lease,
            "count": count,
            "wait": wait,
        }
        answer = self._gateway.post(f"{self._base}/claims", body, wait + PATIENCE, may_be_cut=True)
        _refuse(answer)
        return [_claimed(one, Lease(began, order.lease)) for one in answer.body.get("items", [])]

    def renew(self, claim: Claim, within: float) -> None:
        """Have it counted anew, if that is answered in so many seconds."""
        began = clock()
        self._of(claim, "renew", {"seconds": self._order.lease}, max(0.1, min(PATIENCE, within)))
        claim.lease.renewed(began, self._order.lease)

    def finish(self, claim: Claim, result: Optional[Any], to: str = "") -> None:
        """It is done at this stage. Asked again, the answer is the same."""
        body: Json = {} if result is None else {"result": result}
        if to:
            body["stage"] = stage_of(to)
        self._of(claim, "finish", body)

    def release(self, claim: Claim, why: str = "") -> None:
        """It is free again. `why`: it has failed, so it is flagged."""
        self._of(claim, "release", {"failed": True, "detail": _detail(why)} if why else {})

    def _of(self, claim: Claim, what: str, body: Json, timeout: float = PATIENCE) -> Answer:
        answer = self._gateway.post(f"{self._base}/claims/{quote(claim.word, safe='')}/{what}", body, timeout)
        if answer.status in NOT_OURS:
            raise Void
        _refuse(answer)
        return answer


def _claimed(said: Any, lease: Lease) -> Claim:
    try:
        item = {name: value for name, value in said.items() if name != "claim"}
        return Claim(int(item["number"]), str(said["claim"]), lease, item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Away(f"what it gives is no item: {error!r}") from None


def _detail(why: str) -> str:
    return why.replace("\0", "?")[:LONGEST_DETAIL]


def _refuse(answer: Answer) -> None:
    """Refused, in the gateway's own words, unless it has done what it was asked."""
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise UsageError(f"the gateway is elsewhere (it answers {answer.status})", "say its address as it is")
    said = answer.body.get("detail") or answer.body.get("title") or f"it answers {answer.status}"
    raise Refused(str(said))
