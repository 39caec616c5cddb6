"""The server answers as a real one did: each recorded request is made again, and the answers compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube import kinds
from tests.kube.auth import Rule
from tests.kube.caller import Caller
from tests.kube.cluster import Cluster

FOLDER = Path(__file__).parent.parent / "data/kubernetes"
RECORDINGS = sorted(FOLDER.glob("*.json"))
UID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MADE = (
    UID,
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    r"[a-z-]+-[bcdfghjklmnpqrstvwxz2456789]{5}",
    r"[a-z-]+\.[0-9a-f]{16}",
    r"eyJ[\w-]+",
)
"""What the server makes up, by its form: uids, times, names of pods and of events, tokens to continue by."""
PODS = "/api/v1/namespaces/default/pods"
RECORDED_PODS = ("t-fail-kqfdz", "t-pull-7qdvg")
"""Pods that are asked for by names which no answer before has told."""
NOW = "2026-11-21T02:24:54Z"


class Same:
    """Compares answers; what the server made up may differ, but is then the same everywhere."""

    def __init__(self) -> None:
        self.theirs_to_ours: dict[str, str] = {}

    def check(self, theirs: Any, ours: Any, where: str) -> None:
        assert type(theirs) is type(ours), f"{where}: recorded {theirs!r}, answered {ours!r}"
        if isinstance(theirs, dict):
            assert theirs.keys() == ours.keys(), f"{where}: keys {set(theirs) ^ set(ours)} on one side only"
            for key in theirs:
                self.check(theirs[key], ours[key], f"{where}.{key}")
        elif isinstance(theirs, list):
            assert len(theirs) == len(ours), f"{where}: {len(theirs)} recorded, {len(ours)} answered"
            for place, (left, right) in enumerate(zip(theirs, ours, strict=True)):
                self.check(left, right, f"{where}[{place}]")
        elif where.endswith(".resourceVersion"):
            assert ours.isdigit(), f"{where}: {ours}"
        elif isinstance(theirs, str):
            self._texts(theirs, ours, where)
        else:
            assert theirs == ours, where

    def _texts(self, theirs: str, ours: str, where: str) -> None:
        if theirs == ours:
            return
        if where.startswith("01") and where.rsplit(".", 1)[1] in ("gitVersion", "gitCommit"):
            return
        form = next((form for form in MADE if re.fullmatch(form, theirs)), None)
        if form:
            assert re.fullmatch(form, ours), f"{where}: recorded {theirs}, answered {ours}"
            if form == MADE[0] or (form == MADE[2] and not theirs.startswith("kube-api")):
                known = self.theirs_to_ours.setdefault(theirs, ours)
                assert known == ours, f"{where}: {ours}, elsewhere {known}"
            return
        assert self.translated(theirs) == ours, where

    def translated(self, text: str) -> str:
        """What was recorded, with the names that our server gave."""
        for left, right in self.theirs_to_ours.items():
            text = text.replace(left, right)
        return text


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, machines=()) as made:
        made.add_user("alice", ())
        made.add_user("viewer", (Rule(("get", "list")),))
        yield made


def running(caller: Caller, name: str) -> None:
    """What a kubelet would have said; there was none where this was recorded."""
    state = {"running": {"startedAt": NOW}}
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
    _told(caller, name, "Running", state, ready=True, extra={"startTime": NOW, "conditions": [ready]})


def ended(caller: Caller, name: str, code: int) -> None:
    terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": NOW, "finishedAt": NOW}
    ready = {"type": "Ready", "status": "False", "lastProbeTime": None, "lastTransitionTime": None}
    phase = "Failed" if code else "Succeeded"
    _told(caller, name, phase, {"terminated": terminated}, extra={"startTime": NOW, "conditions": [ready]})


def pulling(caller: Caller, name: str) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "no/such:image"'}
    _told(caller, name, "Pending", {"waiting": waiting}, image="no/such:image", image_id="")


def _told(
    caller: Caller,
    name: str,
    phase: str,
    state: dict[str, Any],
    ready: bool = False,
    image: str = "alpine",
    image_id: str = "x",
    extra: dict[str, Any] | None = None,
) -> None:
    status = {"name": "main", "state": state, "lastState": {}, "ready": ready, "restartCount": 0, "image": image}
    status |= {"imageID": image_id, "started": "running" in state}
    patch = {"status": {"phase": phase, "containerStatuses": [status], **(extra or {})}}
    done = caller("PATCH", f"{PODS}/{name}/status", patch, "application/merge-patch+json")
    assert done.code == 200, done.body


def pod_of(cluster: Cluster, job: str) -> str:
    names = (str(pod["metadata"]["name"]) for pod in cluster.store.all(kinds.PODS))
    return next(name for name in names if name.startswith(job))


def test_every_recording_is_answered_alike(cluster: Cluster) -> None:
    assert len(RECORDINGS) == 33
    first_event = json.loads((FOLDER / "32-events-of-job.json").read_text())["response"]["body"]["items"][0]
    cluster.store.create(kinds.EVENTS, first_event)
    same = Same()

    def between(caller: Caller, number: str) -> None:
        """What had happened in the recorded cluster before this request."""
        cluster.settle()
        if number == "13":
            running(caller, pod_of(cluster, "t-ok"))
        if number == "15":
            ended(caller, pod_of(cluster, "t-ok"), 0)
            ended(caller, pod_of(cluster, "t-fail"), 1)
            pulling(caller, pod_of(cluster, "t-pull"))
            same.theirs_to_ours |= {name: pod_of(cluster, name[:-6]) for name in RECORDED_PODS}
        cluster.settle()

    for path in RECORDINGS:
        number = path.name[:2]
        recorded = json.loads(path.read_text())
        asked, expected = recorded["request"], recorded["response"]
        token = {"27": "expired", "28": "token-alice", "29": "token-alice"}.get(number, "token-admin")
        with Caller(cluster.server.port, cluster.authority.ca_file, "token-admin") as admin:
            between(admin, number)
        with Caller(cluster.server.port, cluster.authority.ca_file, token) as caller:
            reply = caller(asked["method"], same.translated(asked["path"]), asked["body"], asked["content_type"])
        assert reply.code == expected["status"], f"{path.name}: {reply.body}"
        same.check(expected["body"], reply.body, path.name.removesuffix(".json"))
    assert len(same.theirs_to_ours) > 10, "nothing was compared by the names that the server made"
