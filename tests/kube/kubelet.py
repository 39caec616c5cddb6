"""The kubelet of all nodes: runs the containers of pods that have a node, and tells how they are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube import deleting, podding, volumes
from tests.kube.containers import Process
from tests.kube.events import Events
from tests.kube.fields import NotConfigured, environment, expanded
from tests.kube.kinds import CONFIGMAPS, PODS, SECRETS
from tests.kube.making import seconds, stamp
from tests.kube.podstatus import ended_status, running_status, waiting_status
from tests.kube.status import Obj
from tests.kube.store import Change, Store
from tests.kube.worker import Task

NAME = "kubelet"
TOO_LONG = {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than specified deadline"}
Words = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass
class Run:
    """A pod that has been started: its containers by name, the last run of each at the end."""

    uid: str
    runs: dict[str, list[Process]] = field(default_factory=dict)
    stopping: float | None = None
    expired: bool = False


@dataclass
class Kubelet:
    """`images` says what an image runs by itself (its entrypoint, its words); `missing` are images that are nowhere."""

    store: Store
    events: Events
    folder: Path
    images: dict[str, Words] = field(default_factory=dict)
    missing: set[str] = field(default_factory=lambda: {"no/such:image"})
    pods: dict[str, Run] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    _held: int = 0
    _told: set[tuple[str, str]] = field(default_factory=set)

    def tasks(self, change: Change) -> Iterable[Task]:
        meta = change.obj["metadata"]
        if change.resource == PODS:
            if change.type == "DELETED":
                self._forget(meta["uid"])
                return []
            return [(PODS, meta["namespace"], meta["name"])] if change.obj["spec"].get("nodeName") else []
        if change.resource in (CONFIGMAPS, SECRETS):
            return self._waiting()
        return []

    def sync(self, task: Task) -> float | None:
        """Its time, if it has one, begins when the node has heard of it."""
        pod = self.store.get(*task)
        if pod is None:
            return None
        run = self.pods.get(pod["metadata"]["uid"])
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod, run)
            return None
        if podding.ended(pod):
            return None
        limit = pod["spec"].get("activeDeadlineSeconds")
        begun = pod["status"].get("startTime")
        if limit is not None and begun and time.time() >= seconds(begun) + float(limit):
            self._expire(pod, run)
            return None
        if run is None:
            self._begin(pod)
        return None if limit is None else seconds(begun or stamp()) + float(limit)

    def _expire(self, pod: Obj, run: Run | None) -> None:
        """It was there for longer than it may: it has failed once its containers have ended."""
        if run is None:
            self._put(pod, {**pod["status"], "phase": "Failed", **TOO_LONG})
            return
        run.expired = True
        if run.stopping is None:
            self._stop(pod, run, float(pod["spec"].get("terminationGracePeriodSeconds", 30)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Pods get their node and are not started before this is over: their containers are being created."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self.look_again()

    def look_again(self) -> None:
        """As when an image can be had now, or a volume."""
        with self.store.lock:
            for task in self._waiting():
                self.sync(task)

    def stop_all(self, seconds: float = 20) -> None:
        """End what runs, when the cluster goes."""
        with self.store.lock:
            runs, self.pods = list(self.pods.values()), {}
        for run in runs:
            for processes in run.runs.values():
                processes[-1].stop(0)
        for thread in self.threads:
            thread.join(seconds)
            if thread.is_alive():
                raise TimeoutError(f"a pod of the test cluster did not end within {seconds} s")

    def log(self, pod: Obj, container: str, previous: bool) -> Process | None:
        runs = self.pods.get(pod["metadata"]["uid"], Run("")).runs.get(container, [])
        place = 2 if previous else 1
        return runs[-place] if len(runs) >= place else None

    def _waiting(self) -> list[Task]:
        known = self.store.all(PODS)
        return [
            (PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
            for pod in known
            if pod["spec"].get("nodeName") and pod["metadata"]["uid"] not in self.pods and not podding.ended(pod)
        ]

    def _forget(self, uid: str) -> None:
        run = self.pods.pop(uid, None)
        if run is not None:
            for processes in run.runs.values():
                processes[-1].stop(0)
        volumes.cleared(self.folder / "pods" / uid)

    def _begin(self, pod: Obj) -> None:
        trouble = self._trouble(pod)
        if trouble is None and not self._held:
            run = Run(pod["metadata"]["uid"])
            self.pods[run.uid] = run
            self._put(pod, waiting_status(pod, "ContainerCreating"))
            thread = threading.Thread(target=self._run, args=(pod, run), name="kube-pod", daemon=True)
            self.threads = [one for one in self.threads if one.is_alive()] + [thread]
            thread.start()
        else:
            self._put(pod, waiting_status(pod, *(trouble or ("ContainerCreating", ""))))

    def _trouble(self, pod: Obj) -> tuple[str, str] | None:
        """What keeps a pod from starting, as its container's state says it; told once in events, too."""
        image = next((one["image"] for one in _containers(pod) if one["image"] in self.missing), None)
        if image is not None:
            self._no_image(pod, image)
            return "ImagePullBackOff", f'Back-off pulling image "{image}"'
        try:
            for one in _containers(pod):
                self._prepared(pod, one)
        except volumes.NotMounted as error:
            self._once(pod, "FailedMount", str(error))
            return "ContainerCreating", ""
        except NotConfigured as error:
            self._once(pod, "Failed", f"Error: {error}")
            return "CreateContainerConfigError", str(error)
        return None

    def _no_image(self, pod: Obj, image: str) -> None:
        where = f"docker.io/{image}"
        if self._new(pod, "Pulling"):
            self._tell(pod, "Normal", "Pulling", f'Pulling image "{image}"')
        what = f'failed to pull and unpack image "{where}": failed to resolve image: {where}: not found'
        told = f'Failed to pull image "{image}": rpc error: code = NotFound desc = {what}'
        self._once(pod, "Failed", told)
        self._once(pod, "Failed", "Error: ErrImagePull")
        if self._new(pod, "BackOff"):
            self._tell(pod, "Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._once(pod, "Failed", "Error: ImagePullBackOff")

    def _new(self, pod: Obj, what: str) -> bool:
        key = (pod["metadata"]["uid"], what)
        if key in self._told:
            return False
        self._told.add(key)
        return True

    def _once(self, pod: Obj, reason: str, message: str) -> None:
        if self._new(pod, message):
            self._tell(pod, "Warning", reason, message)

    def _prepared(self, pod: Obj, container: Obj) -> Process:
        """The process of a container, with its files laid out."""
        root = self.folder / "pods" / pod["metadata"]["uid"]
        rooms = volumes.Rooms(*(self.folder / name for name in ("claims", "shares", "nodes")))
        inside = volumes.rewriting(volumes.mounted(self.store, rooms, pod, container, root))
        work = root / container["name"] / "work"
        work.mkdir(parents=True, exist_ok=True)
        base = {"PATH": os.environ["PATH"], "HOME": str(work), "HOSTNAME": pod["spec"].get("hostname") or _name(pod)}
        env = environment(self.store, volumes.contents, pod, container, base)
        entrypoint, words = self.images.get(container["image"], ((), ("/bin/sh",)))
        command = container.get("command") or list(entrypoint)
        args = container.get("args") or ([] if container.get("command") else list(words))
        argv = [inside(expanded(word, env)) for word in [*command, *args]]
        there = Path(inside(container.get("workingDir") or str(work)))
        there = there if there.is_dir() else work
        return Process(argv, {key: inside(value) for key, value in env.items()}, there)

    def _run(self, pod: Obj, run: Run) -> None:
        try:
            self._live(pod, run)
        except Exception:
            if self.pods.get(run.uid) is run:
                raise
            # else it was deleted while it began, and what it would have had with it

    def _live(self, pod: Obj, run: Run) -> None:
        for one in pod["spec"].get("initContainers", ()):
            if self._run_one(pod, run, one) != 0:
                self._ended(pod, run)
                return
        rest = pod["spec"]["containers"]
        threads = [threading.Thread(target=self._run_one, args=(pod, run, one), daemon=True) for one in rest[1:]]
        for thread in threads:
            thread.start()
        self._run_one(pod, run, rest[0])
        for thread in threads:
            thread.join()
        self._ended(pod, run)

    def _run_one(self, pod: Obj, run: Run, container: Obj) -> int:
        """Until it has ended for good; one that failed is started again, if the pod wants that."""
        while True:
            process = self._prepared(pod, container)
            with self.store.lock:
                run.runs.setdefault(container["name"], []).append(process)
                if run.stopping is not None:
                    process.stop(0)
            status = self._lived(pod, run, container, process)
            again = status != 0 and pod["spec"]["restartPolicy"] == "OnFailure"
            if not again or run.stopping is not None or self.pods.get(run.uid) is not run:
                return status

    def _lived(self, pod: Obj, run: Run, container: Obj, process: Process) -> int:
        image = container["image"]
        told = f'Container image "{image}" already present on machine'
        if container["imagePullPolicy"] == "Always":
            self._tell(pod, "Normal", "Pulling", f'Pulling image "{image}"')
            told = f'Successfully pulled image "{image}" in 1ms (1ms including waiting). Image size: 1 bytes.'
        self._tell(pod, "Normal", "Pulled", told)
        self._tell(pod, "Normal", "Created", f"Created container: {container['name']}")
        if process.start():
            self._tell(pod, "Normal", "Started", f"Started container {container['name']}")
            self._show(pod, run)
            return process.wait()
        self._tell(pod, "Warning", "Failed", f"Error: {process.trouble}")
        return int(process.status or 0)

    def _show(self, pod: Obj, run: Run) -> None:
        with self.store.lock:
            current = self._current(pod)
            if current is not None:
                self._put(current, running_status(current, run.runs))

    def _ended(self, pod: Obj, run: Run) -> None:
        with self.store.lock:
            current = self._current(pod)
            if current is None:
                return
            status = ended_status(current, run.runs)
            current = self._put(current, {**status, "phase": "Failed", **TOO_LONG} if run.expired else status)
            if "deletionTimestamp" in current["metadata"]:
                deleting.delete(self.store, PODS, current, {"gracePeriodSeconds": 0})

    def _end(self, pod: Obj, run: Run | None) -> None:
        """A pod that is to go: its containers are asked to end, and the last that ends lets it go."""
        if run is None:
            if not podding.ended(pod):
                self._put(pod, {**pod["status"], "phase": "Failed"})
            deleting.delete(self.store, PODS, self._current(pod) or pod, {"gracePeriodSeconds": 0})
            return
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds", 0))
        if run.stopping is not None and grace >= run.stopping:
            return
        self._stop(pod, run, grace)

    def _stop(self, pod: Obj, run: Run, grace: float) -> None:
        first = run.stopping is None
        run.stopping = grace
        for processes in run.runs.values():
            processes[-1].stop(grace)
        if first:
            for one in pod["spec"]["containers"]:
                self._tell(pod, "Normal", "Killing", f"Stopping container {one['name']}")

    def _current(self, pod: Obj) -> Obj | None:
        now = self.store.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        return now if now and now["metadata"]["uid"] == pod["metadata"]["uid"] else None

    def _put(self, pod: Obj, status: Obj) -> Obj:
        return self.store.replace(PODS, {**pod, "status": {"startTime": stamp(), **status}})

    def _tell(self, pod: Obj, type_: str, reason: str, message: str) -> None:
        self.events.tell(pod, NAME, type_, reason, message)


def _name(pod: Obj) -> str:
    return str(pod["metadata"]["name"])


def _containers(pod: Obj) -> list[Obj]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
