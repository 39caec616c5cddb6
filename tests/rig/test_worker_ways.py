"""A worker on a machine that can only call out: over TLS, by a certificate of one's own, through a firewall's proxy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sjs.worker import bringing
from sjs.worker.order import EMPTY, Order
from tests.kube.certificates import Authority
from tests.live.machine import ROOT, until
from tests.rig.lab import CLIENT, UID, Done, Host, Lab, rig
from tests.rig.test_workers import gateway

ADDRESS = f"https://{CLIENT}:8765"
SECRET = "ann:p%40ss"  # as it stands in a URL

ASK = """
import json, ssl, sys, urllib.request
method, url, token, body, authorities = sys.argv[1:]
asked = urllib.request.Request(url, body.encode() or None, method=method)
asked.add_header("authorization", "Bearer " + token)
asked.add_header("content-type", "application/json")
by = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authorities))
with urllib.request.build_opener(urllib.request.ProxyHandler({}), by).open(asked, timeout=60) as answer:
    sys.stdout.write(answer.read().decode())
"""


class Behind:
    """A gateway at the client, a worker's host, and a host beside it that has a proxy."""

    def __init__(self, lab: Lab, authority: Authority, token: str) -> None:
        self.lab = lab
        self.authority = authority
        self.token = token
        self.worker, self.beside = lab.hosts

    @property
    def proxy(self) -> str:
        return f"http://{SECRET}@{self.beside.address}:3128"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        words = ["" if body is None else json.dumps(body), str(self.authority.ca_file)]
        url = f"{ADDRESS}/api/v1/stages{path}"
        done = self.lab.call(sys.executable, "-c", ASK, method, url, self.token, *words)
        return json.loads(done.stdout)

    def begin(self, name: str) -> None:
        """A pipeline with an item."""
        self.ask("PUT", f"/{name}", {"stages": [{"name": "cut"}, {"name": "done"}]})
        self.ask("POST", f"/{name}/items", {"items": [{"command": 7, "number": 0}]})

    def stage(self, name: str) -> int:
        found: int = self.ask("GET", f"/{name}/items/0")["stage"]
        return found

    def work(self, name: str, authorities: str = "", **environ: str) -> Done:
        """A worker there, as jobs bring one."""
        order = Order(ADDRESS, name, "cut", ("true",), until=EMPTY, authorities=authorities)
        for file, data in bringing.files(order, self.token).items():
            give(self.worker, f"brought/{file}", data)
        if not authorities:
            (self.worker.home / "brought/authorities").unlink(missing_ok=True)
        env = [f"{key}={value}" for key, value in environ.items()]
        return self.worker.call("env", *env, "python3", "-I", "-S", "brought/sjs/worker", check=False)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    certificate, key = authority.signed("gateway", server=True, names=(CLIENT,))
    with rig(2) as lab:
        lab.config()
        lab.manage(1, 1)
        token = lab.submit("token", "make", "ann").stdout.strip()
        found = Behind(lab, authority, token)
        brought = found.worker.home / "brought"
        shutil.copytree(ROOT / "sjs", brought / "sjs", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.chown(brought, UID, UID)
        give(found.worker, "ca.crt", authority.ca_file.read_bytes())
        with gateway(lab, "--certificate", str(certificate), "--key", str(key)):
            yield found


def give(host: Host, name: str, data: bytes) -> None:
    """Put a file into its user's home, for nobody else."""
    path = host.home / name
    path.touch(0o600)
    path.write_bytes(data)
    shutil.chown(path, UID, UID)


@contextmanager
def proxy(behind: Behind) -> Iterator[list[str]]:
    """One beside the worker's host; what it is asked."""
    asked: list[str] = []
    words = ["python3", "-I", "/mnt/tests/rig/tunnel.py", behind.beside.address, "3128", "ann:p@ss"]
    command, pipe = behind.beside.command(*words), subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        hearing = threading.Thread(target=asked.extend, args=(process.stdout,))
        hearing.start()
        try:
            yield asked
        finally:
            process.stdin.close()
            hearing.join()


def test_a_certificate_of_ones_own_is_believed_by_those_who_are_told(behind: Behind) -> None:
    behind.begin("own")
    done = behind.work("own", str(behind.authority.ca_file))
    assert (done.returncode, behind.stage("own")) == (0, 1), done.stderr
    behind.begin("environment")
    done = behind.work("environment", SSL_CERT_FILE="ca.crt")
    assert (done.returncode, behind.stage("environment")) == (0, 1), done.stderr


@pytest.mark.parametrize("is_told", [False, True], ids=["the system's", "another's"])
def test_one_of_somebody_else_is_refused_in_a_line_at_once(behind: Behind, tmp_path: Path, is_told: bool) -> None:
    done = behind.work("nobody", str(Authority(tmp_path).ca_file) if is_told else "")
    assert done.returncode == 255 and done.stderr.count("\n") == 1, done.stderr
    assert "its certificate is not believed: " in done.stderr and "--ca FILE" in done.stderr


def test_who_has_no_way_but_a_proxy_goes_by_that(behind: Behind) -> None:
    behind.begin("walled")
    with proxy(behind) as asked:
        behind.worker.cut()
        try:
            done = behind.work("walled", str(behind.authority.ca_file), HTTPS_PROXY=behind.proxy)
            wrong = behind.work("walled", HTTPS_PROXY=behind.proxy)
        finally:
            behind.worker.heal()
    assert (done.returncode, behind.stage("walled")) == (0, 1), done.stderr
    assert wrong.returncode == 255 and f"by the proxy {behind.beside.address}:3128: its certificate" in wrong.stderr
    assert len(asked) >= 2 and all(one.startswith(f"CONNECT {CLIENT}:8765 ") for one in asked)
    assert behind.token not in "".join(asked)


def test_a_job_takes_its_authorities_along_and_is_told_of_a_proxy(behind: Behind) -> None:
    behind.begin("job")
    secret = behind.lab.home / "token"
    secret.touch(0o600)
    secret.write_text(behind.token)
    said = [ADDRESS, "job", "--stage", "cut", "--token-file", str(secret), "--ca", str(behind.authority.ca_file)]
    with proxy(behind) as asked:
        done = behind.lab.submit(
            "manager-1", "worker", *said, "-p", "--until-empty", "--env", f"https_proxy={behind.proxy}", "--", "true"
        )
        assert done.returncode == 0, done
        until(lambda: behind.stage("job") == 1, "the item at the next stage")
    assert asked
