"""A key that opens a gate uses one queue, as far as it may, and nothing else. By the program itself, without ssh."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs import bundle, wire
from sjs.answers import Gate
from sjs.core import login_shell
from sjs.daemon.asking import gate, whose
from sjs.daemon.asking.ask import Refusal
from sjs.daemon.asking.gate import meant
from sjs.daemon.asking.replies import Replies
from sjs.daemon.ground.places import Places
from sjs.errand import gating
from sjs.errand.client import Client as ErrandClient
from sjs.errors import BadRequest, Refused, UnknownRequest
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from tests.live import hostile
from tests.live.hostile import ASK, ERRAND
from tests.live.machine import DAEMON, DEADLINE, ENVIRONMENT, Client, Machine, running

COUNT = 500
SEED = int(os.environ.get("SJS_SEED", "25"))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


class Behind(Machine):
    """The machine, as somebody sees it who comes through a gate."""

    def __init__(self, machine: Machine, name: str, *words: str, sent: str = ASK) -> None:
        super().__init__(machine.root)
        line = shlex.join(["exec", *machine.program, "gate", name, "--root", str(machine.root), *words])
        self.program = [
            "env",
            f"SSH_ORIGINAL_COMMAND={sent}",
            "SSH_CONNECTION=10.0.0.9 1 10.0.0.1 22",
            "sh",
            "-c",
            line,
        ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("shared") / "m", 2) as machine:
        yield machine


def refusal(client: Client, op: str, **fields: Any) -> str:
    return str(client.ask(op, **fields)["error"]["message"])


def test_a_queue_is_shared(shared: Machine) -> None:
    with Behind(shared, "alice").client() as alice, Behind(shared, "bob").client() as bob, shared.client() as owner:
        (hers,) = (one["id"] for one in alice.run("echo hers"))
        (his,) = (one["id"] for one in bob.run("echo his"))
        (held,) = (bob.ask("submit", jobs=[{"command": "x", "hold": True}])["first"],)
        seen = [alice.ask("details", job=one)["job"].get("submitter") for one in (hers, his)]
        assert seen == ["alice", "bob"]
        assert (alice.output(hers), bob.output(his), owner.output(his)) == (b"hers\n", b"his\n", b"his\n")
        assert refusal(alice, "read", job=his, stream="out") == f"job {his} was not brought by alice"
        assert refusal(alice, "cancel", jobs=[[held, held]]) == "none of these jobs was brought by alice"
        assert alice.ask("cancel", jobs=None)["cancelled"] == []
        assert refusal(alice, "stop") == "the key alice may not 'stop'"
        assert refusal(alice, "output", job=hers) == "the key alice may not 'output'"
        assert bob.ask("cancel", jobs=[[held, held]])["cancelled"] == [[held, held]]
        with Behind(shared, "carol", "--all-jobs").client() as carol:
            assert carol.output(his) == b"his\n"


def test_of_what_a_client_says_of_itself_nothing_is_believed(shared: Machine, tmp_path: Path) -> None:
    elsewhere = Behind(shared, "alice")
    elsewhere.root = tmp_path
    with elsewhere.client("restart=99") as alice:
        assert alice.hello["root"] == str(shared.root)
        assert alice.hello["hooks"] == {}
        first = alice.ask("submit", submitter="bob", most=9, jobs=[{"command": "true", "submitter": "bob"}])["first"]
        assert alice.ask("details", job=first)["job"]["submitter"] == "alice"
    assert not list(tmp_path.iterdir())


def test_who_may_not_start_a_manager_starts_none(tmp_path: Path) -> None:
    with running(tmp_path / "m", 1) as machine:
        pass
    for start in ("start=1", "restart=1"):
        with Behind(machine, "alice").client(start) as alice:
            assert refusal(alice, "report").endswith("was stopped on purpose")
    try:
        with Behind(machine, "alice", "--allow", "job,status,start").client("restart=9") as alice:
            assert alice.ask("report")["max"] == 1
    finally:
        machine.stop()


def test_a_session_goes_on_after_what_was_refused(shared: Machine) -> None:
    with Behind(shared, "alice").client() as alice:
        for line in (b"nonsense", b"[1]", b"\xff\x00", b'{"op":"report","id":"ask.1"}', b"[" * 100_000, b'{"id":7}'):
            alice._write(line + b"\n")
        heard = [json.loads(alice.line())["error"]["code"] for _ in range(6)]
        assert heard == ["bad_request"] * 5 + ["refused"]
        assert alice.ask("report")["max"] == 2


def test_a_line_without_an_end_ends_the_session(shared: Machine) -> None:
    with Behind(shared, "alice").client() as alice:
        piece = b"x" * (1 << 20)
        for _ in range(6):
            try:
                alice._write(piece)
            except BrokenPipeError:
                break
        assert json.loads(alice.line())["error"]["message"] == f"a line of more than {wire.MAX_LINE} bytes"
        with pytest.raises(EOFError):
            alice.line()


def test_who_asked_for_what_is_noted_down(tmp_path: Path) -> None:
    with running(tmp_path / "m", 1) as machine:
        with Behind(machine, "alice").client() as alice:
            alice.submit("echo 'a\nb'", "true", key="k")
            alice.ask("cancel", jobs=[[1, 1]])
            alice.ask("report")
            alice.ask("evil\n2026 bob 10.0.0.1 stop")
        subprocess.run(Behind(machine, "alice", sent="rm -rf /").program, capture_output=True, timeout=DEADLINE)
        path = machine.state / "gate.log"
        assert path.stat().st_mode & 0o777 == 0o600
        noted = [line.split(" ", 4)[2:] for line in path.read_text().splitlines()]
        assert {(who, where) for who, where, _ in noted} == {("alice", "10.0.0.9")}
        told = [what for _, _, what in noted]
        assert told[0] == (
            r'submit {"key":"alice:k","most":1000,"count":2,"first":{"command":"echo \'a\nb\'"}}'.replace(r"\'", "'")
        )
        assert told[1] == 'cancel {"jobs":[[1,1]]}'
        assert told[2].startswith("refused: the key alice may not 'evil\\\\n2026 bob")
        assert told[3] == "came with no command of sjs"
        assert len(told) == 4


class Peer:
    """What stands for a manager, and greets like this."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.feed = Replies()
        self.feed.put(wire.encode(said))


@pytest.mark.parametrize(
    "said", [{"hello": {"version": "0.0.9", "wire": 1}}, {"error": {"code": "x"}}, {"hello": None}]
)
def test_a_manager_that_does_not_know_whose_jobs_are_whose_is_not_shared(said: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="does not know whose jobs are whose"):
        whose.greeting(Peer(said))


def test_of_the_machine_only_what_is_allowed_can_be_asked(shared: Machine) -> None:
    def asked(*words: str) -> DistantMachine:
        return DistantMachine(
            LocalTransport(), Door(Behind(shared, "alice", *words, sent=ERRAND).program, "/elsewhere", "other.pipe")
        )

    machine = asked()
    try:
        assert machine.facts().disk["path"].startswith(str(shared.root))
        assert machine.checks({})
        for attempt in (
            lambda: list(machine.run(["touch", "pwned"])),
            lambda: list(machine.deploy("x", True, True)),
            machine.upgrade,
            lambda: machine.gate("eve", KEY, [], True),
        ):
            with pytest.raises(UnknownRequest, match="no such errand"):
                attempt()
    finally:
        machine.close()
    nothing = asked("--allow", "job")
    try:
        with pytest.raises(UnknownRequest):
            nothing.facts()
    finally:
        nothing.close()


def test_clients_are_understood() -> None:
    other = bundle.Bundle({"sjs/__init__.py": b"of another version"})
    for python in ("python3", "/opt/python3.8/bin/python3.8", "~/venv/bin/python"):
        for one in (bundle.ours(), other):
            assert meant(login_shell.line(one.ask(python))) == "daemon"
            assert meant(login_shell.line(one.errand(python))) == "errand"


WATCHED = """\
import json, os, sys
sys.path.insert(0, sys.argv[1])
from sjs.daemon.asking import gate, whose
done = []
kinds = ("os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.forkpty", "subprocess.Popen",
         "socket.connect", "os.kill", "os.remove", "shutil.rmtree", "ctypes.dlopen")
sys.addaudithook(lambda event, given: done.append(event) if event in kinds else None)
statuses = []
sys.stderr = open(os.devnull, "w")
for command in map(json.loads, sys.stdin):
    os.environ["SSH_ORIGINAL_COMMAND"] = command
    statuses.append(gate.main(["alice", "--root", sys.argv[2]]))
print(json.dumps([statuses, done]))
"""


def test_nothing_else_ever_happens(shared: Machine, tmp_path: Path) -> None:
    """All of them in one process that is watched: it starts nothing, and says no each time."""
    sent = [one for one in hostile.commands(COUNT, SEED) if "\0" not in one]
    assert len(sent) == COUNT
    assert max(map(len, sent)) > 1_000_000
    given = "".join(json.dumps(one) + "\n" for one in sent)
    argv = [sys.executable, "-I", "-S", "-c", WATCHED, str(DAEMON.parents[1]), str(shared.root)]
    call = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=DEADLINE, cwd=tmp_path)
    assert call.returncode == 0, call.stderr
    assert json.loads(call.stdout) == [[gate.EX_NOPERM] * COUNT, []], f"seed {SEED}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["a b"], ["alice", "--shell"], []])
def test_a_line_that_is_wrong_lets_nobody_in(words: list[str]) -> None:
    call = subprocess.run(
        [sys.executable, "-I", "-S", str(DAEMON), "gate", *words],
        env={**ENVIRONMENT, "SSH_ORIGINAL_COMMAND": ASK},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (call.returncode, call.stdout) == (gate.EX_USAGE, "")
    assert call.stderr.startswith("sjs gate: ") and call.stderr.count("\n") == 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Keys:
    """The errand by which lines are made, put there and taken out, without a process for each."""

    def __init__(self, root: Path) -> None:
        self._where = Places(str(root), "jobs.pipe")

    def gate(self, name: str, key: str, options: list[str], install: bool) -> Gate:
        return self._run({"name": name, "key": key, "options": options, "install": install})

    def close_gate(self, name: str) -> Gate:
        return self._run({"name": name, "remove": True})

    def _run(self, request: dict[str, Any]) -> Gate:
        return Gate(**gating.gate(request, ErrandClient(), self._where))


@pytest.fixture
def keys(home: Path, shared: Machine) -> Keys:
    return Keys(shared.root)


def command_of(line: str) -> str:
    """What sshd would have the login shell run, read as sshd reads it."""
    quoted = line[len('command="') : line.index('",restrict ssh-ed25519 ')]
    return quoted.replace('\\"', '"')


@pytest.mark.parametrize("shell", ["sh", "csh", "fish"])
def test_every_login_shell_opens_the_gate(shell: str, keys: Keys, shared: Machine) -> None:
    only = ["--only", "python train.py", "--only", '["my program", "$(reboot) `x` {a,b} *"]']
    line = keys.gate("alice", KEY, [*only, "--env", "LR"], False).line
    machine = Machine(shared.root)
    machine.program = ["env", f"SSH_ORIGINAL_COMMAND={ASK}", shell, "-c", command_of(line)]
    with machine.client() as alice:
        assert refusal(alice, "submit", jobs=[{"command": "true"}]) == "jobs of the key alice are no text for a shell"
        argv = ["my program", "$(reboot) `x` {a,b} *", "1"]
        assert alice.ask("submit", jobs=[{"argv": argv, "hold": True}])["count"] == 1


def test_the_line_is_shown_and_nothing_is_changed(keys: Keys, home: Path) -> None:
    shown = keys.gate("alice", KEY + " comment here\n", [], False)
    assert shown.line.startswith('command="exec ')
    assert shown.line.endswith(f'",restrict {KEY} sjs-gate:alice')
    assert (shown.path, shown.changed) == (str(home / ".ssh/authorized_keys"), False)
    assert not list(home.iterdir())


def test_it_is_put_there_once_and_taken_out(keys: Keys, home: Path) -> None:
    path = home / ".ssh/authorized_keys"
    line = keys.gate("alice", KEY, [], True).line
    assert path.read_text() == line + "\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    inode = path.stat().st_ino
    assert keys.gate("alice", KEY, [], True) == Gate(line, str(path), False)
    assert path.stat().st_ino == inode
    other = keys.gate("alice", KEY, ["--max-queued", "3"], True)
    assert path.read_text() == other.line + "\n"
    assert keys.close_gate("bob") == Gate("", str(path), False)
    assert keys.close_gate("alice").changed
    assert path.read_text() == ""


def test_what_others_have_there_stays_as_it_is(keys: Keys, home: Path) -> None:
    there = b"# sjs-gate:alice is a comment\nssh-rsa AAAA owner \xff\n" + b'from="10.0.0.1" ssh-rsa BBBB x\n'
    real = home / "dotfiles"
    real.write_bytes(there.rstrip(b"\n"))
    (home / ".ssh").mkdir()
    (home / ".ssh/authorized_keys").symlink_to(real)
    line = keys.gate("alice", KEY, [], True).line
    assert real.read_bytes() == there + line.encode() + b"\n"
    assert real.stat().st_mode & 0o777 == 0o600
    keys.close_gate("alice")
    assert real.read_bytes() == there
    assert (home / ".ssh/authorized_keys").is_symlink()


@pytest.mark.parametrize("line", [KEY, f"restrict {KEY} me", f'command="x" {KEY} sjs-gate:bob'])
def test_a_key_that_opens_more_already_is_told(line: str, keys: Keys, home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/authorized_keys").write_text(f"ssh-rsa AAAA other\n{line}\n")
    with pytest.raises(Refused, match="authorized_keys:2 lets this key in already"):
        keys.gate("alice", KEY, [], True)
    assert (home / ".ssh/authorized_keys").read_text() == f"ssh-rsa AAAA other\n{line}\n"


@pytest.mark.parametrize(
    "key",
    [
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        f"{KEY}\n{KEY}",
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        f'command="id" {KEY}',
        'ssh-ed25519",x',
    ],
)
def test_what_is_no_public_key_is_refused(key: str, keys: Keys) -> None:
    with pytest.raises(BadRequest, match="no public key"):
        keys.gate("alice", key, [], True)


def test_a_line_that_sshd_would_not_read_is_refused(keys: Keys, home: Path) -> None:
    with pytest.raises(BadRequest, match="of which sshd reads"):
        keys.gate("alice", KEY, ["--only", "x" * 8_000], True)
    assert not list(home.iterdir())


@pytest.mark.parametrize("only", ["it's", 'a\\"b', "a\nb!", "é"])
def test_what_not_all_login_shells_would_pass_on_is_refused(only: str, keys: Keys, home: Path) -> None:
    with pytest.raises(BadRequest, match="not every login shell"):
        keys.gate("alice", KEY, ["--only", json.dumps([only])], True)
    assert not list(home.iterdir())
