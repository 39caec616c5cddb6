"""The ids of a queue: a ConfigMap that says which comes next, changed only by who has read what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sjs.errors import LinkLost
from sjs.targets.kubernetes import names
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.trouble import Absent, Changed, Exists

NEXT = "next"
MAXIMUM = "max"

Changing = Callable[[dict[str, str]], int]

TRIES = 1_000
"""Others that may come first, one after the other."""


class Counter:
    """That of one queue."""

    def __init__(self, api: Api, queue: str) -> None:
        self._api = api
        self._queue = queue

    @property
    def name(self) -> str:
        """What the ConfigMap is called."""
        name = f"sjs-queue-{self._queue}"
        return name if names.is_name(name) else f"sjs-queue-{hashlib.sha256(self._queue.encode()).hexdigest()[:12]}"

    def allot(self, count: int, used: Callable[[], int]) -> int:
        """The first of so many ids that nobody else gets. `used`: gives the first that no
        Job has, for a queue whose ConfigMap is new, or was lost."""

        def taken(data: dict[str, str]) -> int:
            first = _number(data, NEXT) if NEXT in data else used()
            data[NEXT] = str(first + count)
            return first

        return self._change(taken)

    def next_id(self) -> int:
        """The first id that was never given."""
        return _number(self._read(), NEXT)

    def maximum(self) -> int | None:
        """How many jobs are to count as room, if somebody has said so."""
        data = self._read()
        return _number(data, MAXIMUM) if MAXIMUM in data else None

    def _read(self) -> dict[str, str]:
        try:
            return dict(self._api.get("configmaps", self.name).get("data") or {})
        except Absent:
            return {}

    def set_maximum(self, maximum: int) -> int | None:
        """How many jobs are to count as room; what was set before."""

        def changed(data: dict[str, str]) -> int:
            before = _number(data, MAXIMUM) if MAXIMUM in data else -1
            data[MAXIMUM] = str(maximum)
            return before

        before = self._change(changed)
        return None if before < 0 else before

    def _change(self, how: Changing) -> int:
        for _ in range(TRIES):
            try:
                found = self._api.get("configmaps", self.name)
            except Absent:
                found = None
            data: dict[str, str] = dict((found or {}).get("data") or {})
            answer = how(data)
            try:
                if found is None:
                    self._api.create("configmaps", self._new(data))
                else:
                    self._replace({**found, "data": data})
            except (Exists, Changed):
                continue
            return answer
        raise LinkLost(f"others change ConfigMap {self.name} all the time", "try again")

    def _replace(self, body: Object) -> None:
        try:
            self._api.ask("PUT", self._api.path("configmaps", self.name), None, body)
        except Absent:
            raise Changed(f"ConfigMap {self.name} has just been deleted") from None

    def _new(self, data: dict[str, str]) -> Object:
        labels = {names.MANAGED_BY: names.MANAGER, names.QUEUE: self._queue}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name, "labels": labels},
            "data": data,
        }


def _number(data: dict[str, str], key: str) -> int:
    text = data.get(key, "")
    return int(text) if text.isdecimal() else 0
