"""Jobs that really run: states and counters, indexes, failures, deadlines, logs, and why a pod does not start."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube import kinds, podding
from tests.kube.caller import Caller
from tests.kube.cluster import Cluster
from tests.kube.status import Obj
from tests.kube.test_objects import JOBS, MAPS, MERGE, config_map, job

PODS = "/api/v1/namespaces/default/pods"


def done(obj: Obj | None) -> bool:
    conditions = ((obj or {}).get("status") or {}).get("conditions", ())
    return any(one["type"] in ("Complete", "Failed") for one in conditions)


def ended(cluster: Cluster, name: str) -> Obj:
    status = cluster.wait_for(kinds.JOBS, name, done)["status"]
    assert status["uncountedTerminatedPods"] == {} and status["ready"] == status["terminating"] == 0
    assert "active" not in status
    return dict(status)


def kinds_of(status: Obj) -> list[tuple[str, str]]:
    return [(one["type"], one["reason"]) for one in status["conditions"]]


def pods(admin: Caller, job: str) -> list[Obj]:
    return list(admin("GET", f"{PODS}?labelSelector=job-name%3D{job}").body["items"])


def phase(cluster: Cluster, name: str, wanted: str) -> Obj:
    return cluster.wait_for(kinds.PODS, name, lambda pod: pod is not None and pod["status"]["phase"] == wanted)


def events(admin: Caller, name: str) -> list[tuple[str, str]]:
    found = admin("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{name}").body["items"]
    return [(one["reason"], one["message"]) for one in found]


def test_a_job_runs_and_its_output_is_its_pods_log(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("hi", "sh", "-c", "echo one; echo two >&2; echo three"))
    status = ended(cluster, "hi")
    assert (status["succeeded"], kinds_of(status)[-1]) == (1, ("Complete", "CompletionsReached"))
    (pod,) = pods(admin, "hi")
    name = pod["metadata"]["name"]
    state = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (pod["status"]["phase"], state["exitCode"], state["reason"]) == ("Succeeded", 0, "Completed")
    assert podding.TRACKING not in pod["metadata"].get("finalizers", ())
    log = f"{PODS}/{name}/log"
    assert admin("GET", log).body == "one\ntwo\nthree\n"
    assert admin("GET", f"{log}?tailLines=1").body == "three\n"
    stamped = admin("GET", f"{log}?timestamps=true").body.splitlines()
    moment, _, text = stamped[-1].partition(" ")
    assert (len(stamped), text) == (3, "three")
    assert admin("GET", f"{log}?sinceTime={moment}").body.endswith("three\n")
    assert admin("GET", f"{log}?sinceTime=2099-01-01T00:00:00Z").body == ""
    assert admin("GET", f"{log}?container=other").code == 400
    assert admin("GET", f"{log}?previous=true").body["message"].startswith("previous terminated container")
    told = [reason for reason, _ in events(admin, name)]
    assert told == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    assert [reason for reason, _ in events(admin, "hi")] == ["SuccessfulCreate", "Completed"]


def test_a_log_is_followed_until_its_container_ends(cluster: Cluster, admin: Caller) -> None:
    go = cluster.folder / "go"
    go_on = f"echo waiting; until [ -e {go} ]; do sleep 0.02; done; echo done"
    admin("POST", JOBS, job("long", "sh", "-c", go_on))
    cluster.settle()
    name = pods(admin, "long")[0]["metadata"]["name"]
    phase(cluster, name, "Running")
    running = cluster.wait_for(kinds.JOBS, "long", lambda one: bool(one and one["status"]["ready"]))["status"]
    assert (running["active"], running["terminating"]) == (1, 0)
    stream = admin.opened("GET", f"{PODS}/{name}/log?follow=true")
    assert stream.readline() == b"waiting\n"
    go.touch()
    assert stream.read() == b"done\n"


def test_indexes_are_told_to_containers_and_written_as_ranges(cluster: Cluster, admin: Caller) -> None:
    script = 'echo index $JOB_COMPLETION_INDEX; test "$JOB_COMPLETION_INDEX" != 3'
    spec = {"completionMode": "Indexed", "completions": 6, "parallelism": 3, "backoffLimitPerIndex": 1}
    body = job("many", "sh", "-c", script, **spec)
    del body["spec"]["backoffLimit"]
    admin("POST", JOBS, body)
    status = ended(cluster, "many")
    assert kinds_of(status) == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0-2,4,5", "3")
    assert (status["succeeded"], status["failed"]) == (5, 2), "the third index was tried twice"
    third = [pod for pod in pods(admin, "many") if podding.index_of(pod) == 3]
    assert sorted(pod["metadata"]["annotations"][podding.FAILURES] for pod in third) == ["0", "1"]
    assert third[0]["spec"]["hostname"] == "many-3" and third[0]["metadata"]["generateName"] == "many-3-"
    assert admin("GET", f"{PODS}/{third[0]['metadata']['name']}/log").body == "index 3\n"


def test_failures_are_tried_again_up_to_the_limit(cluster: Cluster, admin: Caller) -> None:
    body = job("bad", "sh", "-c", "exit 7")
    body["spec"]["backoffLimit"] = 2
    admin("POST", JOBS, body)
    status = ended(cluster, "bad")
    assert (status["failed"], kinds_of(status)[-1]) == (3, ("Failed", "BackoffLimitExceeded"))
    codes = [pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in pods(admin, "bad")]
    assert codes == [7, 7, 7]


def test_a_container_that_is_started_again_in_its_pod_has_a_log_before(cluster: Cluster, admin: Caller) -> None:
    body = job("again", "sh", "-c", "if [ -e been ]; then echo second; else touch been; echo first; exit 1; fi")
    body["spec"] |= {"backoffLimit": 3}
    body["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    admin("POST", JOBS, body)
    assert ended(cluster, "again")["succeeded"] == 1
    (pod,) = pods(admin, "again")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    log = f"{PODS}/{pod['metadata']['name']}/log"
    assert (admin("GET", log).body, admin("GET", f"{log}?previous=true").body) == ("second\n", "first\n")


def test_a_job_that_takes_too_long_is_ended(cluster: Cluster, admin: Caller) -> None:
    body = job("slow", "sleep", "100", activeDeadlineSeconds=1)
    admin("POST", JOBS, body)
    status = ended(cluster, "slow")
    assert kinds_of(status) == [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")]


def test_a_job_is_held_and_released(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("held", "true", suspend=True))
    cluster.settle()
    status = admin("GET", f"{JOBS}/held").body["status"]
    assert "startTime" not in status and kinds_of(status) == [("Suspended", "JobSuspended")]
    assert pods(admin, "held") == []
    admin("PATCH", f"{JOBS}/held", {"spec": {"suspend": False}}, MERGE)
    status = ended(cluster, "held")
    assert kinds_of(status)[0] == ("Suspended", "JobResumed")
    assert status["conditions"][0]["status"] == "False"


def test_a_job_goes_some_time_after_its_end(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("short", "true", ttlSecondsAfterFinished=0))
    cluster.wait_for(kinds.JOBS, "short", lambda one: one is None)
    cluster.settle()
    assert pods(admin, "short") == []


def test_who_is_deleted_is_asked_to_end_and_then_made_to(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("polite", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 100 & wait"))
    cluster.settle()
    name = pods(admin, "polite")[0]["metadata"]["name"]
    phase(cluster, name, "Running")
    stream = admin.opened("GET", f"{PODS}/{name}/log?follow=true")
    assert stream.readline() == b"up\n"
    with cluster.caller() as other:
        assert other("DELETE", f"{JOBS}/polite?propagationPolicy=Background").code == 200
    assert stream.read() == b"bye\n"
    cluster.wait_for(kinds.PODS, name, lambda one: one is None)


def test_files_of_a_config_map_lie_where_they_are_mounted(cluster: Cluster, admin: Caller) -> None:
    body = job("files", "/bin/sh", "/sjs/commands/run")
    spec = body["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": "commands", "configMap": {"name": "late"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "commands", "mountPath": "/sjs/commands", "readOnly": True}]
    spec["containers"][0]["env"] = [{"name": "WHO", "value": "you"}, {"name": "HI", "value": "hi $(WHO)"}]
    admin("POST", JOBS, body)
    cluster.settle()
    name = pods(admin, "files")[0]["metadata"]["name"]
    assert ("FailedMount", 'MountVolume.SetUp failed for volume "commands" : configmap "late" not found') in events(
        admin, name
    )
    waiting = admin("GET", f"{PODS}/{name}/log")
    assert (waiting.code, waiting.body["message"]) == (
        400,
        f'container "main" in pod "{name}" is waiting to start: ContainerCreating',
    )
    admin("POST", MAPS, config_map("late", {"run": 'echo "$HI"; . /sjs/commands/more', "more": "echo more"}))
    assert ended(cluster, "files")["succeeded"] == 1
    assert admin("GET", f"{PODS}/{name}/log").body == "hi you\nmore\n"


@pytest.mark.parametrize(
    ("said", "printed"),
    [({}, "tool default\n"), ({"args": ["mine"]}, "tool mine\n"), ({"command": ["echo", "other"]}, "other\n")],
)
def test_an_image_runs_something_by_itself(
    cluster: Cluster, admin: Caller, said: dict[str, list[str]], printed: str
) -> None:
    cluster.kubelet.images["tool:1"] = (("echo", "tool"), ("default",))
    body = job("by-itself")
    body["spec"]["template"]["spec"]["containers"] = [{"name": "main", "image": "tool:1", **said}]
    admin("POST", JOBS, body)
    assert ended(cluster, "by-itself")["succeeded"] == 1
    assert admin("GET", f"{PODS}/{pods(admin, 'by-itself')[0]['metadata']['name']}/log").body == printed


def test_volumes_of_other_kinds(cluster: Cluster, admin: Caller) -> None:
    cluster.add_claim("data")
    admin("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"word": "abra"}})
    admin("POST", MAPS, config_map("m", {"a": "1", "b": "2"}))
    sources = [{"secret": {"name": "s"}}, {"configMap": {"name": "m", "items": [{"key": "b", "path": "sub/b"}]}}]
    script = "cat /all/word /all/sub/b; ls /all; echo kept >> /data/file; cat /data/file; echo x > /scratch/x"
    for count, name in enumerate(("first", "second"), 1):
        body = job(name, "sh", "-c", script)
        spec = body["spec"]["template"]["spec"]
        spec["volumes"] = [
            {"name": "all", "projected": {"sources": sources}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "scratch"},
        ]
        spec["containers"][0]["volumeMounts"] = [
            {"name": one, "mountPath": f"/{one}"} for one in ("all", "data", "scratch")
        ]
        admin("POST", JOBS, body)
        assert ended(cluster, name)["succeeded"] == 1
        log = admin("GET", f"{PODS}/{pods(admin, name)[0]['metadata']['name']}/log").body
        assert log == "abra2sub\nword\n" + "kept\n" * count


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"image": "no/such:image"}, "BackOff", 'Back-off pulling image "no/such:image"'),
        (
            {"resources": {"requests": {"cpu": "9"}}},
            "FailedScheduling",
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 Preemption is not helpful for scheduling.",
        ),
    ],
)
def test_why_a_pod_does_not_start(
    cluster: Cluster, admin: Caller, change: dict[str, Any], reason: str, message: str
) -> None:
    body = job("stuck", "true")
    body["spec"]["template"]["spec"]["containers"][0] |= change
    admin("POST", JOBS, body)
    cluster.settle()
    (pod,) = pods(admin, "stuck")
    assert (reason, message) in events(admin, pod["metadata"]["name"])
    assert pod["status"]["phase"] == "Pending"


def test_a_pod_waits_for_its_turn(cluster: Cluster, admin: Caller) -> None:
    go = cluster.folder / "go"
    for name, cpus in (("first", "6"), ("second", "6"), ("small", "2")):
        body = job(name, "sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done")
        body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpus}}
        admin("POST", JOBS, body)
    cluster.settle()
    for name in ("first", "small"):
        phase(cluster, pods(admin, name)[0]["metadata"]["name"], "Running")
    waiting = pods(admin, "second")[0]["status"]
    assert (waiting["phase"], waiting["conditions"][0]["reason"]) == ("Pending", "Unschedulable")
    go.touch()
    assert ended(cluster, "second")["succeeded"] == 1


def test_a_quota_keeps_pods_from_being_made(cluster: Cluster, admin: Caller) -> None:
    cluster.add_quota("few", {"requests.cpu": "3"})
    body = job("two", "sleep", "100", parallelism=2, completions=2)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
    admin("POST", JOBS, body)
    cluster.settle()
    assert len(pods(admin, "two")) == 1
    told = dict(events(admin, "two"))["FailedCreate"]
    assert told.startswith('Error creating: pods "two-') and told.endswith(
        "is forbidden: exceeded quota: few, requested: requests.cpu=2, used: requests.cpu=2, limited: requests.cpu=3"
    )
    (quota,) = admin("GET", "/api/v1/namespaces/default/resourcequotas").body["items"]
    assert quota["status"] == {"hard": {"requests.cpu": "3"}, "used": {"requests.cpu": "2"}}


def test_a_command_that_is_not_there_is_told(cluster: Cluster, admin: Caller) -> None:
    admin("POST", JOBS, job("typo", "no-such-command"))
    assert ended(cluster, "typo")["failed"] == 1
    state = pods(admin, "typo")[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"], state["startedAt"]) == (128, "StartError", "1970-01-01T00:00:00Z")
    assert 'exec: "no-such-command": executable file not found in $PATH' in state["message"]


def test_pods_wait_while_the_node_is_held(cluster: Cluster, admin: Caller) -> None:
    with cluster.kubelet.held():
        admin("POST", JOBS, job("later", "true"))
        cluster.settle()
        (pod,) = pods(admin, "later")
        assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"
    assert ended(cluster, "later")["succeeded"] == 1
