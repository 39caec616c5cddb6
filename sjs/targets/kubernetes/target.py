"""A namespace of a Kubernetes cluster as a target: the cluster is the queue."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sjs import __version__, wire
from sjs.answers import (
    Accepted,
    Cancelled,
    Configured,
    Details,
    Filter,
    Members,
    Move,
    Piece,
    Sight,
    Status,
    SweepCounts,
    Waited,
    Waiting,
)
from sjs.core.job import Job, Range, Report, Spec
from sjs.core.lifecycle import PENDING, RUNNING
from sjs.departure import Departure
from sjs.errors import Refused, SjsError, UnknownJob, Unreachable
from sjs.protocols import Envs, Machine
from sjs.targets.kubernetes import looking, names, steering
from sjs.targets.kubernetes.api import Api
from sjs.targets.kubernetes.connection import Connection
from sjs.targets.kubernetes.counter import Counter
from sjs.targets.kubernetes.kubeconfig import finder
from sjs.targets.kubernetes.logs import Output, of_pod, without
from sjs.targets.kubernetes.posting import Chunk, Posting
from sjs.targets.kubernetes.records import Held
from sjs.targets.kubernetes.room import Room
from sjs.targets.kubernetes.seen import Seen
from sjs.targets.kubernetes.settings import Settings
from sjs.targets.kubernetes.why import why

if TYPE_CHECKING:
    from sjs.targets.kinds import Entry
    from sjs.targets.kubernetes.api import Object
    from sjs.targets.kubernetes.cluster import KubernetesCluster


Looked = tuple[Held, Job, "list[Object]"]
"""The Job that a job is, its record, and the pods of that Job."""


class KubernetesTarget:
    """One queue in one namespace."""

    def __init__(self, entry: Entry, settings: Settings) -> None:
        self._name = entry.name
        self._notice = entry.notice
        find = finder(entry.environ, settings.kubeconfig, settings.context, settings.in_cluster)
        self._api = Api(Connection(find, entry.environ, entry.notice), settings.namespace, entry.notice)
        self._settings = settings
        self._seen = Seen(self._api, settings.queue, entry.notice)
        self._counter = Counter(self._api, settings.queue)
        self._room = Room(self._api, self._counter)
        self._posting = Posting(self._api, self._seen, self._counter, settings, entry.name, self._free, entry.notice)
        self._steering = steering.Steering(self._api, self._seen, entry.notice)
        self._chunks: deque[Chunk] = deque()

    @property
    def name(self) -> str:
        return self._name

    def report(self, head: int = 0) -> Status:
        jobs = list(self._seen.look().jobs())
        counts: dict[str, int] = {}
        for job in jobs:
            counts[job.state] = counts.get(job.state, 0) + 1
        running, queued = counts.get(RUNNING, 0), sum(counts.get(state, 0) for state in PENDING)
        maximum, trouble = self._room.most(running + queued)
        waiting = [job for job in jobs if job.state in PENDING][:head]
        return Status(
            report=Report(self._name, running, maximum, queued, boundless=True),
            head=[Waiting(job.id, looking.command(job.spec)) for job in waiting],
            counts=counts,
            host=self._api.server,
            pid=0,
            root=self._api.namespace,
            version=__version__,
            trouble=trouble,
        )

    def _free(self) -> tuple[int, int]:
        report = self.report().report
        return report.free, report.max_running

    def post(
        self,
        key: str,
        specs: Sequence[Spec],
        again: bool = False,
        if_free: bool = False,
        envs: Envs | None = None,
        via: str = "",
    ) -> None:
        self._chunks.append(Chunk(key, list(specs), again, if_free, envs or {}, via))

    def collect(self) -> Accepted:
        chunk = self._chunks[0]
        try:
            accepted = self._posting.hand_in(chunk)
        except Unreachable:
            raise
        except SjsError:
            self._chunks.popleft()
            raise
        self._chunks.popleft()
        return accepted

    @property
    def owes(self) -> bool:
        return any(chunk.begun for chunk in self._chunks)

    def lookup(self, key: str) -> Sequence[str]:
        return self._posting.lookup(key)

    def decline(self, key: str) -> int | None:
        return self._posting.decline(key)

    def environment(self, digest: str) -> Mapping[str, str]:
        chosen = {"labelSelector": f"{names.PART}={names.ENV},{names.ENV_DIGEST}={digest[:40]}"}
        for found in self._api.list(self._api.path("configmaps"), chosen).items:
            return {str(key): str(value) for key, value in (found.get("data") or {}).items()}
        raise Refused(f"there is no environment {digest:.12} any more: it went with its jobs")

    def configure(self, max_jobs: int | None = None, more: Mapping[str, Any] | None = None) -> Configured:
        said = [name for name, value in (more or {}).items() if value is not None]
        if said:
            raise Refused(
                f"{said[0]} is nothing that a cluster is told by us", "its entry in config.yaml, or a ResourceQuota, is"
            )
        now, _ = self._room.most(0)
        if max_jobs is None:
            return Configured(now, now)
        before = self._counter.set_maximum(max_jobs)
        return Configured(now if before is None else before, max_jobs)

    def list(
        self,
        jobs: Sequence[Range] | None = None,
        states: Sequence[str] | None = None,
        newest: int = 0,
        only: Filter | None = None,
    ) -> Iterator[Job]:
        seen = self._seen.look(now=jobs is not None)
        found = (job for job in seen.jobs(jobs) if looking.is_wanted(job, states, only or Filter()))
        yield from deque(found, newest) if newest else found

    def sweeps(self, name: str | None = None) -> Sequence[SweepCounts]:
        return looking.sweeps(self._seen.look().jobs(), name)

    def members(self, sweep: str, states: Sequence[str] | None = None) -> Iterator[Members]:
        found = list(self.list(states=states, only=Filter(sweep=sweep)))
        for start in range(0, len(found), wire.MAX_PAGE):
            yield looking.members(found[start : start + wire.MAX_PAGE])

    def details(self, job: int) -> Details:
        one, record, pods = self._look_at(job)
        merged = looking.with_one_stream(record)
        attempts = [looking.attempt(number, pod) for number, pod in self._tries(one, record, pods)]
        return Details(merged, attempts, (), {"kubernetes": {"job": one.raw, "pods": pods}})

    def _tries(self, one: Held, record: Job, pods: Sequence[Object]) -> Iterator[tuple[int, Object]]:
        """The pods that there are of a job, those of Jobs before this one too, with the numbers of their attempts."""
        tries = self._seen.earlier(record.id)
        for tried, after in zip(tries, tries[1:], strict=False):
            yield from looking.numbered(tried, record.id, self._seen.pods_of(tried), after.retried)
        yield from looking.numbered(one, record.id, pods, record.attempt)

    def why(self, job: int) -> Sequence[str]:
        one, record, pods = self._look_at(job)
        own = looking.pods_of(one, job, pods)
        uids = {one.uid, *(str(pod["metadata"]["uid"]) for pod in own)}
        events = self._events(uids) if record.state in PENDING else []
        return why(one, record, own, events)

    def _events(self, uids: set[str]) -> Sequence[Object]:
        """What the cluster has noted of these objects; nothing where we may not read it."""
        try:
            found = [
                event
                for uid in sorted(uids)
                for event in self._api.list(
                    self._api.path("events"), {"fieldSelector": f"involvedObject.uid={uid}"}
                ).items
            ]
        except Refused as error:
            self._notice(f"why may lack something: {error.message}")
            return []
        return found

    def _look_at(self, job: int) -> Looked:
        one = self._seen.look(now=True).holder(job)
        if one is None:
            raise UnknownJob(f"there is no record of job {job}")
        record, pods = self._seen.job(job, one)
        return one, record, pods

    def change(self, how: str, jobs: Sequence[Range] | None) -> Sequence[Range]:
        return self._steering.change(how, jobs)

    def cancel(
        self,
        jobs: Sequence[Range] | None,
        grace: float | None = None,
        signal: int | None = None,
        note: str | None = None,
    ) -> Cancelled:
        if signal is not None:
            raise Refused("a cluster sends no signals to jobs", "`cancel` without --signal ends them: TERM, later KILL")
        return self._steering.cancel(jobs, grace, note)

    def changes(self, since: str = "", timeout: float | None = None) -> str:
        seen = self._seen
        if not since or since != seen.mark:
            seen.look()
            if since != seen.mark:
                return seen.mark
        for _ in seen.changes(_deadline(timeout)):
            break
        return seen.mark

    def sights(self, most: int, only: Filter | None = None) -> Iterator[Sight]:
        while True:
            status = self.report()
            yield Sight(status, looking.shown(self.list(only=only), most), {})
            began = time.monotonic()
            self.changes(self._seen.mark, looking.HEARTBEAT)
            time.sleep(max(0.0, looking.PACE - (time.monotonic() - began)))

    def wait(self, jobs: Sequence[Range] | None, timeout: float | None = None) -> Waited:
        self._seen.forget()
        seen = self._seen.look()
        wanted = [(0, seen.next_id - 1)] if jobs is None else list(jobs)
        self._check_known(wanted)
        done = looking.have_ended(seen, wanted)
        if not done:
            for _ in seen.changes(_deadline(timeout)):
                done = looking.have_ended(seen, wanted)
                if done:
                    break
        return looking.waited(list(seen.jobs(wanted)), wanted, done)

    def _check_known(self, wanted: Sequence[Range]) -> None:
        """Refuse to wait for jobs that never were."""
        highest = max((high for _, high in wanted), default=-1)
        if highest < self._seen.next_id or self._counter.next_id() > highest:
            return
        raise UnknownJob(f"there is no job {highest}")

    def read(
        self,
        job: int,
        streams: Sequence[str],
        follow: bool = False,
        lines: int | None = None,
        since: float | None = None,
        attempt: int | None = None,
        offset: int = 0,
        signs: bool = False,
        departure: Departure | None = None,
    ) -> Iterator[Piece]:
        if "out" not in streams:  # a container has one output for both
            return iter(())
        found = without(offset, self._read(job, follow, lines, since, attempt))
        return found if departure is None else self._until(departure, found)

    def _until(self, departure: Departure, found: Iterator[Piece]) -> Iterator[Piece]:
        """The same for somebody who may go: then there is no more to be had here."""
        with departure.heard(self.hang_up):
            yield from found

    def size(self, job: int, stream: str, attempt: int | None = None) -> int | None:
        return None  # a pod's log has to be read to its end

    def _read(
        self, job: int, follow: bool, lines: int | None, since: float | None, attempt: int | None
    ) -> Iterator[Piece]:
        if attempt is not None:
            return self._read_one(job, attempt, lines, since)

        def look() -> tuple[Job, list[Object]]:
            self._seen.forget()
            one, record, pods = self._look_at(job)
            return record, looking.pods_of(one, job, pods)

        def job_changes(deadline: float) -> None:
            next(self._seen.changes(deadline), None)

        return Output(self._api, look, job_changes, self._notice).read(follow, lines, since)

    def _read_one(self, job: int, attempt: int, lines: int | None, since: float | None) -> Iterator[Piece]:
        """The output of one attempt."""
        one, record, pods = self._look_at(job)
        pod = dict(self._tries(one, record, pods)).get(attempt)
        if pod is None and attempt > record.attempt:
            raise Refused(f"job {job} has had {record.attempt} attempt(s)", "`details` shows them")
        if pod is None:
            raise Refused(f"the pod of attempt {attempt} of job {job} is gone, and its output with it")
        return of_pod(self._api, pod, self._notice, lines, since)

    def left(self, attempts: Sequence[tuple[int, int]], name: str) -> Sequence[bytes | None]:
        self._refuse("what jobs leave in folders goes with their pods", "have them write to a --volume")

    def stop(self, kill: bool = False, if_idle: bool = False, undrain: bool = False) -> tuple[int, int]:
        self._refuse("nothing of ours runs in a cluster that could be stopped", "`cancel --all` ends the jobs")

    def drain(self, on: bool) -> None:
        self._refuse("a cluster can not be drained by us", "`hold` keeps jobs back that have not begun")

    def leave(self, key: str, to: str, jobs: Sequence[Range] | None = None) -> Move:
        self._refuse("jobs that a cluster has do not move elsewhere", "cancel them, and hand them in there")

    def moves(self, prefix: str = "") -> Sequence[Move]:
        return ()

    def arrived(self, key: str, first: int) -> None:
        self._refuse("no job moves away from a cluster")

    def come_back(self, key: str) -> None:
        self._refuse("no job moves away from a cluster")

    @property
    def machine(self) -> Machine:
        self._refuse("it has no machine")

    @property
    def cluster(self) -> KubernetesCluster:
        from sjs.targets.kubernetes.cluster import KubernetesCluster

        return KubernetesCluster(self._name, self._api, self._settings)

    def hang_up(self) -> None:
        self._api.hang_up()

    def close(self) -> None:
        self._api.close()

    def _refuse(self, why: str, hint: str = "") -> NoReturn:
        raise Refused(f"{self._name} is a Kubernetes target: {why}", hint)


def _deadline(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout
