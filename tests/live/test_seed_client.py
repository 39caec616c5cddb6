"""Clients of simple-job-submit: one line of JSON echoed into the pipe, then `cat` of a reply pipe of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.live import seed
from tests.live.machine import DEADLINE, Machine, running, until

PAIRS = 100 * int(os.environ.get("SJS_TEST_ROUNDS", "1"))

# As those clients do it on the machine: the request first, the reply pipe opened afterwards.
ASK = "mkfifo {port} && echo '{request}' > jobs.pipe && cat {port}; rm {port}"


def script(requests: list[dict[str, Any]]) -> str:
    lines = []
    for number, request in enumerate(requests, 1):
        port = f"{number}.port"
        text = json.dumps({"git": False, "make": False, **request, "port": port})
        lines.append(ASK.format(port=port, request=text) + "; echo")
    return "\n".join(lines)


def replies(root: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (root / "client.sh").write_text(script(requests))
    done = subprocess.run(
        ["sh", "client.sh"], cwd=root, text=True, capture_output=True, timeout=2 * DEADLINE, check=True
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("submit", "status"), [("job", "status"), ("submit_job", "stat")])
def test_many_replies_in_a_row(tmp_path: Path, submit: str, status: str) -> None:
    requests = [{"type": submit, "run": "true"}, {"type": status}] * PAIRS
    with running(tmp_path, 4) as machine, machine.client() as client:
        got = replies(tmp_path, requests)
        client.ask("wait")
    assert [one["job_id"] for one in got[::2]] == list(range(PAIRS))
    assert {one["message"] for one in got[::2]} == {"job submitted successfully"}
    assert {one["max_jobs_running"] for one in got[1::2]} == {4}
    assert list(tmp_path.glob("*.port")) == []


REQUESTS: list[dict[str, Any]] = [
    {"type": "configure", "max_jobs": 0},
    {"type": "job", "run": 'echo "é" {$HOME} \\ & # `x`'},
    {"type": "submit_job", "run": ""},
    {"type": "status"},
    {"type": "stat"},
    {"type": "configure", "max_jobs": -1},
    {"type": "shutdown"},
    {"type": "cancel", "job_to_cancel": 1},
    {"type": "cancel", "job_to_cancel": 1},
    {"type": "cancel", "job_to_cancel": "all"},
    {"type": "dance"},
    {"type": "shutdown"},
]
TAPE = seed.DATA / "client.tape"
"""What Python 2 made of these requests, and what came back: a pair of script and output a line."""


def by_python2(python: str, root: Path) -> list[list[str]]:
    """The scripts that it runs, and what comes back."""
    asked = "".join(json.dumps(one) + "\n" for one in REQUESTS)
    argv = [python, str(seed.DATA / "client.py")]
    done = subprocess.run(argv, input=asked, cwd=root, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_tape(root: Path) -> list[list[str]]:
    """The recorded scripts, and what comes back."""
    exchanges = []
    for script, _ in map(json.loads, TAPE.read_text().splitlines()):
        done = subprocess.run(f"bash -c '{script}'", shell=True, cwd=root, capture_output=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (0, b"")
        exchanges.append([script, done.stdout.decode()])
    return exchanges


@pytest.mark.parametrize("form", seed.BOTH_FORMS)
def test_every_request_of_both_dialects(machine: Machine, tmp_path: Path, form: str) -> None:
    python = seed.insist(form)
    exchanges = by_python2(python, machine.root) if python else by_tape(machine.root)
    heard = "".join(json.dumps(pair) + "\n" for pair in exchanges)
    (tmp_path / "heard").write_text(heard)
    assert heard == TAPE.read_text(), f"if that is right: cp {tmp_path}/heard {TAPE}"
    ok = {"status": "OK", "code": 0}
    got = [json.loads(reply) for _, reply in exchanges]
    queued = "[{u'type': u'job', u'make': False, u'git': False, u'run': u'%s', u'port': u''}, "
    shown = 'echo "\\xe9" {$HOME} \\\\ & # `x`'
    assert got[0] == {**ok, "old_max_jobs_running": 2, "new_max_jobs_running": 0, "message": "configuration successful"}
    assert [got[1]["job_id"], got[2]["job_id"]] == [0, 1]
    assert got[3]["jobs_queued"].startswith(queued % shown)
    assert (got[3]["jobs_running"], got[3]["max_jobs_running"]) == (0, 0)
    assert got[4]["jobs_queued"] == f"[{{'job': u'{shown}', 'job_id': 0}}, {{'job': u'', 'job_id': 1}}]"
    assert (got[4]["jobs_running"], got[4]["num_jobs_running"], got[4]["num_jobs_queued"]) == ([], 0, 2)
    assert (got[5]["code"], got[5]["message"]) == (2, "invalid new max jobs running (must be >= 0)")
    assert (got[6]["code"], got[6]["num_jobs_queued"]) == (4, 2)
    assert got[7] == {**ok, "jobs_cancelled": [{"job": "", "job_id": 1}]}
    assert (got[8]["code"], got[8]["requested_job_to_cancel"]) == (3, 1)
    assert got[9]["jobs_cancelled"] == [{"job": REQUESTS[1]["run"], "job_id": 0}]
    assert (got[10]["code"], got[10]["message"]) == (1, "unknown command")
    assert got[11]["message"] == "shutdown successful"
    until(lambda: not alive(machine), "the end of the manager")


def alive(machine: Machine) -> bool:
    return Path(f"/proc/{machine.manager_pid}").exists()


def test_the_hooks_run_before_the_request(machine: Machine) -> None:
    (machine.root / "Makefile").write_text("all:\n\techo made > made\n")
    got = replies(machine.root, [{"type": "job", "run": "cp made seen", "make": True, "git": True}])
    assert got[0]["job_id"] == 0
    with machine.client() as client:
        client.ask("wait")
    assert (machine.root / "seen").read_text() == "made\n"


def test_a_record_without_reply_pipe_is_fire_and_forget(machine: Machine) -> None:
    with open(machine.door, "w") as door:
        door.write('{"type": "job", "run": "echo typed by hand"}\n')
    with machine.client() as client:
        client.ask("wait")
        assert client.output(0) == b"typed by hand\n"


@pytest.mark.parametrize("port", ["../../etc/passwd", "/etc/passwd", "notes.txt", "link", ".hidden", "a" * 300])
def test_a_hostile_reply_name_gets_nothing(machine: Machine, port: str) -> None:
    (machine.root / "notes.txt").write_text("mine\n")
    (machine.root / "link").symlink_to(machine.root / "notes.txt")
    with open(machine.door, "w") as door:
        door.write(json.dumps({"type": "status", "port": port}) + "\n")
    with machine.client() as client:
        client.ask("report")
    assert (machine.root / "notes.txt").read_text() == "mine\n"
