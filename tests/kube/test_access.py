"""Who is let in and how, what they may, and what goes wrong between client and server."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.kube import kinds
from tests.kube.auth import Account, Rule
from tests.kube.caller import Caller
from tests.kube.cluster import Cluster
from tests.kube.test_objects import JOBS, MAPS, config_map, job

ROOT = Path(__file__).parents[2]


def test_a_certificate_says_who_asks(cluster: Cluster) -> None:
    path = cluster.kubeconfig_by_certificate("carol")
    user = json.loads(path.read_text())["users"][0]["user"]
    files = Path(user["client-certificate"]), Path(user["client-key"])
    with Caller(cluster.server.port, cluster.authority.ca_file, certificate=files) as carol:
        assert carol("GET", JOBS).code == 401, "the certificate is good, but there is no such user"
        cluster.accounts.add(Account("carol", (Rule(("list",), ("jobs",)),)))
        assert carol("GET", JOBS).code == 200
        refused = carol("GET", MAPS).body["message"]
    assert refused == (
        'configmaps is forbidden: User "carol" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    assert {one.user for one in cluster.api.seen} == {"carol"}


def test_a_token_expires_and_a_plugin_brings_another(cluster: Cluster) -> None:
    path = cluster.kubeconfig_by_plugin("dave")
    plugin = json.loads(path.read_text())["users"][0]["user"]["exec"]["command"]

    def token() -> str:
        done = subprocess.run([plugin], capture_output=True, check=True)
        return str(json.loads(done.stdout)["status"]["token"])

    with Caller(cluster.server.port, cluster.authority.ca_file, token()) as dave:
        assert dave("GET", JOBS).code == 200
        cluster.renew_token("dave")
        assert dave("GET", JOBS).code == 401
    with Caller(cluster.server.port, cluster.authority.ca_file, token()) as dave:
        assert dave("GET", JOBS).code == 200
    assert (cluster.folder / "dave.calls").read_text().count("called") == 2


def test_a_pods_own_files_say_where_and_who(cluster: Cluster) -> None:
    folder = cluster.in_cluster(cluster.folder / "serviceaccount", "admin")
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert texts["namespace"] == "default"
    with Caller(cluster.server.port, folder / "ca.crt", texts["token"]) as pod:
        assert pod("GET", JOBS).code == 200


def test_verbs_are_forbidden_and_allowed_again(cluster: Cluster, admin: Caller) -> None:
    cluster.accounts.forbid("admin", "delete", resource="jobs")
    admin("POST", JOBS, job("x", "true"))
    assert admin("DELETE", f"{JOBS}/x").body["message"].startswith('jobs.batch "x" is forbidden: User "admin" cannot')
    cluster.accounts.allow_again("admin")
    assert admin("DELETE", f"{JOBS}/x").code == 200


def test_nobody_is_known_from_now_on(cluster: Cluster, admin: Caller) -> None:
    cluster.accounts.refusing_all = True
    assert (admin("GET", JOBS).code, admin("GET", "/version").code) == (401, 401)
    cluster.accounts.refusing_all = False
    with Caller(cluster.server.port, cluster.authority.ca_file) as nobody:
        refused = nobody("GET", JOBS)
    assert (refused.code, 'User "system:anonymous"' in refused.body["message"]) == (403, True)


def test_one_can_ask_what_one_may(cluster: Cluster) -> None:
    cluster.add_user("viewer", (Rule(("list",), ("jobs",)),))
    with cluster.caller("viewer") as viewer:

        def allowed(verb: str) -> bool:
            asked = {"spec": {"resourceAttributes": {"verb": verb, "resource": "jobs", "namespace": "default"}}}
            path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            return bool(viewer("POST", path, asked).body["status"]["allowed"])

        assert (allowed("list"), allowed("delete")) == (True, False)


def test_faults_come_as_often_as_asked_for(cluster: Cluster, admin: Caller) -> None:
    cluster.faults.answer(429, times=2, verb="create", resource="jobs", retry_after=1)
    cluster.faults.answer(503, resource="configmaps")
    first = admin("POST", JOBS, job("x", "true"))
    assert (first.code, first.headers["Retry-After"]) == (429, "1")
    assert first.body == "Too many requests, please try again later.\n", "it is no Status"
    assert admin("GET", MAPS).code == 503
    assert [admin("POST", JOBS, job("x", "true")).code for _ in range(3)] == [429, 201, 409]
    assert admin("GET", MAPS).code == 200
    assert cluster.api.counts()["create", "jobs"] == 4


@pytest.mark.parametrize("done_first", [False, True])
def test_an_answer_is_lost_before_or_after_what_it_tells_of(cluster: Cluster, done_first: bool) -> None:
    cluster.faults.reset(verb="create", done_first=done_first)
    with cluster.caller() as caller, pytest.raises((HTTPException, OSError)):
        caller("POST", MAPS, config_map("ids"))
    with cluster.caller() as caller:
        assert caller("GET", f"{MAPS}/ids").code == (200 if done_first else 404)


def test_answers_are_held(cluster: Cluster) -> None:
    with cluster.caller() as caller:
        with cluster.faults.answers_held():
            caller.send("GET", MAPS)
            cluster.faults.wait_for_waiting(1)
        assert caller.answer().code == 200


def test_it_is_a_process_of_its_own_as_well(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.kube", str(tmp_path)]
    calls = ['["faults.answer", {"code": 500}]', '["counts", {}]', '["nonsense", {}]']
    done = subprocess.run(argv, input="\n".join(calls), capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    hello, *answers = (json.loads(line) for line in done.stdout.splitlines())
    assert Path(hello["kubeconfig"]).exists() and hello["url"].startswith("https://127.0.0.1:")
    assert answers[:2] == [{"ok": True}, {"counts": {}}]
    assert answers[2]["error"].startswith("no such call: nonsense")


def test_what_a_namespace_has_goes_with_it(cluster: Cluster, admin: Caller) -> None:
    cluster.add_namespace("other")
    elsewhere = MAPS.replace("default", "other")
    assert admin("POST", elsewhere, config_map("m")).code == 201
    admin("DELETE", "/api/v1/namespaces/other")
    assert cluster.store.all(kinds.CONFIGMAPS, "other") == []
    late = admin("POST", elsewhere, config_map("m"))
    assert (late.code, late.body["message"]) == (404, 'namespaces "other" not found')
