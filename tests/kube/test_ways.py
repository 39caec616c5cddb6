"""Ways to a cluster that are not the straight one, and programs that use one."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sjs
from sjs.core.job import Spec
from sjs.errors import ConfigError, Refused, SjsError, Unreachable, UsageError
from sjs.targets.kubernetes import connection
from sjs.targets.kubernetes.connection import Connection
from sjs.targets.kubernetes.kubeconfig import load
from sjs.targets.kubernetes.oidc import refreshed
from sjs.targets.kubernetes.target import KubernetesTarget
from tests.connections import Listening, tunnel
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, target

PODS = "/api/v1/namespaces/default/pods"


@contextmanager
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """One that carries what CONNECT asks for, to this machine, whatever it is called; what it was asked."""
    asked: list[bytes] = []

    def carry(client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            came = client.recv(1 << 16)
            if not came:
                return
            head += came
        asked.append(head)
        port = head.split()[1].decode().rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            tunnel(client, server)

    with Listening(carry) as door:
        yield f"http://me:secret@127.0.0.1:{door.port}", asked


def with_cluster(cluster: Cluster, **more: Any) -> Path:
    path = cluster.kubeconfig()
    said = json.loads(path.read_text())
    said["clusters"][0]["cluster"].update(more)
    path.write_text(json.dumps(said))
    return path


def asked(path: Path, environ: dict[str, str] | None = None) -> int:
    one = Connection(lambda: load({}, str(path)), environ or {})
    answer = one.send("GET", PODS)
    answer.read()
    one.close()
    return int(answer.status)


def test_a_proxy_is_that_of_the_file_or_of_the_environment(cluster: Cluster) -> None:
    port = cluster.server.url.rpartition(":")[2]
    elsewhere = with_cluster(cluster, server=f"https://cluster.test:{port}", **{"tls-server-name": "localhost"})
    with proxy() as (url, heads):
        assert asked(elsewhere, {"HTTPS_PROXY": url}) == 200
        assert len(heads) == 1
        assert b"Proxy-Authorization: Basic" in heads[0] or b"proxy-authorization: Basic" in heads[0]
        assert connection._proxy("https://cluster.test", {"HTTPS_PROXY": url, "NO_PROXY": ".test"}) == ""
        assert connection._proxy("https://10.1.2.3", {"HTTPS_PROXY": url, "NO_PROXY": "10.0.0.0/8"}) == ""
        assert asked(cluster.kubeconfig(), {"HTTPS_PROXY": url}) == 200  # which is on this machine
        assert len(heads) == 1
        assert asked(with_cluster(cluster, **{"proxy-url": url})) == 200
        assert len(heads) == 2
    with pytest.raises(SjsError, match="is not reached: its proxy: Connection refused"):
        asked(with_cluster(cluster, **{"proxy-url": "http://127.0.0.1:1"}))
    for wrong in ("nonsense://me:secret@h:1", "http://me:secret@h:99999"):
        with pytest.raises(ConfigError, match="the address of the proxy is none that is known") as raised:
            asked(with_cluster(cluster, **{"proxy-url": wrong}))
        assert "secret" not in str(raised.value)
    with pytest.raises(UsageError, match="PySocks"):
        asked(with_cluster(cluster, **{"proxy-url": "socks5://127.0.0.1:1"}))


def test_a_proxy_needs_no_scheme_and_its_password_may_have_any_letter(cluster: Cluster) -> None:
    port = cluster.server.url.rpartition(":")[2]
    with proxy() as (url, heads):
        short = url.removeprefix("http://").replace("secret", "s%40%3Acret")
        assert asked(with_cluster(cluster, **{"proxy-url": short})) == 200
        elsewhere = with_cluster(cluster, server=f"https://cluster.test:{port}", **{"tls-server-name": "localhost"})
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            assert asked(elsewhere, {name: short}) == 200
        assert asked(elsewhere, {"https_proxy": short.rpartition("@")[2]}) == 200
    said = b"basic " + base64.b64encode(b"me:s@:cret").lower()
    assert [said in head.lower() for head in heads] == [True] * 4 + [False]


def test_a_server_may_have_another_name_than_its_address(cluster: Cluster) -> None:
    assert asked(with_cluster(cluster, **{"tls-server-name": "localhost"})) == 200
    with pytest.raises(Unreachable, match="certificate is another host's") as raised:
        asked(with_cluster(cluster, **{"tls-server-name": "other.example"}))
    assert type(raised.value) is Unreachable, "which is not tried again"


def test_a_new_token_comes_from_the_issuer() -> None:
    sent: list[tuple[str, str, Any]] = []

    def request(method: str, url: str, **more: Any) -> SimpleNamespace:
        sent.append((method, url, more.get("fields")))
        said = {"token_endpoint": "https://i/token"} if method == "GET" else {"id_token": "new"}
        return SimpleNamespace(status=200, data=json.dumps(said).encode())

    http: Any = SimpleNamespace(request=request)
    config = {"idp-issuer-url": "https://i/", "refresh-token": "r", "client-id": "c"}
    assert refreshed(config, http) == {"id-token": "new"}
    assert sent == [
        ("GET", "https://i/.well-known/openid-configuration", None),
        ("POST", "https://i/token", {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c"}),
    ]
    http = SimpleNamespace(request=lambda *given, **more: SimpleNamespace(status=400, data=b"secret"))
    with pytest.raises(UsageError, match=r"gives no new OIDC token .*: 400 \(log in again\)"):
        refreshed(config, http)


def test_what_jobs_begin_with_lies_in_the_cluster(cluster: Cluster) -> None:
    one = target(cluster)
    digest = "ab" * 32
    one.post("key/0", [Spec(command="echo $GREETING", env_base=digest)], envs={digest: {"GREETING": "hello"}})
    one.collect()
    assert one.wait([(0, 0)], 20.0).counts == {"succeeded": 1}
    assert b"".join(piece.data for piece in one.read(0, ["out"])) == b"hello\n"
    assert one.environment(digest) == {"GREETING": "hello"}
    with pytest.raises(Refused, match="no environment"):
        one.environment("cd" * 32)
    assert list(one.change("again", [(0, 0)])) == [(0, 0)]
    assert one.wait([(0, 0)], 20.0).counts == {"succeeded": 1}
    assert b"".join(piece.data for piece in one.read(0, ["out"])) == b"hello\n"


def test_a_program_hands_in_and_hears_of_the_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(cluster.folder))
    entry = {"type": "kubernetes", "kubeconfig": str(cluster.kubeconfig()), "image": "alpine"}
    with sjs.connect({"managers": {"k8s": entry}}) as fleet:
        job = fleet["k8s"].submit("echo from python; exit 4")
        assert (job.wait(timeout=60), job.exit_code, job.stdout()) == ("failed", 4, "from python\n")
        jobs = [fleet.any.submit(f"exit {code}") for code in (0, 1)]
        assert [one.wait(timeout=60) for one in jobs] == ["succeeded", "failed"]


def test_two_clients_at_once_never_give_an_id_twice(cluster: Cluster) -> None:
    found: list[int] = []

    def work(one: KubernetesTarget, name: str) -> None:
        for number in range(8):
            found.append(hand_in(one, Spec(command="true"), key=f"{name}/{number}"))

    threads = [threading.Thread(target=work, args=(target(cluster), name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == list(range(24))
