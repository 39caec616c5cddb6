"""What there is of one queue in its namespace: looked at once, and kept up to date by what is watched."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge

from sjs import spec_json
from sjs.core.job import Job, Range, Spec
from sjs.errors import Refused, SjsError
from sjs.targets.kubernetes import manifest, marks, names, records
from sjs.targets.kubernetes.api import PAGE, Api, Object
from sjs.targets.kubernetes.breaks import REST, Breaks
from sjs.targets.kubernetes.ends import JOB_NAME, owner_of
from sjs.targets.kubernetes.records import Held
from sjs.targets.kubernetes.trouble import Cut, Gone

FRESH = 0.5
"""Seconds for which questions about the whole queue that follow each other are answered from one look."""


AT_ONCE = 50
"""Names of Jobs in one question."""

UNKNOWN = Spec()
"""Of a job of which nobody can read what it runs."""


class Seen:
    """The Jobs of one queue, by their names. `version`: where a watch goes on; `mark`: another for each change."""

    def __init__(self, api: Api, queue: str, notice: Callable[[str], None]) -> None:
        self._api = api
        self._queue = queue
        self._notice = notice
        self._told_refusal = False
        self._breaks = Breaks()
        self._at = float("-inf")
        self._specs: dict[str, Sequence[Spec]] = {}
        self._pods: dict[str, list[Object]] = {}
        self._has_pods = False
        self._told = False
        self.held: dict[str, Held] = {}
        self.version = ""
        self.mark = ""

    @property
    def selector(self) -> str:
        """By which our objects are known."""
        return f"{names.MANAGED_BY}={names.MANAGER},{names.QUEUE}={self._queue}"

    def forget(self) -> None:
        """It is not what it was: somebody, as we, has changed it."""
        self._at = float("-inf")

    def look(self, now: bool = False) -> Seen:
        """Have it as it is, or was a moment ago. `now`: not before this moment, for who may be told of nothing else.
        What changes() has just brought is as good, for it tells of all that comes after."""
        if time.monotonic() - self._at > FRESH or (now and not self._told):
            self.look_anew()
        self._told = False
        return self

    def look_anew(self) -> None:
        listed = self._api.list(self._api.path("jobs"), {"labelSelector": f"{self.selector},{names.FIRST}"})
        self.held = {one.name: one for one in map(records.held, listed.items) if one is not None}
        self.version = self.mark = listed.version
        self._is_now()

    def changes(self, deadline: float) -> Iterator[None]:
        """Until the deadline, once for each change of a Job."""
        path, selector = self._api.path("jobs"), f"{self.selector},{names.FIRST}"
        while time.monotonic() < deadline:
            began, version = time.monotonic(), self.version
            trouble: SjsError | None = None
            try:
                query = {"labelSelector": selector, "resourceVersion": version}
                for event in self._api.watch(path, query, deadline):
                    changed = self._apply(event)
                    if self.version != version:
                        self._breaks.over()
                    if changed:
                        yield
            except (Gone, Cut) as error:  # who begins anew says so, if nobody is there
                trouble = error
            quick, came = time.monotonic() - began < REST, self.version != version
            if isinstance(trouble, Gone):
                self.look_anew()
                yield
            if quick and (trouble is not None or not came):
                self._breaks.pause(trouble, deadline)

    def _apply(self, event: Object) -> bool:
        raw = event.get("object") or {}
        meta = raw.get("metadata") or {}
        self.version = str(meta.get("resourceVersion") or self.version)
        if event.get("type") == "BOOKMARK":
            return False
        name = str(meta.get("name"))
        one = records.held(raw)
        if event.get("type") == "DELETED" and one is not None and one.finished:
            self.held[name] = one  # removed because it was done: whoever waits for it wants to know how it ended
        elif event.get("type") == "DELETED" or one is None:
            self.held.pop(name, None)
        else:
            self.held[name] = one
        self.mark = self.version
        self._is_now()
        self._told = True
        return True

    def _is_now(self) -> None:
        self._at = time.monotonic()
        self._has_pods = False

    @property
    def next_id(self) -> int:
        """The first id that no Job has."""
        return max((one.last + 1 for one in self.held.values()), default=0)

    def current(self) -> list[tuple[Held, Sequence[Range]]]:
        """Each Job with the ids for which it is the last try, by ascending ids."""
        retries: dict[int, Held] = {}
        for one in self.held.values():
            if one.retried and one.retried >= (retries[one.first].retried if one.first in retries else 0):
                retries[one.first] = one
        found: list[tuple[Held, Sequence[Range]]] = []
        for one in self.held.values():
            if one.retried:
                if retries[one.first] is one:
                    found.append((one, [(one.first, one.first)]))
                continue
            gaps = sorted(number for number in retries if one.first <= number <= one.last)
            found.append((one, _without(one.first, one.last, gaps)))
        return sorted((one for one in found if one[1]), key=lambda one: one[1][0])

    def holder(self, number: int) -> Held | None:
        """The Job that is the last try of this job."""
        found = (one for one, spans in self.current() if any(low <= number <= high for low, high in spans))
        return next(found, None)

    def earlier(self, number: int) -> list[Held]:
        """The Jobs that are or were tries of it, from the first on."""
        found = [one for one in self.held.values() if one.first <= number <= one.last]
        return sorted(found, key=lambda one: one.retried)

    def jobs(self, wanted: Sequence[Range] | None = None) -> Iterator[Job]:
        """The jobs by ascending id."""
        chosen = [(one, _both(spans, wanted)) for one, spans in self.current()]
        chosen = [(one, spans) for one, spans in chosen if spans]
        self._see_specs([one for one, _ in chosen])
        self._see_pods([one for one, _ in chosen])
        parts = (records.jobs(one, self._specs_of(one), self._pods.get(one.name, ()), spans) for one, spans in chosen)
        return merge(*parts, key=lambda job: job.id)

    def job(self, number: int, one: Held) -> tuple[Job, list[Object]]:
        """One of them, and all its pods."""
        self._see_specs([one])
        pods = self.pods_of(one)
        return next(records.jobs(one, self._specs_of(one), pods, [(number, number)])), pods

    def pods_of(self, one: Held) -> list[Object]:
        """As they are now."""
        chosen = {"labelSelector": f"batch.kubernetes.io/job-name={one.name}"}
        return list(self._api.list(self._api.path("pods"), chosen).items)

    def _see_pods(self, chosen: Sequence[Held]) -> None:
        """Those that have something to say, in one list. Of many that went well, their Jobs tell, if not at once."""
        if self._has_pods:
            return
        if all(one.has_no_pods for one in chosen):
            self._pods = {}  # those of an earlier look are gone
            return
        asked = {"labelSelector": self.selector}
        if sum(high - low + 1 for one in self.held.values() for low, high in one.done) > PAGE or len(self.held) > PAGE:
            asked["fieldSelector"] = "status.phase!=Succeeded"
        found: dict[str, dict[str, Object]] = {}
        self._add_pods(found, asked)
        if "fieldSelector" in asked:
            jobs = self.held.values()
            late = [one.name for one in jobs if records.has_unseen(one, list(found.get(one.name, {}).values()))]
            for start in range(0, len(late), AT_ONCE):
                theirs = f"{self.selector},{JOB_NAME} in ({','.join(late[start : start + AT_ONCE])})"
                self._add_pods(found, {"labelSelector": theirs, "fieldSelector": "status.phase=Succeeded"})
        self._pods = {name: list(pods.values()) for name, pods in found.items()}
        self._has_pods = True

    def _add_pods(self, found: dict[str, dict[str, Object]], asked: Mapping[str, str]) -> None:
        for pod in self._api.list(self._api.path("pods"), asked).items:
            found.setdefault(owner_of(pod), {})[str(pod["metadata"]["uid"])] = pod

    def _see_specs(self, chosen: Sequence[Held]) -> None:
        """Those of Indexed Jobs lie in ConfigMaps, and never change."""
        new = [one for one in chosen if one.uid not in self._specs]
        many = [one for one in new if one.indexed]
        maps: dict[tuple[str, str], list[Object]] = {}
        if many:
            asked = f"{self.selector},{names.PART}={names.SPECS}"
            if len(many) == 1 and names.KEY in marks.labels(many[0].raw):
                asked += f",{names.KEY}={marks.labels(many[0].raw)[names.KEY]}"
            for found in self._maps(asked):
                name = str(found["metadata"]["name"])
                maps.setdefault((names.job_of_map(name, names.SPECS), name.rpartition("-")[2]), []).append(found)
        for one in new:
            specs = specs_of(one, maps.get((one.name, names.of_digest(marks.said(one.raw))), ()))
            if specs is not None:
                self._specs[one.uid] = specs

    def _specs_of(self, one: Held) -> Sequence[Spec]:
        """What its jobs are to do; nothing, where that can not be read now."""
        return self._specs.get(one.uid) or [UNKNOWN] * one.count

    def _maps(self, selector: str) -> Sequence[Object]:
        """None for who may not read them: how the Jobs stand is told all the same."""
        try:
            return self._api.list(self._api.path("configmaps"), {"labelSelector": selector}).items
        except Refused as error:
            if not self._told_refusal:
                self._told_refusal = True
                self._notice(f"what jobs of command files and sweeps run can not be read: {error.message}")
            return ()


def specs_of(one: Held, maps: Sequence[Object]) -> Sequence[Spec] | None:
    """What its jobs are to do; None if it can not be read."""
    if one.indexed and not maps:
        return None
    try:
        specs = manifest.specs_of(one.raw, maps)
    except (SjsError, LookupError, ValueError, TypeError):
        return None
    return specs if len(specs) == one.count else None


def spec_text(spec: Spec) -> str:
    """As it is written on a Job."""
    return json.dumps(spec_json.to_wire(spec), ensure_ascii=False)


def _without(low: int, high: int, gaps: Sequence[int]) -> list[Range]:
    found = []
    for gap in gaps:
        if low < gap:
            found.append((low, gap - 1))
        low = gap + 1
    return [*found, (low, high)] if low <= high else found


def _both(spans: Sequence[Range], wanted: Sequence[Range] | None) -> Sequence[Range]:
    """What is in both."""
    if wanted is None:
        return spans
    both = [(max(a, low), min(b, high)) for a, b in spans for low, high in wanted]
    return sorted({(low, high) for low, high in both if low <= high})
