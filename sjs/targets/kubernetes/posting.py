"""Handing in: a chunk becomes objects whose names come from its key, so whoever asks again finds what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import Conflict, Full, LinkLost, NoSpace, Refused, SjsError
from sjs.protocols import Envs
from sjs.targets.kubernetes import manifest, marks, names
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.counter import Counter
from sjs.targets.kubernetes.manifest import Part
from sjs.targets.kubernetes.maps import Maps
from sjs.targets.kubernetes.seen import Seen
from sjs.targets.kubernetes.settings import Settings
from sjs.targets.kubernetes.trouble import Absent, Changed, Exists, OverQuota
from sjs.values import dataclass


@dataclass
class Chunk:
    """Jobs that have no answer yet. `begun`: something of them may be in the cluster."""

    key: str
    specs: Sequence[Spec]
    again: bool
    if_free: bool
    envs: Envs
    via: str
    begun: bool = False


class Posting:
    """Into one queue. `room`: how many jobs would run at once, and how many may run at all."""

    def __init__(
        self,
        api: Api,
        seen: Seen,
        counter: Counter,
        settings: Settings,
        target: str,
        room: Callable[[], tuple[int, int]],
        notice: Callable[[str], None],
    ) -> None:
        self._api = api
        self._maps = Maps(api)
        self._notice = notice
        self._seen = seen
        self._counter = counter
        self._settings = settings
        self._target = target
        self._room = room
        self._groups: tuple[int, ...] | None = None

    def hand_in(self, chunk: Chunk) -> Accepted:
        """Have all of it in the cluster."""
        digest = manifest.digest(chunk.specs)
        known = self.known(chunk.key) if chunk.again or chunk.begun else []
        first = self._first_of(chunk.key, digest, known)
        self._parts(chunk, 0)  # refuses what can not be done
        repeated, maximum = first is not None, 0
        if first is None:
            if chunk.if_free:
                free, maximum = self._room()
                if free < len(chunk.specs):
                    raise Full(f"{free} free slots for {len(chunk.specs)} jobs" if free else "no free slot")
            first = self._counter.allot(len(chunk.specs), self._next_id)
        chunk.begun = True
        self._seen.forget()
        made = _Made(repeated)
        try:
            first = self._make(chunk, first, digest, made)
        except Refused as error:
            raise self._refusal(error, made) from None
        return Accepted(first, len(chunk.specs), maximum or len(chunk.specs), made.found)

    def _make(self, chunk: Chunk, first: int, digest: str, made: _Made) -> int:
        """Have all of it there; its first id, which is another one where somebody else was first."""
        parts = self._parts(chunk, first)
        for part in parts:
            for one in part.maps:
                made.have(one, *self._maps.have(one))
        job = self._have_job(parts[0], digest, made)
        decided = self._first_of(chunk.key, digest, [job])
        if decided is not None and decided != first:
            first, parts = decided, self._parts(chunk, decided)
        for part in parts:
            job = job if part is parts[0] else self._have_job(part, digest, made)
            for one in part.maps:
                name = str(one["metadata"]["name"])
                self._maps.give(name, job, made.maps.get(name), one)
        return first

    def _refusal(self, error: Refused, made: _Made) -> SjsError:
        """What is to be said when the cluster takes only some of it. What a quota leaves room for stays, and the rest
        can follow; of anything else, nothing stays."""
        over = isinstance(error, OverQuota)
        if not (over and made.jobs):
            self._take_back(made)
        if made.found or made.jobs:
            return LinkLost(f"{error.message}; some of the jobs are there", "try again by their key, or cancel them")
        return NoSpace(error.message, error.hint) if over else error

    def _take_back(self, made: _Made) -> None:
        """Remove what this has made; what we may not remove stays in `made`."""
        for found, remove in ((made.jobs, self._remove), (made.new, self._maps.remove)):
            for one in reversed(list(found)):
                try:
                    with suppress(Absent, Changed):  # gone, or somebody else's by now
                        remove(one)
                    found.remove(one)
                except Refused as error:
                    self._notice(f"{one['kind']} {one['metadata']['name']} stays there: {error.message}")

    def _remove(self, job: Object) -> None:
        self._api.delete_job(str(job["metadata"]["name"]), str(job["metadata"]["uid"]))

    def _next_id(self) -> int:
        self._seen.look_anew()
        return self._seen.next_id

    def known(self, key: str) -> list[Object]:
        """The Jobs that were made under this very key, the one among them that declines it."""
        chosen = {"labelSelector": f"{names.QUEUE}={self._settings.queue},{names.KEY}={names.key_hash(key)}"}
        found = self._api.list(self._api.path("jobs"), chosen).items
        return [job for job in found if marks.said(job).get(names.KEY) == key and marks.RETRIED not in marks.said(job)]

    def lookup(self, key: str) -> list[str]:
        """What stands behind the stroke of keys that begin so."""
        chosen = {"labelSelector": f"{self._seen.selector},{names.KEY}"}
        keys = {
            marks.said(job).get(names.KEY, "")
            for job in self._api.list(self._api.path("jobs"), chosen).items
            if marks.DECLINED not in marks.said(job)
        }
        return sorted(one.removeprefix(f"{key}/") for one in keys if one.startswith(f"{key}/"))

    def decline(self, key: str) -> int | None:
        """The first id under the key; if there is none, a Job that never runs takes its name for good."""
        for _ in range(2):
            jobs = [job for job in self.known(key) if marks.DECLINED not in marks.said(job)]
            if jobs:
                return self._whole(key, jobs)
            try:
                self._api.create("jobs", _declined(key, self._settings.queue))
            except Exists:
                if any(marks.DECLINED in marks.said(job) for job in self.known(key)):
                    return None
                continue
            return None
        raise Conflict(f"a Job {names.object_name(key)} is there that is not ours")

    @staticmethod
    def _whole(key: str, jobs: Sequence[Object]) -> int:
        there = sum(marks.number(marks.said(job), names.COUNT, 0) for job in jobs)
        total = marks.number(marks.said(jobs[0]), marks.TOTAL, there)
        if there < total:
            raise LinkLost(f"{there} of {total} jobs of this key are there; who hands them in has not finished")
        return marks.number(marks.said(jobs[0]), names.CHUNK_FIRST, 0)

    def _first_of(self, key: str, digest: str, jobs: Sequence[Object]) -> int | None:
        """Which ids the chunk has that is there."""
        for job in jobs:
            said = marks.said(job)
            if marks.DECLINED in said:
                raise Conflict(f"the key {key!r} was declined here", "hand in anew, without it")
            if said.get(names.KEY) != key:
                name = (job.get("metadata") or {}).get("name")
                raise Conflict(f"a Job {name} is there already, and is none of these", "use another --job-name")
            if said.get(names.DIGEST) != digest:
                raise Conflict(f"the key {key!r} was used before, for other jobs", "use another --key")
            return marks.number(said, names.CHUNK_FIRST, 0)
        return None

    def _parts(self, chunk: Chunk, first: int) -> list[Part]:
        made = manifest.Chunk(chunk.key, first, self._target, chunk.via, self._user_groups())
        parts = manifest.parts(made, chunk.specs, self._settings, chunk.envs)
        for part in parts:
            part.job["metadata"]["annotations"][marks.TOTAL] = str(len(chunk.specs))
        return parts

    def _user_groups(self) -> tuple[int, ...]:
        if self._groups is None:
            self._groups = user_groups(self._api, self._settings)
        return self._groups

    def _have_job(self, part: Part, digest: str, made: _Made) -> Object:
        """The Job of a part, made now or there before."""
        name = part.job["metadata"]["name"]
        while True:
            try:
                made.jobs.append(self._api.create("jobs", part.job))
                return _understood(part.job, made.jobs[-1])
            except Exists:
                try:
                    found = self._api.get("jobs", name)
                except Absent:  # it has just gone
                    continue
            if (found.get("metadata") or {}).get("deletionTimestamp"):
                raise Conflict(f"Job {name} is about to be deleted", "try again")
            self._first_of(marks.said(part.job)[names.KEY], digest, [found])
            made.found = True
            return found


def _understood(asked: Object, made: Object) -> Object:
    """The Job that was made. Servers leave out what they do not know: then it is another Job than was meant."""
    left_out = sorted(asked["spec"].keys() - (made.get("spec") or {}).keys())
    if left_out:
        raise Refused(
            f"the cluster does not know what Jobs are told here: {', '.join(left_out)}",
            "it is to be Kubernetes 1.29 or newer",
        )
    return made


class _Made:
    """What handing in has made until now. `found`: some Job of it was there before."""

    def __init__(self, found: bool) -> None:
        self.found = found
        self.jobs: list[Object] = []
        self.new: list[Object] = []
        self.maps: dict[str, Object] = {}

    def have(self, body: Object, there: Object, is_new: bool) -> None:
        """A ConfigMap, as it is there."""
        self.maps[str(body["metadata"]["name"])] = there
        if is_new:
            self.new.append(there)


def _declined(key: str, queue: str) -> Object:
    labels = {names.MANAGED_BY: names.MANAGER, names.QUEUE: queue, names.KEY: names.key_hash(key)}
    container = {"name": manifest.CONTAINER, "image": "none", "command": ["true"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.object_name(key),
            "labels": labels,
            "annotations": {names.KEY: key, marks.DECLINED: "true"},
        },
        "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def user_groups(api: Api, settings: Settings) -> tuple[int, ...]:
    """The group that a ConfigMap of the user names, of whom the shared file system's folders are."""
    if not settings.user_configmap:
        return ()
    data = api.get("configmaps", settings.user_configmap).get("data") or {}
    gid = str(data.get("ceph.gid", "")).strip()
    return (int(gid),) if gid.isdecimal() else ()
