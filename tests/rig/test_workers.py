"""Workers that are jobs on machines behind ssh, of a gateway that they can call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import SUBMIT, until
from tests.rig.lab import CLIENT, Lab, rig

ASK = """
import json, sys, urllib.request
method, url, token, body = sys.argv[1:]
asked = urllib.request.Request(url, body.encode() or None, method=method)
asked.add_header("authorization", "Bearer " + token)
asked.add_header("content-type", "application/json")
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
    sys.stdout.write(answer.read().decode())
"""
ADDRESS = f"http://{CLIENT}:8765"
PLACE = ["--stage", "cut", "--plain"]


class Fleet:
    """Hosts with a manager each, and a gateway at the client."""

    def __init__(self, lab: Lab, token: str) -> None:
        self.lab = lab
        self.token = token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        text = "" if body is None else json.dumps(body)
        done = self.lab.call(sys.executable, "-c", ASK, method, f"{ADDRESS}/api/v1/stages{path}", self.token, text)
        return json.loads(done.stdout)

    def begin(self, name: str, count: int) -> None:
        """A pipeline with so many items at its first stage."""
        self.ask("PUT", f"/{name}", {"stages": [{"name": "cut"}, {"name": "done"}]})
        self.ask("POST", f"/{name}/items", {"items": [{"command": {"n": one}, "number": one} for one in range(count)]})

    def items(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/{name}/items?limit=1000")["items"]
        return found

    def item(self, name: str, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/{name}/items/{number}")
        return found

    def well(self, *words: str) -> str:
        """What a command prints, when all goes well."""
        done = self.lab.submit(*words)
        assert done.returncode == 0, done
        return done.stdout

    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.well("all", "list", "--all", "--json").splitlines()]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with rig(2) as lab:
        lab.config()
        lab.manage(2, 2)
        token = lab.submit("token", "make", "ann").stdout.strip()
        secret = lab.home / ".config/sjs/token"
        secret.parent.mkdir(mode=0o700, parents=True)
        secret.touch(0o600)
        secret.write_text(token)
        with gateway(lab, "--insecure-behind-proxy"):
            yield Fleet(lab, token)


@contextmanager
def gateway(lab: Lab, *how: str) -> Iterator[None]:
    """One that listens at the client, until the end."""
    words = ["--listen", f"{CLIENT}:8765", "--allow-root", *how]
    command = lab.command(*SUBMIT, "gateway", "--config", str(lab.home / "config.yaml"), *words)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        heard = []
        for line in process.stderr:
            heard.append(line)
            if "is ready" in line:
                break
        else:
            raise AssertionError("".join(heard))
        try:
            yield
        finally:
            process.kill()


def holders(folder: Path, secret: str) -> list[Path]:
    """The files in which a text stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_workers_go_where_there_is_room_with_their_code_their_files_and_their_token(fleet: Fleet) -> None:
    fleet.begin("first", 12)
    code = fleet.lab.home / "code"
    code.mkdir()
    (code / "words").write_text("brought along\n")
    script = 'cat words; [ -z "$SJS_TOKEN" ] && echo "{\\"n\\": $1}" > "$SJS_RESULT_FILE"; sleep 0.3'
    words = ["-p", "-N", "4", "--until-empty", "--snapshot", "code", "--", "sh", "-c", script, "sh", "{n}"]
    jobs = fleet.well("any", "worker", ADDRESS, "first", *PLACE, *words).split()
    assert len(jobs) == 4
    fleet.well("all", "wait", ",".join(jobs))
    items = fleet.items("first")
    assert [(one["stage"], one["result"]) for one in items] == [(1, {"n": number}) for number in range(12)]
    steps = [step for number in range(12) for step in fleet.item("first", number)["history"]]
    assert [step["what"] for step in steps].count("claimed") == 12
    assert {step["who"].partition(":")[0] for step in steps if step["what"] == "claimed"} == {"h1", "h2"}
    assert "brought along" in fleet.well("all", "logs", jobs[0])
    said = fleet.jobs()
    assert len(said) == 4 and {one["name"] for one in said} == {"first/cut"}
    assert {one["state"] for one in said} == {"succeeded"}


def test_the_token_is_in_files_of_the_snapshot_and_nowhere_else(fleet: Fleet) -> None:
    for host in fleet.lab.hosts:
        found = holders(host.home, fleet.token)
        assert [path.parent.parent.name for path in found] == ["snapshots"]
        assert [path.stat().st_mode & 0o777 for path in found] == [0o600]
    kept = {path.relative_to(fleet.lab.home).parts[:3] for path in holders(fleet.lab.home, fleet.token)}
    assert kept == {(".config", "sjs", "token"), (".cache", "sjs", "snapshots")}


def test_a_cancelled_worker_gives_its_items_back(fleet: Fleet) -> None:
    fleet.begin("second", 1)
    words = ["-p", "--", "sh", "-c", "echo $$ > began; exec sleep 1000"]
    job = fleet.well("manager-1", "worker", ADDRESS, "second", *PLACE, *words).strip()
    began = fleet.lab.hosts[0].root / "began"
    until(began.exists, "the command, in the project's folder")
    fleet.well("manager-1", "cancel", job)
    until(lambda: fleet.item("second", 0)["history"][-1]["what"] == "released", "it is given back")
    item = fleet.item("second", 0)
    assert (item["stage"], item["state"], item["flagged"]) == (0, "free", False)


def test_the_same_handing_in_by_key_is_one(fleet: Fleet) -> None:
    fleet.begin("third", 1)
    words = ["--key", "once", "-p", "--until-empty", "--", "true"]
    first = fleet.well("manager-2", "worker", ADDRESS, "third", *PLACE, *words)
    assert fleet.well("manager-2", "worker", ADDRESS, "third", *PLACE, *words) == first
    fleet.well("manager-2", "wait", first.strip())
    assert fleet.item("third", 0)["stage"] == 1
