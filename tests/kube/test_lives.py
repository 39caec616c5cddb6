"""Lives of Jobs that are not straight: held while they run, made wider, deleted in the middle."""

from __future__ import annotations

from tests.kube import kinds, podding
from tests.kube.caller import Caller
from tests.kube.cluster import Cluster
from tests.kube.status import Obj
from tests.kube.test_objects import JOBS, MERGE, job
from tests.kube.test_running import PODS, ended, events, phase, pods


def waiting_for(cluster: Cluster, name: str) -> tuple[str, ...]:
    """Words of a command that goes on until there is a file."""
    return "sh", "-c", f"until [ -e {cluster.folder / name} ]; do sleep 0.02; done"


def all_running(cluster: Cluster, admin: Caller, name: str, count: int) -> list[Obj]:
    cluster.wait_for(kinds.JOBS, name, lambda one: bool(one and one["status"].get("ready") == count))
    return [pod for pod in pods(admin, name) if pod["status"]["phase"] == "Running"]


def gone(cluster: Cluster, admin: Caller, name: str) -> None:
    for pod in cluster.store.all(kinds.PODS):
        if pod["metadata"]["name"].startswith(name):
            cluster.wait_for(kinds.PODS, pod["metadata"]["name"], lambda one: one is None)
    assert pods(admin, name) == []


def test_a_job_that_is_held_while_it_runs_loses_its_pods_and_none_has_failed(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("held", *waiting_for(cluster, "go"), parallelism=2, completions=2))
    all_running(cluster, admin, "held", 2)
    admin("PATCH", f"{JOBS}/held", {"spec": {"suspend": True}}, MERGE)
    gone(cluster, admin, "held")
    cluster.settle()
    status = admin("GET", f"{JOBS}/held").body["status"]
    assert "failed" not in status and "active" not in status and "startTime" not in status
    (cluster.folder / "go").touch()
    admin("PATCH", f"{JOBS}/held", {"spec": {"suspend": False}}, MERGE)
    assert ended(cluster, "held")["succeeded"] == 2


def test_a_job_is_made_wider_and_narrower(cluster: Cluster, admin: Caller) -> None:
    indexed = {"completionMode": "Indexed", "completions": 4}
    admin("POST", JOBS, job("wide", *waiting_for(cluster, "go"), parallelism=1, **indexed))
    for count in (3, 2):
        admin("PATCH", f"{JOBS}/wide", {"spec": {"parallelism": count}}, MERGE)
        all_running(cluster, admin, "wide", count)
    assert {podding.index_of(pod) for pod in podding.active(pods(admin, "wide"))} == {0, 1}
    (cluster.folder / "go").touch()
    status = ended(cluster, "wide")
    assert (status["completedIndexes"], status["succeeded"], "failed" in status) == ("0-3", 4, False)


def test_a_job_that_is_deleted_in_the_foreground_is_there_until_its_pods_have_ended(
    cluster: Cluster, admin: Caller
) -> None:
    stubborn = f"trap '' TERM; touch {cluster.folder / 'up'}; " + waiting_for(cluster, "go")[-1]
    admin("POST", JOBS, job("stays", "sh", "-c", stubborn))
    (pod,) = all_running(cluster, admin, "stays", 1)
    admin("DELETE", f"{JOBS}/stays?propagationPolicy=Foreground")
    cluster.settle()
    there = admin("GET", f"{JOBS}/stays")
    assert there.code == 200 and there.body["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" in admin("GET", f"{PODS}/{pod['metadata']['name']}").body["metadata"]
    again = admin("POST", JOBS, job("stays", "true"))
    told = 'object is being deleted: jobs.batch "stays" already exists'
    assert (again.code, again.body["message"]) == (409, told)
    (cluster.folder / "go").touch()
    cluster.wait_for(kinds.JOBS, "stays", lambda one: one is None)


def test_a_pod_that_is_deleted_has_failed_and_is_replaced(cluster: Cluster, admin: Caller) -> None:
    body = job("again", *waiting_for(cluster, "go"))
    body["spec"]["backoffLimit"] = 1
    admin("POST", JOBS, body)
    (pod,) = all_running(cluster, admin, "again", 1)
    admin("DELETE", f"{PODS}/{pod['metadata']['name']}?gracePeriodSeconds=0")
    (cluster.folder / "go").touch()
    status = ended(cluster, "again")
    assert (status["succeeded"], status["failed"]) == (1, 1)


def test_containers_of_one_pod(cluster: Cluster, admin: Caller) -> None:
    body = job("several", "sh", "-c", "cat /shared/word; exit 0")
    spec = body["spec"]["template"]["spec"]
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}], "image": "alpine"}
    spec["volumes"] = [{"name": "shared", "emptyDir": {}}]
    spec["initContainers"] = [{"name": "before", "args": ["sh", "-c", "echo first > /shared/word"], **mount}]
    spec["containers"][0] |= mount
    spec["containers"].append({"name": "other", "image": "alpine", "args": ["echo", "other"]})
    admin("POST", JOBS, body)
    assert ended(cluster, "several")["succeeded"] == 1
    log = f"{PODS}/{pods(admin, 'several')[0]['metadata']['name']}/log"
    unclear = admin("GET", log)
    assert unclear.code == 400 and unclear.body["message"].endswith("choose one of: [main other]")
    assert [admin("GET", f"{log}?container={name}").body for name in ("main", "other", "before")] == [
        "first\n",
        "other\n",
        "",
    ]


def test_who_matters_more_goes_first(cluster: Cluster, admin: Caller) -> None:
    cluster.add_priority("urgent", 1000)
    for name in ("full", "later", "sooner"):
        body = job(name, *waiting_for(cluster, name))
        spec = body["spec"]["template"]["spec"]
        spec["containers"][0]["resources"] = {"requests": {"cpu": "8"}}
        if name == "sooner":
            spec["priorityClassName"] = "urgent"
        admin("POST", JOBS, body)
    all_running(cluster, admin, "full", 1)
    (cluster.folder / "full").touch()
    all_running(cluster, admin, "sooner", 1)
    assert [pod["status"]["phase"] for pod in pods(admin, "later")] == ["Pending"]


def test_a_priority_class_that_is_not_there_keeps_pods_from_being_made(cluster: Cluster, admin: Caller) -> None:
    body = job("vip", "true")
    body["spec"]["template"]["spec"]["priorityClassName"] = "vip"
    admin("POST", JOBS, body)
    cluster.settle()
    assert dict(events(admin, "vip"))["FailedCreate"].endswith("no PriorityClass with name vip was found")


def test_a_claim_that_is_not_there_keeps_a_pod_waiting(cluster: Cluster, admin: Caller) -> None:
    body = job("claims", "true")
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "lost"}}]
    admin("POST", JOBS, body)
    cluster.settle()
    (pod,) = pods(admin, "claims")
    assert 'persistentvolumeclaim "lost" not found' in pod["status"]["conditions"][0]["message"]
    cluster.add_claim("lost")
    phase(cluster, pod["metadata"]["name"], "Succeeded")


def test_an_image_that_comes_late(cluster: Cluster, admin: Caller) -> None:
    body = job("pulled", "true")
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "no/such:image"
    admin("POST", JOBS, body)
    cluster.settle()
    assert (
        pods(admin, "pulled")[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    )
    cluster.kubelet.missing.clear()
    cluster.kubelet.look_again()
    assert ended(cluster, "pulled")["succeeded"] == 1
