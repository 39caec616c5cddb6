"""ConfigMaps of Jobs. They are made first, for a Job whose pods mount what never comes waits for ever, and given to the
Job when it is there: then they go with it. Until then they are loose, and nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sjs.errors import Conflict, LinkLost, Refused
from sjs.targets.kubernetes import marks, names
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.ends import moment
from sjs.targets.kubernetes.records import Held
from sjs.targets.kubernetes.trouble import Absent, Changed, Exists

TRIES = 20
"""Times that others may change one while we do."""

LOOSE_FOR = 3_600.0
"""Seconds after which nobody makes the Job any more for which one was made."""


class Maps:
    """Those of one queue."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def have(self, body: Object) -> tuple[Object, bool]:
        """It, and whether this has made it. One that is there is the same, for its name says what is in it."""
        name = str(body["metadata"]["name"])
        for _ in range(TRIES):
            with suppress(Exists):
                return self._api.create("configmaps", body), True
            with suppress(Absent, Changed):
                found = self._api.get("configmaps", name)
                if marks.labels(found).get(names.PART) != marks.labels(body)[names.PART]:
                    raise Conflict(f"a ConfigMap {name} is there already, and is none of ours")
                if not self._goes(found):
                    return found, False
                self.remove(found)
        raise _restless(name)

    def _goes(self, found: Object) -> bool:
        """Whether all whose it was are no more: it goes after them."""
        owners = (found.get("metadata") or {}).get("ownerReferences") or ()
        return bool(owners) and not any(self._is_there(one) for one in owners)

    def _is_there(self, owner: Mapping[str, Any]) -> bool:
        try:
            return bool(self._api.get("jobs", str(owner.get("name")))["metadata"].get("uid") == owner.get("uid"))
        except Absent:
            return False

    def give(self, name: str, job: Object, known: Object | None = None, body: Object | None = None) -> None:
        """Have one go with this Job, too, and not before it. `known`: as it was a moment ago; `body`: what it is made
        of if it has gone meanwhile."""
        meta = job["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        for _ in range(TRIES):
            with suppress(Changed, Exists):
                try:
                    found = self._api.get("configmaps", name) if known is None else known
                    known = None
                    owners = found["metadata"].get("ownerReferences") or []
                    if not any(one.get("uid") == meta["uid"] for one in owners):
                        self._api.ask("PUT", self._api.path("configmaps", name), None, _owned(found, [*owners, owner]))
                except Absent:
                    if body is None:
                        raise
                    self._api.create("configmaps", _owned(body, [owner]))
                return
        raise _restless(name)

    def remove(self, one: Object) -> None:
        """Just as it is known: not if somebody has given it to a Job since."""
        meta = one["metadata"]
        known = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        self._api.delete("configmaps", str(meta["name"]), preconditions=known)

    def tidy(self, selector: str, jobs: Mapping[str, Held], notice: Callable[[str], None]) -> None:
        """Give those that are loose to their Jobs, and remove those that nobody makes a Job for any more."""
        try:
            for one in self._api.list(
                self._api.path("configmaps"), {"labelSelector": f"{selector},{names.LOOSE}"}
            ).items:
                self._settle(one, jobs)
        except Refused as error:
            notice(f"ConfigMaps of jobs that were never there may be left: {error.message}")

    def _settle(self, one: Object, jobs: Mapping[str, Held]) -> None:
        meta = one["metadata"]
        job = jobs.get(names.job_of_map(str(meta["name"]), marks.labels(one).get(names.PART, "")))
        with suppress(Absent, Changed):  # others see to it
            if job is not None and str(meta["name"]).endswith(f"-{names.of_digest(marks.said(job.raw))}"):
                self.give(str(meta["name"]), job.raw)
            elif time.time() - (moment(meta.get("creationTimestamp")) or 0.0) > LOOSE_FOR:
                self.remove(one)


def _owned(one: Object, owners: list[Object]) -> Object:
    meta = one["metadata"]
    labels = {key: said for key, said in (meta.get("labels") or {}).items() if key != names.LOOSE}
    return {**one, "metadata": {**meta, "labels": labels, "ownerReferences": owners}}


def _restless(name: str) -> LinkLost:
    return LinkLost(f"others change ConfigMap {name} all the time", "try again")
