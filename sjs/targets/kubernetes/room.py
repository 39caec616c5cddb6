"""How many jobs a namespace takes at once: what its quotas leave, or what somebody has set."""

from __future__ import annotations

from sjs.errors import Refused
from sjs.targets.kubernetes.api import Api
from sjs.targets.kubernetes.counter import Counter

USUAL = 1_000
"""Where nobody has said anything: the cluster decides what starts, and the rest waits there."""

_COUNTED = ("pods", "count/pods", "count/jobs.batch")


class Room:
    """Of one namespace."""

    def __init__(self, api: Api, counter: Counter) -> None:
        self._api = api
        self._counter = counter

    def most(self, here: int) -> tuple[int, str]:
        """How many may be there, and why none can come, if this is so. `here`: how many there are."""
        try:
            maximum = self._counter.maximum()
        except Refused:  # who may only look at Jobs
            maximum = None
        most = USUAL if maximum is None else maximum
        try:
            quotas = self._api.ask("GET", self._api.path("resourcequotas")).get("items") or ()
        except Refused:  # we may not read them, and meet them when we hand in
            return most, ""
        trouble = ""
        for quota in quotas:
            said = quota.get("spec") or {}
            if said.get("scopes") or said.get("scopeSelector"):  # of some pods, which may not be ours
                continue
            status = quota.get("status") or {}
            for kind in _COUNTED:
                hard, used = (_count((status.get(which) or {}).get(kind)) for which in ("hard", "used"))
                if hard is not None:
                    left = max(0, hard - (used or 0))
                    most = min(most, here + left)
                    if not left:
                        name = (quota.get("metadata") or {}).get("name")
                        trouble = f"the quota {name} allows {hard} {kind.rpartition('/')[2]}, and all are there"
        return most, trouble


def _count(text: object) -> int | None:
    """A quantity that counts objects."""
    said = str(text or "")
    if said.endswith("k") and said[:-1].isdecimal():
        return int(said[:-1]) * 1000
    return int(said) if said.isdecimal() else None
