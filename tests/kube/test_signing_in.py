"""Who we are to a cluster, by programs, by issuers of tokens, and as somebody else."""

from __future__ import annotations

import base64
import json
import os
import pty
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from sjs.errors import ConfigError, Refused, SjsError, Unreachable, UsageError
from sjs.targets.kubernetes import credentials, keeping, plugin
from sjs.targets.kubernetes.connection import Connection
from sjs.targets.kubernetes.credentials import Proof
from sjs.targets.kubernetes.kubeconfig import finder, load
from tests.kube.auth import Account, Rule
from tests.kube.cluster import Cluster
from tests.kube.doing import target
from tests.kube.making import stamp

PODS = "/api/v1/namespaces/default/pods"
V1, V1BETA1 = plugin.VERSIONS
CLUSTER = {
    "server": "https://h:1",
    "certificate-authority-data": base64.b64encode(b"the CA").decode(),
    "proxy-url": "http://p:1",
    "tls-server-name": "name",
    "extensions": [
        {"name": "elsewhere", "extension": {"no": "business"}},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
    ],
}


def script(folder: Path, text: str) -> str:
    path = folder / "the-plugin"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def answer(folder: Path, **status: str) -> str:
    """A plugin that answers this, and writes down what it was told."""
    said = json.dumps({"kind": "ExecCredential", "status": status})
    return script(
        folder, f'printf %s "$KUBERNETES_EXEC_INFO" > {folder}/told; echo "$MORE" >> {folder}/more\ncat <<E\n{said}\nE'
    )


def ask(command: str, cluster: Mapping[str, Any] | None = None, **said: Any) -> Proof:
    path = {"PATH": os.environ["PATH"]}
    return plugin.ask({"apiVersion": V1, "command": command, **said}, cluster or {}, path, Proof())


@contextmanager
def terminal(typed: bytes) -> Iterator[None]:
    """Stdin is one, at which somebody types this."""
    there, here = pty.openpty()
    before = os.dup(0)
    os.dup2(here, 0)
    try:
        os.write(there, typed)
        yield
    finally:
        os.dup2(before, 0)
        for fd in (before, here, there):
            os.close(fd)


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_plugin_that_wants_it_is_told_of_its_cluster(tmp_path: Path, version: str) -> None:
    command = answer(tmp_path, token="t\n")
    more = [{"name": "MORE", "value": "of it"}]
    assert ask(command, CLUSTER, apiVersion=version, provideClusterInfo=True, env=more).header == "Bearer t"
    told = json.loads((tmp_path / "told").read_text())
    assert told == {
        "kind": "ExecCredential",
        "apiVersion": version,
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://h:1",
                "tls-server-name": "name",
                "proxy-url": "http://p:1",
                "certificate-authority-data": CLUSTER["certificate-authority-data"],
                "config": {"audience": "x"},
            },
        },
    }
    assert (tmp_path / "more").read_text() == "of it\n"
    ask(command, CLUSTER, apiVersion=version)
    assert "cluster" not in json.loads((tmp_path / "told").read_text())["spec"]


@pytest.mark.parametrize(
    ("mode", "token"), [("Never", ""), ("IfAvailable", "typed"), ("Always", "typed"), (None, "typed")]
)
def test_a_plugin_may_ask_who_sits_there(tmp_path: Path, mode: str | None, token: str) -> None:
    """Who may not is told so, and reads nothing."""
    command = script(tmp_path, 'read line; echo "{\\"status\\": {\\"token\\": \\"x$line\\"}}"')
    with terminal(b"typed\n"):
        assert ask(command, interactiveMode=mode).header == f"Bearer x{token}"
    command = answer(tmp_path, token="t")
    with terminal(b""):
        ask(command, interactiveMode=mode)
    assert json.loads((tmp_path / "told").read_text())["spec"] == {"interactive": bool(token)}


def test_who_has_to_ask_and_can_not_is_not_run(tmp_path: Path) -> None:
    command = answer(tmp_path, token="t")
    with pytest.raises(UsageError, match="has to ask somebody, and stdin is no terminal"):
        ask(command, interactiveMode="Always")
    assert not (tmp_path / "told").exists()
    assert ask(command, interactiveMode="IfAvailable").header == "Bearer t"
    with pytest.raises(ConfigError, match="known are Never, IfAvailable, Always"):
        ask(command, interactiveMode="Sometimes")
    with pytest.raises(UsageError, match=r"failed: signal 9 \(log in"):
        ask(script(tmp_path, "kill -9 $$"))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"clientCertificateData": "x"}, "a certificate and no key"),
        ({"token": "t", "expirationTimestamp": "soon"}, "answered no credential"),
    ],
)
def test_half_an_answer_is_none(tmp_path: Path, status: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(answer(tmp_path, **status))


def test_who_lacks_a_plugin_is_told_where_it_is_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        ask("no-such-plugin", installHint="Get it\n  from https://example.org.\n")
    assert str(raised.value) == (
        "the kubeconfig's exec plugin no-such-plugin is not installed (Get it from https://example.org.)"
    )


def test_a_credential_is_not_used_once_it_has_expired(cluster: Cluster) -> None:
    """Nor asked about: the server is never shown an old one."""
    path = cluster.kubeconfig_by_plugin("dave")
    calls, expires = cluster.folder / "dave.calls", cluster.folder / "dave.expires"
    expires.write_text(stamp(time.time() + 3_600))
    one = Connection(lambda: load({}, str(path)), {})
    for _ in range(2):
        assert one.send("GET", PODS).status == 200
    assert calls.read_text().count("called") == 1
    assert one._proof is not None
    one._proof = Proof(one._proof.header, expires=time.time())
    cluster.renew_token("dave")
    before = len(cluster.api.seen)
    assert one.send("GET", PODS).status == 200
    assert (calls.read_text().count("called"), len(cluster.api.seen) - before) == (2, 1)


def test_a_plugin_may_give_a_certificate(cluster: Cluster) -> None:
    certificate, key = (path.read_text() for path in cluster.authority.signed("admin"))
    path = cluster.kubeconfig()
    said = json.loads(path.read_text())
    command = answer(cluster.folder, clientCertificateData=certificate, clientKeyData=key)
    said["users"][0]["user"] = {"exec": {"apiVersion": V1BETA1, "command": command}}
    path.write_text(json.dumps(said))
    assert target(cluster, kubeconfig=str(path)).report().counts == {}
    assert {one.user for one in cluster.api.seen} == {"admin"}


def acting(cluster: Cluster, **user: Any) -> Path:
    path = cluster.kubeconfig()
    said = json.loads(path.read_text())
    said["users"][0]["user"].update(user)
    path.write_text(json.dumps(said))
    return path


def test_one_acts_as_somebody_else(cluster: Cluster) -> None:
    cluster.accounts.add(Account("jürgen", (Rule(("list",), ("pods",)),)))
    extra = {"example.org/why": ["one", "two"]}
    said: dict[str, Any] = {"as": "jürgen", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": extra}
    one = Connection(lambda: load({}, str(acting(cluster, **said))), {})
    assert one.send("GET", PODS).status == 200
    ((*sent,),) = cluster.accounts.as_whom
    assert sent == [
        ("Impersonate-User", "jürgen"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-example.org%2Fwhy", "one"),
        ("Impersonate-Extra-example.org%2Fwhy", "two"),
    ]


def test_who_may_not_act_as_somebody_else_does_not_act_as_himself(cluster: Cluster) -> None:
    cluster.accounts.forbid("admin", "impersonate")
    with pytest.raises(Refused, match='not allowed: .*cannot impersonate resource "users"'):
        target(cluster, kubeconfig=str(acting(cluster, **{"as": "boss"}))).report()
    with pytest.raises(ConfigError, match="without `as`"):
        target(cluster, kubeconfig=str(acting(cluster, **{"as-groups": ["boss"]}))).report()
    with pytest.raises(ConfigError, match="more than one line"):
        credentials.impersonation({"as": "a\nImpersonate-Group: system:masters"})


class Issuer:
    """One that takes each refresh token once. `answers`: how often it gave one."""

    def __init__(self, cluster: Cluster) -> None:
        self.valid, self.answers = "refresh-0", 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is logged."""

            def do_GET(self) -> None:
                self._say(200, {"token_endpoint": f"{issuer.url}/token"})

            def do_POST(self) -> None:
                asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                if asked["refresh_token"] != [issuer.valid] or asked.get("client_secret") != ["s"]:
                    self._say(401, {})
                    return
                issuer.answers += 1
                issuer.valid = f"refresh-{issuer.answers}"
                token = id_token(3_600 + issuer.answers)
                cluster.accounts.tokens[token] = "admin"
                self._say(200, {"id_token": token, "refresh_token": issuer.valid})

            def _say(self, code: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)


def id_token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
    return f"head.{claims}.sign"


@pytest.fixture
def issuer(cluster: Cluster) -> Iterator[Issuer]:
    made = Issuer(cluster)
    yield made
    made.close()


def logged_in(cluster: Cluster, issuer: Issuer) -> Path:
    """A kubeconfig as somebody keeps one: with lines of Windows, a comment, others beside it, behind a link."""
    said = json.loads(cluster.kubeconfig().read_text())["clusters"][0]["cluster"]
    path = cluster.folder / "real-config"
    text = f"""# mine
apiVersion: v1
current-context: c
contexts:
- {{name: c, context: {{cluster: c, user: u, namespace: default}}}}
clusters:
- name: c
  cluster: {{server: "{said["server"]}", certificate-authority-data: {said["certificate-authority-data"]}}}
users:
- name: u
  user:
    auth-provider:
      name: oidc
      config:
        idp-issuer-url: {issuer.url}
        client-id: me
        client-secret: s
        id-token: {id_token(-60)}  # the old one
        refresh-token: refresh-0
- name: other
  user: {{token: mine-too}}
"""
    path.write_bytes(text.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    link = cluster.folder / "config"
    link.symlink_to(path)
    return link


def test_a_login_that_is_refreshed_is_written_back(cluster: Cluster, issuer: Issuer) -> None:
    path = logged_in(cluster, issuer)
    before = path.read_bytes()
    told: list[str] = []
    for _ in range(2):
        assert target(cluster, told, kubeconfig=str(path)).report().counts == {}
    assert (issuer.answers, told) == (1, [])
    new = next(token for token in cluster.accounts.tokens if token.startswith("head."))
    old = before.split(b"id-token: ")[1].split()[0]
    assert path.read_bytes() == before.replace(b"refresh-0", b"refresh-1").replace(old, new.encode())
    assert path.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not [one for one in os.listdir(cluster.folder) if "lock" in one or one.startswith(".kube")]


def test_many_commands_at_once_refresh_a_login_once(cluster: Cluster, issuer: Issuer) -> None:
    path = logged_in(cluster, issuer)
    found: list[Any] = []

    def report() -> None:
        try:
            found.append(target(cluster, kubeconfig=str(path)).report().counts)
        except SjsError as error:
            found.append(error)

    threads = [threading.Thread(target=report) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (found, issuer.answers) == ([{}] * 5, 1)


def test_a_login_that_can_not_be_written_back_is_used_and_told_of(
    cluster: Cluster, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = logged_in(cluster, issuer)
    before = path.read_bytes()
    told: list[str] = []
    one = target(cluster, told, kubeconfig=str(path))
    os.chown(path, 4711, -1)
    one.report()
    assert told == [
        f"the new refresh token could not be kept in {path}: it is somebody else's; log in again before long"
    ]
    cluster.accounts.tokens = {"token-admin": "admin"}
    with pytest.raises(Unreachable, match="does not take our credentials"):
        one.report()  # it has not expired, so it is not refreshed
    assert (path.read_bytes(), issuer.answers) == (before, 1)
    os.chown(path, os.geteuid(), -1)
    (cluster.folder / "real-config.lock").touch()
    monkeypatch.setattr(keeping, "PAUSES", (0.01,))
    with pytest.raises(UsageError, match="gives no new OIDC token"):
        target(cluster, told, kubeconfig=str(path)).report()  # the file still has the old one
    issuer.valid = "refresh-0"
    target(cluster, told, kubeconfig=str(path)).report()
    assert "was left behind" in told[-1]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("a: tok\nb: tok\n", {"tok": "new"}),
        ("a: 'to''k'\n", {"to'k": "new"}),
        ("a: token\nb: tok\n", {"tok": "new"}),
        ("a: tok\n# tok\n", {"tok": "new"}),
        ("a: tok\n", {"tok": "new: x: y"}),
        ("a: xtok\n", {"tok": "new"}),
    ],
)
def test_nothing_else_is_ever_changed(text: str, changed: Mapping[str, str]) -> None:
    with pytest.raises((keeping.NotKept, ConfigError)):
        keeping.replaced(text, changed)


def test_another_context_or_cluster_is_not_gone_over_to(cluster: Cluster) -> None:
    """A command that is told of new credentials goes on where it began, whatever the file is by then."""
    path = cluster.kubeconfig()
    said = json.loads(path.read_text())
    one = Connection(finder({}, str(path)), {})
    assert one.send("GET", PODS).status == 200
    cluster.accounts.expire("token-admin")
    cluster.accounts.tokens["token-new"] = "admin"
    said["users"][0]["user"]["token"] = "token-new"
    said["clusters"].append({"name": "else", "cluster": {"server": "https://127.0.0.1:1"}})
    said["contexts"].append({"name": "else", "context": {"cluster": "else", "user": "admin"}})
    said["current-context"] = "else"
    path.write_text(json.dumps(said))
    assert one.send("GET", PODS).status == 200, "the context that it was"
    cluster.accounts.expire("token-new")
    said["contexts"][0]["context"]["cluster"] = "else"
    path.write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=r"means another cluster or namespace by now \(begin the command again\)"):
        one.send("GET", PODS)


def test_a_token_expires_while_somebody_follows(cluster: Cluster) -> None:
    from sjs.core.job import Spec
    from tests.kube.doing import hand_in

    path = cluster.kubeconfig_by_plugin("dave")
    one = target(cluster, kubeconfig=str(path))
    gate = cluster.folder / "gate"
    hand_in(one, Spec(command=f"echo a; while [ ! -e {gate} ]; do sleep 0.02; done; echo b"))
    output = one.read(0, ["out"], follow=True)
    assert next(output).data == b"a\n"
    cluster.renew_token("dave")
    cluster.server.stop()
    cluster.server.start()
    gate.touch()
    assert [piece.data for piece in output] == [b"b\n"]
    assert (cluster.folder / "dave.calls").read_text().count("called") == 2


def test_a_plugin_that_gives_the_same_again_is_not_run_for_each_refusal(cluster: Cluster) -> None:
    path = cluster.kubeconfig_by_plugin("dave")
    one = Connection(lambda: load({}, str(path)), {})
    cluster.accounts.refusing_all = True
    for _ in range(3):
        with pytest.raises(Unreachable, match=r"does not take our credentials \(log in again"):
            one.send("GET", PODS)
    assert (cluster.folder / "dave.calls").read_text().count("called") == 2, "once, and once more"


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"exec": "x"}, "exec is no object"),
        ({"auth-provider": "gcp"}, "auth-provider is no object"),
        ({"auth-provider": {"name": "oidc", "config": "x"}}, "config of the auth-provider is no object"),
        ({"exec": {"command": "x", "args": "one"}}, "args of the exec plugin is no list"),
        ({"exec": {"command": "x", "env": 5}}, "env of the exec plugin is no list"),
        ({"as": "me", "as-groups": "boss"}, "as-groups is no list"),
        ({"as": "me", "as-user-extra": ["x"]}, "as-user-extra is no object"),
        ({"as": "me", "as-user-extra": {"why": "x"}}, "why of as-user-extra is no list"),
    ],
)
def test_who_is_nobody_by_mistake_does_not_go_on_as_nobody(tmp_path: Path, user: Any, said: str) -> None:
    path = tmp_path / "config"
    cluster = {"name": "c", "cluster": {"server": "https://h:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    whole = {
        "current-context": "x",
        "contexts": [context],
        "clusters": [cluster],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(whole))
    with pytest.raises(ConfigError) as raised:
        load({}, str(path))
    assert raised.value.message == f"{path}: {said}"


def test_files_of_windows_are_read_and_a_user_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    text = (
        "\ufeffcurrent-context: x\ncontexts:\n- name: x\n  context:\n    cluster: c\n    user: nobody\n"
        "clusters:\n- name: c\n  cluster:\n    server: https://h:1\nusers:\n- name: me\n  user:\n    token: t\n"
    )
    path.write_text(text.replace("\n", "\r\n"), newline="")
    with pytest.raises(ConfigError) as raised:
        load({}, str(path))
    assert str(raised.value) == f"{path}: has no user 'nobody' (it has me)"
    path.write_text(text.replace("nobody", "me").replace("\n", "\r\n"), newline="")
    assert load({}, str(path)).user == {"token": "t"}
