"""What happens seldom: lists in many pages, quotas, nodes that can not take a pod, names that come again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sjs.core.job import Retry, Spec
from sjs.core.needs import Needs
from sjs.errors import ConfigError, Conflict, Full, Refused
from sjs.targets.kubernetes import api, manifest, names, plugin
from sjs.targets.kubernetes.credentials import Proof, prove
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target, until
from tests.kube.kinds import CONFIGMAPS, JOBS

ONE = Spec(command="true")
FOUR = [Spec(command=f"exit {number}") for number in range(4)]


def test_a_list_comes_in_pages_and_anew_when_the_next_one_is_no_more(
    still: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    one = target(still)
    for number in range(7):
        hand_in(one, ONE, key=f"k{number}/0")
    still.settle()
    still.api.seen.clear()
    assert [job.id for job in target(still).list()] == list(range(7))
    assert still.api.counts()["list", "jobs"] == 4
    found = api.Api.ask
    shown = still.store.all(JOBS, "default")[0]

    def ask(self: api.Api, method: str, path: str, *more: object, **named: object) -> api.Object:
        query = more[0] if more else {}
        if isinstance(query, dict) and "continue" in query and still.store.get(JOBS, "default", name):
            still.store.remove(JOBS, shown)  # it was on the first page, which is of another time than the next would be
            still.store.compact()
        return found(self, method, path, *more, **named)  # type: ignore[arg-type]

    name = shown["metadata"]["name"]
    monkeypatch.setattr(api.Api, "ask", ask)
    still.api.seen.clear()
    there = [number for number in range(7) if str(number) != shown["metadata"]["labels"]["sjs.dev/first"]]
    assert [job.id for job in target(still).list()] == there
    assert still.api.counts()["list", "jobs"] == 3, "a page, one that is no more, and all of it in one piece"
    monkeypatch.undo()
    monkeypatch.setattr(api, "PAGE", 2)
    still.faults.answer(410, verb="list", resource="jobs")
    with pytest.raises(Refused, match="too old"):
        list(target(still).list())


def test_a_quota_is_what_there_is_room_for(cluster: Cluster) -> None:
    cluster.add_quota("small", {"count/jobs.batch": "2", "requests.cpu": "64"})
    one = target(cluster)
    until(lambda: target(cluster).report().report.max_running == 2, "the quota has been counted")
    hand_in(one, ONE)
    one.post("key/1", [ONE, ONE.but(timeout=5.0)], if_free=True)
    with pytest.raises(Full):
        one.collect()
    hand_in(one, ONE, key="key/2")
    until(lambda: "the quota small allows 2 jobs" in target(cluster).report().trouble, "the quota is used up")


def test_why_names_a_quota_that_keeps_pods_away(cluster: Cluster) -> None:
    cluster.add_quota("few", {"pods": "0"})
    hand_in(target(cluster), ONE)
    found = until(lambda: [x for x in target(cluster).why(0) if "quota" in x], "the controller has said why")
    assert found[0].startswith("the quota is used up: ")
    assert "exceeded quota: few" in found[0]


def test_why_has_the_words_of_the_scheduler(cluster: Cluster) -> None:
    hand_in(target(cluster), ONE.but(needs=Needs(cpus=64)))
    found = until(lambda: [x for x in target(cluster).why(0) if "node" in x and "Insufficient" in x], "it has looked")
    assert found[0].startswith("no node can take it: 0/1 nodes are available: 1 Insufficient cpu")


def test_why_names_what_can_not_be_mounted(cluster: Cluster) -> None:
    said = '{"volumes": ["configmap:none:/none"]}'
    hand_in(target(cluster), ONE.but(native=(("kubernetes", said),)))
    found = until(lambda: [x for x in target(cluster).why(0) if "mounted" in x], "the kubelet has tried")
    assert found[0].startswith("a volume can not be mounted: MountVolume.SetUp failed")


def test_some_of_one_job_are_neither_held_nor_removed(still: Cluster) -> None:
    one = target(still)
    hand_in(one, *FOUR)
    assert list(one.change("hold", None)) == [(0, 3)]
    with pytest.raises(Refused, match="can not be released without the others"):
        one.change("release", [(1, 1)])
    one.change("release", None)
    begin(still, pods(still, 0)[0])
    with pytest.raises(Refused, match="to hold the others would end them"):
        one.change("hold", [(0, 3)])
    one.cancel(None, grace=1)
    still.settle()


def test_who_begins_while_it_is_to_be_held_is_let_run(still: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(still)
    hand_in(one, ONE)
    still.settle()
    patch = api.Api.patch

    def late(self: api.Api, kind: str, name: str, body: api.Object) -> api.Object:
        if pods(still)[0]["status"]["phase"] == "Pending":
            begin(still, pods(still)[0])
        return patch(self, kind, name, body)

    monkeypatch.setattr(api.Api, "patch", late)
    assert list(one.change("hold", None)) == []
    assert [job.state for job in one.list([(0, 0)])] == ["running"]


def test_a_retry_can_be_retried_and_is_removed_with_all_its_tries(still: Cluster) -> None:
    one = target(still)
    hand_in(one, ONE)
    for code in (1, 2, 3):
        end(still, begin(still, [pod for pod in pods(still) if pod["status"]["phase"] == "Pending"][0]), code)
        if code < 3:
            assert list(one.change("again", None)) == [(0, 0)]
    details = one.details(0)
    assert [attempt["exit"] for attempt in details.attempts] == [1, 2, 3]
    assert [attempt["attempt"] for attempt in details.attempts] == [1, 2, 3]
    assert list(one.change("clean", None)) == [(0, 0)]
    still.settle()
    assert still.store.all(JOBS, "default") == []


def test_many_go_together_with_the_tries_of_each(still: Cluster) -> None:
    one = target(still)
    hand_in(one, *FOUR)
    hand_in(one, ONE, key="one/0")
    for pod in pods(still)[1:]:
        end(still, begin(still, pod))
    with pytest.raises(Refused, match="jobs 0-3 are one Indexed Job, which is removed as a whole"):
        one.change("clean", [(1, 1)])
    assert list(one.change("clean", None)) == [(4, 4)]
    end(still, begin(still, pods(still, 0)[0]), 1)
    one.change("again", [(0, 0)])
    assert list(one.change("clean", None)) == []
    end(still, begin(still, [pod for pod in pods(still) if pod["status"]["phase"] == "Pending"][0]))
    assert list(one.change("clean", None)) == [(0, 3)]
    still.settle()
    assert still.store.all(JOBS, "default") == []
    assert [found["metadata"]["name"] for found in still.store.all(CONFIGMAPS, "default")] == ["sjs-queue-sjs"]


def test_a_retry_is_tried_again_after_the_same_ends(still: Cluster) -> None:
    one = target(still)
    hand_in(one, *(spec.but(retry=Retry(1, on=("exit:75",))) for spec in FOUR))
    for _ in range(2):
        waiting = [pod for pod in pods(still, 0) if pod["status"]["phase"] == "Pending"]
        end(still, begin(still, waiting[0]), 75)
    assert list(one.change("again", [(0, 0)])) == [(0, 0)]
    made = next(job for job in still.store.all(JOBS, "default") if job["metadata"]["labels"].get("sjs.dev/key") is None)
    (rule,) = made["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"], made["spec"]["backoffLimit"]) == ("FailJob", [75], 1)


def test_a_map_of_a_job_that_is_no_more_makes_room(still: Cluster) -> None:
    one = target(still)
    hand_in(one, *FOUR)
    still.settle()
    maps = [found for found in still.store.all(CONFIGMAPS, "default") if "ownerReferences" in found["metadata"]]
    for found in still.store.all(JOBS, "default"):
        still.store.remove(JOBS, found)
    still.settle()
    for found in maps:  # as if nobody had collected them yet
        if still.store.get(CONFIGMAPS, "default", found["metadata"]["name"]) is None:
            still.store.create(CONFIGMAPS, found)
    assert hand_in(one, *FOUR) == 4
    uids = {found["metadata"]["uid"] for found in still.store.all(JOBS, "default")}
    owners = {
        found["metadata"]["ownerReferences"][0]["uid"]
        for found in still.store.all(CONFIGMAPS, "default")
        if "ownerReferences" in found["metadata"]
    }
    assert owners == uids
    mine = [spec.but(native=(("kubernetes", '{"job_name": "mine"}'),)) for spec in FOUR]
    name = names.map_name("mine", names.RUN, 0, manifest.digest(mine))
    still.create(CONFIGMAPS, {"metadata": {"name": name}, "data": {"a": "b"}})
    with pytest.raises(Conflict, match=f"a ConfigMap {name} is there already"):
        hand_in(one, *mine, key="mine/0")


def test_specs_that_nobody_can_read_any_more_are_said_to_be_so(still: Cluster) -> None:
    one = target(still)
    hand_in(one, *FOUR)
    for found in still.store.all(CONFIGMAPS, "default"):
        still.store.remove(CONFIGMAPS, found)
    jobs = list(target(still).list())
    assert [job.id for job in jobs] == [0, 1, 2, 3]
    assert {job.spec.is_known for job in jobs} == {False}


def test_what_persons_write_on_our_jobs_breaks_nothing(still: Cluster) -> None:
    one = target(still)
    hand_in(one, ONE)
    hand_in(one, ONE, key="other/0")
    still.settle()
    first, second = still.store.all(JOBS, "default")
    for job, key, value in ((first, "sjs.dev/count", "many"), (second, "sjs.dev/cancelled", "yes")):
        meta = {**job["metadata"], "annotations": {**job["metadata"]["annotations"], key: value}}
        still.store.replace(JOBS, {**job, "metadata": meta})
    assert len(list(target(still).list())) == 1


def test_the_group_of_a_user_comes_from_a_map(still: Cluster) -> None:
    still.create(CONFIGMAPS, {"metadata": {"name": "me"}, "data": {"ceph.gid": "4711"}})
    hand_in(target(still, user_configmap="me"), ONE)
    (job,) = still.store.all(JOBS, "default")
    assert job["spec"]["template"]["spec"]["securityContext"] == {"supplementalGroups": [4711]}


def test_other_ways_to_say_who_one_is(tmp_path: Path) -> None:
    def refresh(config: object) -> str:
        raise AssertionError

    def proof(**user: object) -> Proof:
        return prove(user, {"server": "https://h"}, {"PATH": "/usr/bin:/bin"}, refresh)

    token = tmp_path / "token"
    token.write_text("abc\n")
    assert proof(tokenFile=str(token), token="old").header == "Bearer abc"
    assert proof(username="me", password="secret").header == "Basic bWU6c2VjcmV0"
    script = tmp_path / "plugin"
    script.write_text('#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" >&2\n')
    script.write_text(
        '#!/bin/sh\nprintf \'{"status": {"token": "%s"}}\' '
        '"$(printf %s "$KUBERNETES_EXEC_INFO" | tr -cd a-z:/. | cut -c1-200)"\n'
    )
    script.chmod(0o755)
    said_of_it = {"apiVersion": plugin.VERSIONS[0], "command": str(script), "provideClusterInfo": True}
    assert "server:https://h" in proof(exec=said_of_it).header
    for user, said in (
        ({"token": "a\nb"}, "more than one line"),
        ({"tokenFile": str(tmp_path / "none")}, "the token cannot be read"),
        ({"client-certificate-data": "x"}, "no base64"),
        ({"exec": {"apiVersion": "v0", "command": "x"}}, "known are"),
    ):
        with pytest.raises(ConfigError, match=said):
            proof(**json.loads(json.dumps(user)))
