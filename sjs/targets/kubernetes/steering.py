"""Ending jobs, holding them back, having them tried anew, and removing what is left of them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sjs.answers import Cancelled
from sjs.core.job import Job, Range, ranges
from sjs.core.lifecycle import FINAL, HELD, LIVE, QUEUED, WAITING
from sjs.errors import Conflict, LinkLost, Refused
from sjs.targets.kubernetes import manifest, marks, names, scripts
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.maps import Maps
from sjs.targets.kubernetes.records import Held
from sjs.targets.kubernetes.seen import Seen, spec_text
from sjs.targets.kubernetes.trouble import Absent, Changed, Exists

TRIES = 5
"""Times that a Job may change while it is looked at, before it counts as one that has begun."""

Group = tuple[Held, list[Job]]
"""A Job, and its jobs that are wanted."""


class Steering:
    """Of one queue."""

    def __init__(self, api: Api, seen: Seen, notice: Callable[[str], None]) -> None:
        self._api = api
        self._seen = seen
        self._maps = Maps(api)
        self._notice = notice

    def cancel(self, jobs: Sequence[Range] | None, grace: float | None, note: str | None) -> Cancelled:
        """End them. The Job stays, suspended for good, with a note: it is the record."""
        groups = self._groups(jobs)
        done = [(one, found) for one, found in groups if any(job.state not in FINAL for job in found)]
        for one, found in done:
            self._check_whole(one, found, "be cancelled")
        for one, found in done:
            ran = found[0] if not one.indexed and found[0].state in LIVE else None
            known = marks.Note(time.time(), note or "", ran.attempt if ran else 0, ran.started if ran else None)
            text = marks.note_text(known)
            change = {"metadata": {"annotations": {marks.CANCELLED: text}}, "spec": _ended(one)}
            self._changed(one, change)
            if grace is not None:
                self._hurry(one, grace)
        self._seen.forget()
        every = [job for _, found in groups for job in found]
        return Cancelled(
            cancelled=_ids(job for job in every if job.state not in (*FINAL, *LIVE)),
            stopping=_ids(job for job in every if job.state in LIVE),
            ended=_ids(job for job in every if job.state in FINAL),
        )

    def change(self, how: str, jobs: Sequence[Range] | None) -> Sequence[Range]:
        """`hold`, `release`, `again` or `clean`; those that this has changed."""
        work: dict[str, Callable[[list[Group]], list[int]]] = {
            "hold": partial(self._hold, named=jobs is not None),
            "release": partial(self._release, named=jobs is not None),
            "again": self._again,
            "clean": partial(self._clean, named=jobs is not None),
        }
        if how not in work:
            raise Refused(
                f"a cluster can not {how} what it runs", "`hold` keeps what has not begun from it; `cancel` ends jobs"
            )
        changed = work[how](self._groups(jobs))
        self._seen.forget()
        return ranges(sorted(changed))

    def _groups(self, jobs: Sequence[Range] | None) -> list[Group]:
        found: dict[str, Group] = {}
        seen = self._seen.look(now=True)
        holders = {
            number: one for one, spans in seen.current() for low, high in spans for number in range(low, high + 1)
        }
        for job in seen.jobs(jobs):
            one = holders[job.id]
            found.setdefault(one.name, (one, []))[1].append(job)
        return list(found.values())

    def _check_whole(self, one: Held, found: Sequence[Job], what: str) -> None:
        """Refuse to do to some indexes of a Job what can be done only to all."""
        if not one.indexed:
            return
        wanted = {job.id for job in found}
        others = [job.id for job in self._seen.jobs([(one.first, one.last)]) if job.state not in FINAL]
        missing = [number for number in others if number not in wanted and self._seen.holder(number) is one]
        if missing:
            raise Refused(
                f"jobs {one.first}-{one.last} are one Indexed Job, of which some can not {what} without the others",
                f"name all that have not ended: {one.first}-{one.last}",
            )

    def _ours(self, groups: list[Group], named: bool, what: str) -> list[Group]:
        """Without those that are somebody else's to start and stop, who would undo it; of these, who named them is
        refused, and who named none is told."""
        theirs = [(job.id, one.kueue) for one, found in groups if one.kueue for job in found if job.state not in FINAL]
        if theirs:
            number, queue = theirs[0]
            more = f" and {len(theirs) - 1} others" if theirs[1:] else ""
            line = f"job {number}{more}: Kueue starts and stops it, in its queue {queue}, so it is not {what}"
            if named:
                raise Refused(line, "`cancel` ends it")
            self._notice(line)
        return [(one, found) for one, found in groups if not one.kueue]

    def _hold(self, groups: list[Group], named: bool) -> list[int]:
        changed: list[int] = []
        for one, found in self._ours(groups, named, "held"):
            waiting = [job.id for job in found if job.state in (QUEUED, WAITING)]
            if not waiting or one.suspended:
                continue
            if one.indexed:
                self._check_whole(one, found, "be held")
                if any(job.state in LIVE for job in found):
                    raise Refused(f"some of jobs {one.first}-{one.last} run: to hold the others would end them")
            if self._held_back(one, found):
                changed += waiting
        return changed

    def _held_back(self, one: Held, found: Sequence[Job]) -> bool:
        """Whether it has begun nothing until it was suspended: what has, would be ended by that."""
        for _ in range(TRIES):
            version = one.raw["metadata"]["resourceVersion"]
            try:
                self._api.patch("jobs", one.name, {"metadata": {"resourceVersion": version}, "spec": {"suspend": True}})
                return True
            except Absent:
                return False
            except Changed:
                self._seen.look_anew()
            now = self._seen.held.get(one.name)
            ids = [(job.id, job.id) for job in found]
            if now is None or any(job.state not in (QUEUED, WAITING) for job in self._seen.jobs(ids)):
                return False
            one = now
        return False

    def _release(self, groups: list[Group], named: bool) -> list[int]:
        changed: list[int] = []
        for one, found in self._ours(groups, named, "released"):
            waiting = [job.id for job in found if job.state == HELD]
            if waiting:
                self._check_whole(one, found, "be released")
                self._changed(one, {"spec": {"suspend": False}})
                changed += waiting
        return changed

    def _again(self, groups: list[Group]) -> list[int]:
        ended = [(one, job) for one, found in groups for job in found if job.state in FINAL]
        for _, job in ended:
            if not job.spec.is_known:
                raise Refused(
                    f"job {job.id} is not tried again, for what it ran can not be read",
                    "is its ConfigMap there, and may you list ConfigMaps?",
                )
        for one, job in ended:
            self._try_anew(one, job)
        return [job.id for _, job in ended]

    def _try_anew(self, one: Held, job: Job) -> None:
        """Make another Job of this one. Its name comes from the attempts that there were, so to ask twice is one."""
        made = another(one, job)
        try:
            created = self._api.create("jobs", made)
        except Exists:
            name = made["metadata"]["name"]
            there = marks.said(self._api.get("jobs", name))
            if there.get(marks.ATTEMPT_OF) != marks.said(made)[marks.ATTEMPT_OF]:
                raise Conflict(f"a Job {name} is there already, and is no try of job {job.id}") from None
            return
        try:
            for name in manifest.maps_of(created):
                self._maps.give(name, created)
        except Refused as error:
            self._api.delete_job(str(created["metadata"]["name"]), str(created["metadata"]["uid"]))
            raise Refused(f"job {job.id} is not tried again: {error.message}", error.hint) from None

    def _clean(self, groups: list[Group], named: bool) -> list[int]:
        """Remove those that have ended, with all their tries. A Job that is many goes as a whole: of one of which
        others are not named, or not done, nothing is removed, and whoever named some of it is told."""
        ended = {job.id for _, found in groups for job in found if job.state in FINAL}
        kept: set[int] = set()
        for one in self._seen.held.values():
            ids = set(range(one.first, one.last + 1))
            if not one.retried and ids & ended and not ids <= ended:
                kept |= ids
        if kept and named:
            low, high = ranges(sorted(kept))[0]
            raise Refused(
                f"jobs {low}-{high} are one Indexed Job, which is removed as a whole",
                f"once all have ended, name all: {low}-{high}",
            )
        gone = ended - kept
        for one in list(self._seen.held.values()):
            if one.first in gone:
                with suppress(Absent, Changed):  # it is gone, though another one may have its name
                    self._api.delete_job(one.name, one.uid)
        if not named:
            self._maps.tidy(self._seen.selector, self._seen.held, self._notice)
        return sorted(gone)

    def _changed(self, one: Held, change: dict[str, Any]) -> None:
        for _ in range(TRIES):
            try:
                with suppress(Absent):  # it has gone meanwhile, which ends it, too
                    self._api.patch("jobs", one.name, change)
                return
            except Changed:  # by many, all the time
                continue
        raise LinkLost(f"others change Job {one.name} all the time", "try again")

    def _hurry(self, one: Held, grace: float) -> None:
        """Let its pods have no more time than this."""
        for pod in self._seen.pods_of(one):
            if (pod.get("status") or {}).get("phase") in ("Pending", "Running"):
                with suppress(Absent):
                    self._api.delete("pods", str(pod["metadata"]["name"]), gracePeriodSeconds=int(grace))


def _ended(one: Held) -> Object:
    """What a Job is told for its end. Kueue would resume one that is only suspended, once it is admitted: so that is
    to have no pods then, and no time."""
    return {"suspend": True, **({"parallelism": 0, "activeDeadlineSeconds": 1} if one.kueue else {})}


def another(one: Held, job: Job) -> Object:
    """A Job that tries one job anew: what the old one had, as a plain Job, with the index in its environment."""
    before = one.raw
    origin = marks.said(before).get(marks.ATTEMPT_OF, one.name)
    index = marks.number(marks.said(before), marks.INDEX, job.id - one.first)
    indexed = one.indexed or marks.INDEX in marks.said(before)
    ours = {
        names.COUNT: "1",
        names.SPEC: spec_text(job.spec),
        marks.RETRIED: str(max(job.attempt, one.retried + 1)),
        marks.ATTEMPT_OF: origin,
        marks.SUBMITTED: repr(job.submitted),
        **({marks.INDEX: str(index)} if indexed else {}),
        **{name: said for name, said in marks.said(before).items() if name in (names.VIA, names.FLAVOR)},
    }
    spec = before.get("spec") or {}
    template = copy.deepcopy(spec.get("template") or {})
    template["metadata"] = _not_theirs(template.get("metadata") or {})
    told = {"SJS_ATTEMPT": str(int(ours[marks.RETRIED]) + 1)}
    if indexed:
        told = {"JOB_COMPLETION_INDEX": str(index), scripts.FAILURES: ours[marks.RETRIED]}
    container = template["spec"]["containers"][0]
    others = [said for said in container.get("env", ()) if said["name"] not in told]
    container["env"] = [*others, *({"name": key, "value": value} for key, value in told.items())]
    tries = spec.get("backoffLimitPerIndex") if indexed else spec.get("backoffLimit")
    body = {"backoffLimit": tries or 0, "podReplacementPolicy": "Failed", "template": template}
    if "ttlSecondsAfterFinished" in spec:
        body["ttlSecondsAfterFinished"] = spec["ttlSecondsAfterFinished"]
    if "podFailurePolicy" in spec:
        body["podFailurePolicy"] = _for_one(spec["podFailurePolicy"])
    theirs = _not_theirs(before["metadata"])
    labels = {**{key: said for key, said in theirs["labels"].items() if key != names.KEY}, names.FIRST: str(job.id)}
    annotations = {key: said for key, said in theirs["annotations"].items() if not key.startswith(f"{names.OURS}/")}
    name = f"{origin[:40].rstrip('-')}-{job.id}-{ours[marks.RETRIED]}"
    metadata = {"name": name, "labels": labels, "annotations": {**annotations, **ours}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": body}


_THEIRS = ("controller-uid", "job-name")


def _for_one(policy: Object) -> Object:
    """What is to be done after failures, where there are no indexes."""
    rules = [
        {**rule, "action": "FailJob"} if rule.get("action") == "FailIndex" else rule
        for rule in policy.get("rules") or ()
    ]
    return {"rules": rules}


def _not_theirs(meta: Object) -> Object:
    """Without what the cluster has written there."""
    labels = {key: said for key, said in (meta.get("labels") or {}).items() if key.rpartition("/")[2] not in _THEIRS}
    return {"labels": labels, "annotations": dict(meta.get("annotations") or {})}


def _ids(jobs: Iterable[Job]) -> list[Range]:
    return ranges(sorted(job.id for job in jobs))
