"""A group shares a queue: keys that open a gate, at a real ssh server, and what else their owners try with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.tables import artifacts, jobs
from tests.live import hostile
from tests.live.machine import DEADLINE, ROOT
from tests.rig.lab import PROJECT, USER, Done, Lab, Plan, rig
from tests.rig.typist import Typist, typist
from tests.transport.sshd import keygen

PEOPLE = ("alice", "bob")
AT_SSHD = 500 if os.environ.get("SJS_RIG_LONG") else 12
SEED = 7
LONGEST = 50_000
APART = ("-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes")
NO = "opens no shell here"


class Group:
    """An owner of a machine, and two to whom its queue was opened; each has an entry of that name."""

    def __init__(self, lab: Lab, person: Typist) -> None:
        self.lab = lab
        self.host = lab.hosts[0]
        self.authorized = self.host.home / ".ssh/authorized_keys"
        self.types = person.types
        self.host.manager(2)
        entries = {}
        for name in ("owner", *PEOPLE):
            entries[name] = {"host": self.host.address, "user": USER, "project_root": f"/home/{USER}/{PROJECT}"}
        for name, transport in zip(PEOPLE, ("ssh", "openssh"), strict=True):
            keygen(lab.home / name)
            entries[name] |= {"identity_file": f"{lab.home}/{name}", "transport": transport}
        entries["bob-anew"] = {**entries["bob"], "transport": "ssh"}  # openssh would keep bob's connection for a while
        self.entries = entries
        lab.config().write_text(json.dumps({"managers": entries}))

    def well(self, line: str) -> str:
        done = self.types(line)
        assert (done.status, done.err) == (0, ""), (line, done)
        return done.out

    def ssh(self, name: str, *argv: str) -> Done:
        """OpenSSH's own client with that key and no other, over one connection."""
        options = ("-F", "none", "-o", f"UserKnownHostsFile={self.lab.known_hosts}", "-o", "BatchMode=yes")
        key = ("-o", "IdentitiesOnly=yes", "-i", f"{self.lab.home}/{name}")
        shared = ("-o", "ControlMaster=auto", "-o", "ControlPath=/run/%C", "-o", "ControlPersist=60")
        return self.lab.call("ssh", *options, *key, *shared, *argv, check=False)


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    with rig([Plan(sshd=["Subsystem sftp internal-sftp", "AcceptEnv PYTHON* SSH_*"])]) as lab, typist(lab) as person:
        yield Group(lab, person)


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_queue_is_opened_to_a_group(group: Group) -> None:
    assert group.types("alice,bob status").status == 255
    for name in PEOPLE:
        done = group.types(f"owner gate {name} --key {name}.pub --install")
        assert (done.status, done.err) == (0, f"/home/{USER}/.ssh/authorized_keys has it now\n")
        assert group.authorized.read_text().endswith(done.out)
    assert (group.authorized.stat().st_mode & 0o777, len(group.authorized.read_text().splitlines())) == (0o600, 3)
    assert "current/sjs/daemon gate alice" in group.authorized.read_text()


def test_those_who_may_use_it_simply_do(group: Group) -> None:
    """By either way of ssh, beside the owner's own connections to the same account."""
    group.well("any:alice job --key once --wait --command 'echo hers'")
    group.well("bob job --wait --command 'echo his'")
    assert [one["submitter"] for one in records(group.well("owner list --json"))] == ["alice", "bob"]
    assert "submitter:  alice" in group.well("bob details 0")
    assert group.well("alice logs 0") == "hers\n"
    assert records(group.well("bob hosts --json"))[0]["state"] == "up"


def collected(group: Group, folder: Path, command: str) -> tuple[dict[str, str], str]:
    """What a gateway has kept of a job that it had run by way of alice's key, and what it says was left out."""
    folder.mkdir()
    words = (
        json.dumps({"managers": {"a": group.entries["alice"]}}),
        str(folder / "g.db"),
        str(folder / "store"),
        "key",
        "1",
        command,
    )
    program = group.lab.command(sys.executable, "-m", "tests.gateway.collecting.gathering", *words)
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as gateway:
        assert gateway.stdin and gateway.stdout
        assert any(line.startswith("done") for line in gateway.stdout)
        gateway.stdin.close()
        assert gateway.wait(DEADLINE) == 0
    engine = engine_of(f"sqlite:///{folder}/g.db")
    with engine.connect() as connection:
        (job,) = connection.execute(select(jobs.c.left_out)).all()
        kept = connection.execute(select(artifacts.c.name, artifacts.c.place)).all()
    engine.dispose()
    store = FolderStore(str(folder / "store"))
    found = {name: b"".join(store.open(place)).decode() for name, place in kept}
    store.close()
    return found, job.left_out or ""


def test_what_their_jobs_left_is_collected(group: Group, tmp_path: Path) -> None:
    """By a gateway that has no other key; it is removed then. A line that does not allow it is said."""
    leave = 'echo x > "$SJS_ARTIFACTS_DIR/it"; ln -s /etc/passwd "$SJS_ARTIFACTS_DIR/link"'
    found, left_out = collected(group, tmp_path / "first", leave)
    assert (found, left_out) == ({"it": "x\n"}, "link: a link, and links are not followed")
    assert not list((group.host.root / ".sjs/jobs.pipe/jobs").rglob("artifacts"))
    line = group.authorized.read_text()
    group.authorized.write_text(line.replace(",artifacts ", " "))
    try:
        found, left_out = collected(group, tmp_path / "second", leave)
        assert (found, left_out) == ({}, ".: no such errand: 'outputs'")
    finally:
        group.authorized.write_text(line)


def test_what_is_not_theirs_they_can_not_change(group: Group) -> None:
    (held,) = group.well("bob job -p --hold --command true").split()
    for line, why in (
        (f"cancel {held}", "none of these jobs was brought by alice"),
        ("logs 1", "job 1 was not brought by alice"),
        ("configure --max-jobs-running 9", "the key alice may not 'configure'"),
        ("run -- touch pwned", "no such errand: 'run'"),
    ):
        done = group.types(f"alice {line}")
        assert (done.status, why in done.err) == (1, True), (line, done)
    assert group.well(f"bob cancel {held}").startswith("1 cancelled")
    noted = (group.host.root / ".sjs/jobs.pipe/gate.log").read_text()
    assert " alice 10.88.0.1 refused: the key alice may not 'configure'\n" in noted


def test_only_what_was_named_is_run(group: Group) -> None:
    group.types("owner gate bob --key bob.pub --only 'echo trained' --max-queued 1 --install")
    assert len(group.authorized.read_text().splitlines()) == 3
    group.well("bob-anew job --wait -- echo trained '$(touch pwned)'")
    for line in ("--command 'echo trained; touch pwned'", "--env PATH=/tmp -- echo trained"):
        done = group.types(f"bob-anew job {line}")
        assert (done.status, "they are: -- echo trained" in done.err) == (1, True), done
    group.well("bob-anew job --hold -- echo trained")
    assert "bob may have 1 jobs that have not ended" in group.types("bob-anew job -- echo trained").err


def test_nothing_else_comes_through(group: Group) -> None:
    """Commands, files, forwards, terminals and the agent, by OpenSSH's own client, at a server that allows all that."""
    at = f"{USER}@{group.host.address}"
    for sent in list(hostile.commands(500, SEED))[:: 500 // AT_SSHD]:
        if len(sent) < LONGEST:
            done = group.ssh("alice", "--", at, sent)
            assert (done.returncode, done.stdout, NO in done.stderr) == (77, "", True), (sent, done)
    for words in ((at,), ("-s", at, "sftp"), ("-A", at, "ssh-add -l"), ("-X", at, "id"), ("-tt", at)):
        done = group.ssh("alice", *words)
        assert done.returncode == 77, (words, done)
    assert "PTY allocation request failed" in done.stderr
    for words in (("-N", "-R", "9999:127.0.0.1:22"), ("-W", "127.0.0.1:22")):
        done = group.ssh("alice", *APART, *words, at)
        assert (done.returncode, done.stdout) == (255, ""), (words, done)
    for name, value in (("PYTHONPATH", "/tmp"), ("SSH_ORIGINAL_COMMAND", "other")):
        done = group.ssh("alice", *APART, "-o", f"SetEnv={name}={value}", at, "id")
        assert (done.returncode, done.stdout) == (77, "")
    assert not list(group.host.home.rglob("pwned"))


def test_a_gate_is_closed_again(group: Group) -> None:
    assert group.types("owner gate alice --remove").status == 0
    assert "sjs-gate:alice" not in group.authorized.read_text()
    assert "permission denied" in group.types("alice status").err
