"""The real program: what it refuses, where it is asked, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import stat
from pathlib import Path

import pytest

from tests.gateway.serving.conftest import Make
from tests.gateway.serving.program import AS_ROOT, ByPath, Gateway, ask, by_tcp
from tests.kube.certificates import Authority
from tests.live.machine import DEADLINE, until

JOBS = "/api/v1/jobs"
NEW = {"command": "true", "options": {"hold": True}}


def test_it_says_at_once_all_that_keeps_it_from_starting(make: Make) -> None:
    gateway = make({"listen": ["192.0.2.7:80", "127.0.0.1:9845"], "dialects": {"jobmgr": {}}, "hosts": ["a b"]})
    done = gateway.types("gateway", *AS_ROOT)
    assert (done.status, done.out) == (2, "")
    assert done.err == [
        "submit: there is no token, so nobody could ask, or anybody: make one with submit token make",
        "submit: the gateway at 192.0.2.7:80 could be reached from elsewhere without TLS:"
        " set certificate and key, listen at 127.0.0.1, or say --insecure-behind-proxy",
        "submit: the port of jobmgr acts in nobody's name: set its owner in the config",
        "submit: the port of jobmgr and the gateway are both at 127.0.0.1:9845: give each its own",
        "submit: hosts: 'a b' is no name of a host",
    ]
    assert not (gateway.folder / "kept").exists(), "nothing was made for it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is asked whether it is meant")
def test_root_has_to_say_so(gateway: Gateway) -> None:
    gateway.token()
    (line,) = gateway.types("gateway").err
    assert line.startswith("submit: it would run as root") and line.endswith("or say --allow-root")


def test_only_tokens_that_are_good_count(gateway: Gateway) -> None:
    name = gateway.token().split("_")[1]
    assert gateway.types("token", "revoke", name).status == 0
    assert gateway.types("gateway", *AS_ROOT).err[0].startswith("submit: there is no token")


def test_two_do_not_work_with_one_database(gateway: Gateway) -> None:
    gateway.token()
    gateway.start()
    done = gateway.runs("gateway", *AS_ROOT)
    assert done.status == 255
    assert done.err[-1] == (
        f"submit: {gateway.folder}/kept/gateway.db: another gateway works with this database"
        " (stop that one, or use another database)"
    )


def test_what_is_taken_or_not_there_is_one_line(gateway: Gateway) -> None:
    gateway.token()
    folder = gateway.folder
    (folder / "none").write_text("nothing\n")
    (folder / "none").chmod(0o600)
    (folder / "key").touch()
    (folder / "key").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = {
            ("--listen", f"127.0.0.1:{port}"): f"submit: cannot listen at 127.0.0.1:{port}: Address already in use",
            ("--certificate", "/nowhere", "--key", "/nowhere"): "submit: TLS: /nowhere: No such file or directory",
            ("--certificate", f"{folder}/none", "--key", f"{folder}/none"): f"submit: TLS: {folder}/none and ",
            ("--certificate", f"{folder}/none", "--key", f"{folder}/key"): f"submit: TLS: {folder}/key: everybody can",
            ("--certificate", f"{folder}/none"): "submit: the gateway at 127.0.0.1:0 has a certificate or a key, and",
            ("--listen", "here"): "submit: --listen: 'here' is no HOST:PORT",
            ("--listen", f"{folder}/none"): f"submit: cannot listen at {folder}/none: there is something else",
        }
        for words, line in told.items():
            done = gateway.types("gateway", *AS_ROOT, *words)
            assert (done.status, done.out, len(done.err)) == (2, "", 1), done
            assert done.err[0].startswith(line), done


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(make: Make) -> None:
    for url, status in (("sqlite:////proc/none/g.db", 1), ("postgresql://sjs:hunter2@127.0.0.1:1/sjs", 255)):
        done = make({"database": url}).types("token", "list")
        assert (done.status, done.out, len(done.err)) == (status, "", 1), done
        assert "hunter2" not in done.err[0]


def test_a_file_that_is_no_database_is_one_line(gateway: Gateway) -> None:
    (gateway.folder / "kept").mkdir(mode=0o700)
    (gateway.folder / "kept" / "gateway.db").write_bytes(b"no database " * 100)
    for words in (["gateway", *AS_ROOT], ["token", "list"], ["token", "make", "ann"]):
        done = gateway.types(*words)
        assert (done.status, done.out, len(done.err)) == (255, "", 1), done
        assert done.err[0].startswith(f"submit: sqlite:///{gateway.folder}/kept/gateway.db: file is not a database (")


def test_several_places_are_one_gateway(make: Make) -> None:
    """Two ports and a socket, with one set of tokens and of limits."""
    gateway = make()
    path = gateway.folder / "at" / "socket"
    gateway.tell({"folder": str(gateway.folder / "kept"), "listen": ["127.0.0.1:0", "localhost:0", str(path)]})
    token = gateway.token()
    gateway.start("--host", "gate.example")
    ports = [int(place.rpartition(":")[2]) for place in gateway.places if place.startswith("http://127.0.0.1:")]
    assert gateway.places[-1] == str(path) and len(ports) >= 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = ask(by_tcp(ports[0]), "POST", JOBS, token, NEW)[1]["id"]
    assert ask(by_tcp(ports[1]), "GET", f"{JOBS}/{made}", token)[1]["id"] == made
    assert ask(ByPath(path), "GET", f"{JOBS}/{made}", token)[0] == 200
    assert ask(ByPath(path), "GET", f"{JOBS}/{made}")[0] == 401
    for name, status in (("gate.example", 200), ("gate.example:80", 200), ("localhost", 200), ("evil.example", 421)):
        assert ask(by_tcp(ports[0]), "GET", f"{JOBS}/{made}", token, host=name)[0] == status
    assert gateway.stop() == 0
    assert not path.exists()


def test_what_a_killed_one_has_left_is_no_hindrance(make: Make) -> None:
    gateway = make()
    path = gateway.folder / "socket"
    gateway.tell({"folder": str(gateway.folder / "kept"), "listen": str(path)})
    token = gateway.token()
    gateway.start()
    made = ask(ByPath(path), "POST", JOBS, token, NEW)[1]["id"]
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    assert path.is_socket(), "nobody has cleared it away"
    gateway.start()
    assert ask(ByPath(path), "GET", f"{JOBS}/{made}", token)[0] == 200
    assert gateway.stop() == 0


def test_tls_and_another_certificate_without_a_stop(gateway: Gateway) -> None:
    """Who trusts the first authority is not answered by the second one's, and the other way round."""
    one, two = Authority(gateway.folder / "one"), Authority(gateway.folder / "two")
    certificate, key = one.signed("server", server=True)
    token = gateway.token()
    gateway.start("--certificate", str(certificate), "--key", str(key))
    assert gateway.places[0].startswith("https://127.0.0.1:")

    def reached(by: Authority) -> int:
        context = ssl.create_default_context(cafile=str(by.ca_file))
        at = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=DEADLINE, context=context)
        return ask(at, "GET", f"{JOBS}/1", token)[0]

    assert reached(one) == 404
    with pytest.raises(ssl.SSLCertVerificationError):
        reached(two)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(one.ca_file)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    ask(http.client.HTTPSConnection("localhost", gateway.port, timeout=DEADLINE, context=old), "GET", JOBS, token)

    assert gateway.process
    key.write_text("broken in between\n")
    gateway.process.send_signal(signal.SIGHUP)
    gateway.hear("what was read before stays")
    assert reached(one) == 404
    for target, source in zip((certificate, key), two.signed("server", server=True), strict=True):
        target.write_bytes(source.read_bytes())
    gateway.process.send_signal(signal.SIGHUP)
    gateway.hear("certificates were read again")
    gateway.hear("certificates were read again")
    assert reached(two) == 404
    assert gateway.stop() == 0


def test_whoever_started_it_hears_when_it_is_ready_and_when_it_ends(gateway: Gateway) -> None:
    gateway.token()
    path = gateway.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(DEADLINE)
        gateway.start(NOTIFY_SOCKET=str(path))
        assert heard.recv(100) == b"READY=1"
        assert gateway.stop() == 0
        assert heard.recv(100) == b"STOPPING=1"


def test_it_ends_in_peace_though_whoever_started_it_has_gone(gateway: Gateway) -> None:
    gateway.token()
    path = gateway.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        gateway.start(NOTIFY_SOCKET=str(path))
    assert gateway.stop() == 0
    said = f"nobody at NOTIFY_SOCKET, {path}, could be told STOPPING=1: Connection refused"
    assert said in [line["message"] for line in gateway.log if line["level"] == "warning"]


def test_a_socket_that_systemd_has_opened_is_where_it_listens(gateway: Gateway, tmp_path: Path) -> None:
    """Whoever comes while it is not there waits, and is answered by the next one."""
    token = gateway.token()
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        activate = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()),"
            " LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"
        )
        gateway.before = ["-c", activate, str(opened.fileno())]
        gateway.inherits = [opened.fileno()]
        for _ in range(2):
            waits = by_tcp(port)
            waits.connect()
            gateway.start()
            assert gateway.places == [f"http://127.0.0.1:{port}"]
            assert ask(waits, "GET", f"{JOBS}/1", token)[0] == 404
            waits.close()
            assert gateway.stop() == 0


def test_nothing_secret_is_in_the_log(gateway: Gateway) -> None:
    token = gateway.token()
    gateway.start()
    made = ask(by_tcp(gateway.port), "POST", JOBS, token, {"command": f"echo {token}", "options": {"hold": True}})[1][
        "id"
    ]
    ask(by_tcp(gateway.port), "GET", f"{JOBS}/{made}?limit=7", token)
    for path in (f"/x?token={token}", f"/{token}", f"/x/{token}/y", "/x?password=hunter2"):
        assert ask(by_tcp(gateway.port), "GET", path, token)[0] in (400, 404)
    ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", f"{token[:-1]}x")
    ask(by_tcp(gateway.port), "POST", JOBS, token, {"command": {"hunter2": token}})
    assert gateway.stop() == 0
    text = "".join(gateway.raw)
    assert token[-64:] not in text and "hunter2" not in text and "limit=7" not in text
    (line,) = [one for one in gateway.log if one.get("method") == "POST" and one["status"] == 201]
    assert (line["owner"], line["token"], line["path"]) == ("ann", token.split("_")[1], JOBS)
    assert line.keys() == {"time", "level", "request", "method", "path", "status", "ms", "owner", "token", "client"}
    (line,) = [one for one in gateway.log if one.get("status") == 401]
    assert (line["owner"], line["token"]) == (None, None)
    assert all("time" in one and "level" in one for one in gateway.log)
    assert len(gateway.log) == len(gateway.raw), "each line is an object"


def test_a_token_is_none_soon_after_it_was_revoked(make: Make) -> None:
    gateway = make({"limits": {"rate": 100_000, "burst": 100_000}})
    token, other = gateway.token(), gateway.token()
    gateway.start()
    assert ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)[0] == 404
    assert gateway.types("token", "revoke", token.split("_")[1]).status == 0
    until(lambda: ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)[0] != 404, "that it is none")
    status, said = ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)
    assert (status, said["code"]) == (401, "token_revoked")
    assert ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", other)[0] == 404
    new = gateway.token()
    assert ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", new)[0] == 404, "made while it runs, and good at once"
    assert gateway.stop() == 0


def test_slow_ones_are_cut_off_and_keep_nobody_out(make: Make) -> None:
    gateway = make({"patience": "2s"})
    token = gateway.token()
    gateway.start()
    heads = (b"", b"GET", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET / HTTP/1.1\r\nX: y\r\nHost: ")
    slow = []
    for number in range(200):
        one = socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE)
        one.sendall(heads[number % len(heads)])
        slow.append(one)
    assert ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)[0] == 404
    for one in slow:
        with one, contextlib.suppress(ConnectionResetError):  # an end, too
            assert one.recv(100) == b""
    assert ask(by_tcp(gateway.port), "GET", f"{JOBS}/1", token)[0] == 404
    assert gateway.stop() == 0
