"""Who we are to a cluster, and what becomes of questions when it is not well. Each outage is the server's own."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from pathlib import Path

import pytest

from sjs.core.job import Spec
from sjs.errors import ConfigError, NotReached, Refused, SjsError, Unreachable, UsageError
from sjs.extras import how_to_get
from sjs.targets.kubernetes import api, connection, credentials, trouble
from sjs.targets.kubernetes.connection import Connection, lost
from sjs.targets.kubernetes.kubeconfig import from_pod, load
from tests.kube import kubeconfig
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, target, until

ONE = Spec(command="echo one")


def refused(said: type[SjsError] | tuple[type[SjsError], ...], cluster: Cluster, path: Path) -> str:
    with pytest.raises(said) as raised:
        target(cluster, kubeconfig=str(path)).report()
    text = str(raised.value)
    assert "\n" not in text
    assert "token-" not in text
    return text


def test_a_certificate_says_who_one_is(cluster: Cluster) -> None:
    path = kubeconfig.by_certificate(cluster.folder, cluster.server.url, cluster.authority, "admin", "default")
    assert target(cluster, kubeconfig=str(path)).report().counts == {}
    said = json.loads(path.read_text())
    user = said["users"][0]["user"]
    data = {f"{key}-data": base64.b64encode(Path(value).read_bytes()).decode() for key, value in user.items()}
    said["users"][0]["user"] = data
    path.write_text(json.dumps(said))
    assert target(cluster, kubeconfig=str(path)).report().counts == {}
    said["users"][0]["user"] = {**data, "client-key-data": base64.b64encode(b"no key").decode()}
    path.write_text(json.dumps(said))
    assert "do not fit" in refused(ConfigError, cluster, path)


def test_a_plugin_is_asked_once_and_again_when_its_token_has_expired(cluster: Cluster) -> None:
    folder = cluster.folder
    path = kubeconfig.by_plugin(folder, cluster.server.url, cluster.authority, "admin", "token-admin", "default")
    calls = folder / "admin.calls"
    one = target(cluster, kubeconfig=str(path))
    one.report()
    one.report()
    assert calls.read_text().count("called") == 1
    cluster.accounts.expire("token-admin")
    cluster.accounts.tokens["token-new"] = "admin"
    (folder / "admin.token").write_text("token-new")
    one.report()
    assert calls.read_text().count("called") == 2
    (folder / "admin.token").write_text("token-wrong")
    cluster.accounts.expire("token-new")
    with pytest.raises(Unreachable, match=r"does not take our credentials \(log in again"):
        one.report()


def test_a_token_expires_while_somebody_waits(cluster: Cluster) -> None:
    folder = cluster.folder
    path = kubeconfig.by_plugin(folder, cluster.server.url, cluster.authority, "admin", "token-admin", "default")
    one = target(cluster, kubeconfig=str(path))
    hand_in(one, ONE)
    until(lambda: next(one.list()).state == "succeeded", "it is done")
    cluster.settle()
    version = one.changes()
    cluster.accounts.expire("token-admin")
    cluster.accounts.tokens["token-new"] = "admin"
    (folder / "admin.token").write_text("token-new")
    other = target(cluster, kubeconfig=str(path))
    thread = threading.Timer(0.1, lambda: hand_in(other, ONE, key="other/0"))
    thread.start()
    assert one.changes(version, 20.0) != version
    thread.join(20)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "exit status 3"),
        ("echo nothing", "answered no credential"),
        ("echo '{\"status\": {}}'", "neither token nor certificate"),
        ("echo bad login >&2; exit 1", "exit status 1: bad login"),
    ],
)
def test_a_plugin_that_fails_is_named_with_what_it_says(cluster: Cluster, script: str, said: str) -> None:
    path = kubeconfig.by_plugin(cluster.folder, cluster.server.url, cluster.authority, "admin", "t", "default")
    (cluster.folder / "admin.plugin").write_text(f"#!/bin/sh\n{script}\n")
    assert said in refused(UsageError, cluster, path)
    (cluster.folder / "admin.plugin").unlink()
    assert "is not installed" in refused(UsageError, cluster, path)


def test_a_pod_is_told_where_its_cluster_is(cluster: Cluster, tmp_path: Path) -> None:
    account = kubeconfig.in_cluster(tmp_path / "account", cluster.authority, "token-admin", "default")
    host, _, port = cluster.server.url.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    access = from_pod(environ, str(account))
    assert access.namespace == "default"
    one = Connection(lambda: from_pod(environ, str(account)), {})
    assert one.send("GET", "/api/v1/namespaces/default/pods").status == 200
    cluster.accounts.expire("token-admin")
    cluster.accounts.tokens["token-new"] = "admin"
    (account / "token").write_text("token-new\n")
    assert one.send("GET", "/api/v1/namespaces/default/pods").status == 200
    with pytest.raises(ConfigError, match="no pod with a service account"):
        from_pod({}, str(account))


def test_several_files_are_one_and_the_first_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]\n")
    second.write_text(
        "clusters: [{name: c, cluster: {server: 'https://h:1', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {tokenFile: t}}]\ncurrent-context: y\n"
    )
    access = load({"KUBECONFIG": f"{first}:{tmp_path / 'none'}:{second}"})
    assert (access.server, access.namespace) == ("https://h:1", "n")
    assert access.user == {"tokenFile": str(tmp_path / "t")}
    assert access.cluster["certificate-authority"] == str(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no YAML"),
        ("[]", "names no current-context"),
        ("- a", "is no kubeconfig"),
        ("current-context: x", "has no context 'x'"),
        ("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "has no cluster 'c'"),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]",
            "has no server",
        ),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said_without_what_is_in_it(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load({}, str(path))
    with pytest.raises(ConfigError, match="no such file"):
        load({"HOME": str(tmp_path)})


def test_a_cluster_that_can_not_show_who_it_is_gets_no_token(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.kubeconfig()
    said = json.loads(path.read_text())
    del said["clusters"][0]["cluster"]["certificate-authority-data"]
    path.write_text(json.dumps(said))
    one = Connection(lambda: load({}, str(path)), {})
    with pytest.raises(Unreachable, match="can not show that it is this cluster"):
        one.send("GET", "/api/v1/namespaces/default/pods")
    said["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path.write_text(json.dumps(said))
    assert Connection(lambda: load({}, str(path)), {}).send("GET", "/api/v1/namespaces/default/pods").status == 200


@pytest.mark.parametrize("code", [429, 500, 503, 504])
def test_a_server_that_is_busy_is_asked_again(cluster: Cluster, code: int) -> None:
    one = target(cluster)
    cluster.faults.answer(code, times=2, verb="create", resource="jobs", retry_after=0)
    assert hand_in(one, ONE) == 0
    assert cluster.api.counts()["create", "jobs"] == 3
    assert len(list(one.list())) == 1


def test_it_is_left_alone_for_as_long_as_it_says(cluster: Cluster) -> None:
    one = target(cluster)
    one.report()
    cluster.faults.answer(429, verb="list", resource="resourcequotas", retry_after=1)
    began = time.monotonic()
    one.report()
    assert time.monotonic() - began >= 1


def test_a_server_that_is_restarted_is_waited_for(cluster: Cluster) -> None:
    told: list[str] = []
    one = target(cluster, told)
    hand_in(one, ONE)
    cluster.server.stop()
    thread = threading.Timer(0.5, cluster.server.start)
    thread.start()
    assert [job.id for job in one.list()] == [0]
    assert [line.partition(";")[2] for line in told] == [" asking again for 30 seconds"]
    thread.join(20)


@pytest.mark.parametrize("code", [401, 403])
def test_one_that_is_just_back_may_know_nobody_yet(
    cluster: Cluster, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAUSES", (0.01,))
    one = target(cluster)
    hand_in(one, ONE)
    cluster.faults.answer(code, times=2, verb="list", resource="jobs")
    with pytest.raises((Refused, Unreachable)):
        next(one.list())
    assert cluster.faults.pending[0].times == 1
    cluster.faults.reset(verb="list", resource="jobs")
    cluster.faults.pending.reverse()
    assert [job.id for job in one.list()] == [0]
    monkeypatch.setattr(api, "SETTLING", 0.0)
    one.change("hold", None)
    cluster.faults.reset(verb="list", resource="jobs")
    cluster.faults.answer(code, verb="list", resource="jobs")
    with pytest.raises((Refused, Unreachable)):
        next(one.list())


def test_one_that_was_never_there_is_told_of_at_once(cluster: Cluster) -> None:
    one = target(cluster)
    cluster.server.stop()
    with pytest.raises(NotReached, match="is not reached"):
        one.report()
    cluster.server.start()
    assert one.report().counts == {}


def test_what_is_not_allowed_is_said_with_who_can_help(cluster: Cluster) -> None:
    cluster.add_namespace("lab")
    cluster.accounts.forbid("admin", "create", resource="jobs")
    one = target(cluster)
    with pytest.raises(Refused, match=r"not allowed: .*cannot create resource .*\(who manages namespace default"):
        hand_in(one, ONE)
    with pytest.raises(Refused, match="who manages namespace lab can give"):  # the entry's, not the context's
        hand_in(target(cluster, namespace="lab"), ONE)
    cluster.accounts.forbid("admin", "list", resource="resourcequotas")
    assert one.report().report.max_running == 1000


def test_without_the_extra_a_line_says_what_to_install(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    one = target(cluster)
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(UsageError, match=re.escape(how_to_get("kubernetes"))):
        one.report()


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1", "NO_PROXY": "example.org"}, ""),
        ({"https_proxy": "http://p:1", "no_proxy": ".org"}, ""),
        ({"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8,other"}, "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "*"}, ""),
        ({"http_proxy": "http://p:1"}, ""),
    ],
)
def test_proxies_are_those_of_the_environment(environ: dict[str, str], proxy: str) -> None:
    assert connection._proxy("https://k8s.example.org:6443", environ) == proxy


def test_a_network_is_without_proxy() -> None:
    environ = {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}
    assert connection._proxy("https://10.1.2.3", environ) == ""


def test_words_of_libraries_become_ours() -> None:
    import urllib3
    from urllib3.exceptions import ProtocolError

    assert "the connection broke" in str(lost(ProtocolError("x"), "https://h:1"))
    assert isinstance(lost(urllib3.exceptions.HTTPError("odd"), "https://h:1"), Unreachable)


def test_a_token_from_openid_is_used_until_it_has_expired() -> None:
    def token(at: float) -> str:
        return f"h.{base64.urlsafe_b64encode(json.dumps({'exp': at}).encode()).decode().rstrip('=')}.s"

    asked: list[object] = []

    def refresh(config: object) -> str:
        asked.append(config)
        return "new"

    def header(**config: str) -> str:
        user = {"auth-provider": {"name": "oidc", "config": config}}
        return credentials.prove(user, {}, {}, refresh).header

    assert header(**{"id-token": token(time.time() + 900)}).startswith("Bearer h.")
    assert asked == []
    assert header(**{"id-token": token(0), "refresh-token": "r"}) == "Bearer new"
    with pytest.raises(UsageError, match="has expired"):
        header(**{"id-token": token(0)})
    with pytest.raises(ConfigError, match="gcp is no more"):
        credentials.prove({"auth-provider": {"name": "gcp"}}, {}, {}, refresh)


def test_what_makes_no_sense_is_no_answer() -> None:
    assert isinstance(trouble.error_of(200 + 218, b"<html>", "n"), trouble.Rejected)
    assert "HTTP 502" in str(trouble.error_of(502, b"<html>bad gateway", "n"))
