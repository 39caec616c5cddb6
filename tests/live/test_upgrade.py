"""Manager and keeper are replaced by other code while jobs run: no job notices, and no exit code is lost."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sjs import __version__
from sjs.daemon.queue import schema
from tests.live.machine import DEADLINE, ENVIRONMENT, SUBMIT, Machine, running, sessions, until, wait_for_end
from tests.live.test_kill import ROUNDS, SEED, Load, check, integrity, is_up_again
from tests.live.trees import Tree
from tests.live.upgrading import JOBS, Counters, Pair, with_another_schema

UPGRADES = max(1, ROUNDS // 5)
"""Up, and down again, under load."""


def test_up_and_down_with_jobs_running(begin: Callable[[], Pair]) -> None:
    pair = begin()
    for tree in (pair.new, pair.old, pair.old):  # up, down, and once more though nothing has changed
        done = tree.upgrade(pair.machine)
        assert done.returncode == 0, done.stderr
        assert f"sjs {tree.version} manages" in done.stderr
        assert pair.machine.keeper_pid == pair.keeper
        assert tree.runs(pair.machine)
        with pair.machine.client() as client:
            assert client.hello["version"] == tree.version
            assert client.ask("report")["running"] == JOBS
    pair.counters.end_well()


@pytest.mark.parametrize(("version", "verb"), [("0.0.9", "start"), ("99.0", "upgrade")])
def test_a_client_brings_its_own_code(version: str, verb: str, tmp_path: Path) -> None:
    """An older manager is given it by `start`, a newer one only by whoever asks for that."""
    config = tmp_path / "config.yaml"
    config.write_text(f"managers:\n  here: {{transport: local, root: {tmp_path}/machine}}\n")
    config.chmod(0o600)

    def submit(*words: str) -> str:
        command = [*SUBMIT, "--config", str(config), "here", *words]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    with running(tmp_path / "machine", JOBS, daemon=Tree(tmp_path / "other", version).daemon) as machine:
        counters, keeper = Counters(machine), machine.keeper_pid
        if verb == "upgrade":
            assert submit("start").startswith("running on ")
            assert json.loads(submit("status", "--json"))["version"] == version
        submit(verb)
        assert submit("upgrade") == f"sjs {__version__} manages it already\n"
        assert json.loads(submit("status", "--json"))["jobs_running"] == JOBS
        assert submit("restart").startswith("running on ")
        counters.end_well()
        assert machine.keeper_pid == keeper


def test_upgrades_under_load(tmp_path: Path, trees: tuple[Tree, Tree], capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs come and end all the time: at each moment of an upgrade there is one that has just done so."""
    old, new = trees
    with running(tmp_path / "machine", 32, daemon=old.daemon) as machine:
        (machine.root / "runs").mkdir()
        keeper = machine.keeper_pid
        load = Load(machine, random.Random(SEED))
        load.start()
        for tree in (new, old) * UPGRADES:
            done = tree.upgrade(machine)
            assert done.returncode == 0, done.stderr
        load.stop()
        check(machine, load)
        assert machine.keeper_pid == keeper
        integrity(machine)
    with capsys.disabled():
        print(f"\nupgrades {2 * UPGRADES}, jobs {len(load.acknowledged)}, repeated {load.repeated}, seed {SEED}")


def test_a_waiting_client_is_answered_by_the_new_manager(begin: Callable[[], Pair], tmp_path: Path) -> None:
    """Its session ends with the old manager; it asks again by itself."""
    pair = begin()
    config = tmp_path / "config.yaml"
    config.write_text(f"managers:\n  here: {{transport: local, root: {pair.machine.root}}}\n")
    config.chmod(0o600)
    manager = pair.machine.manager_pid
    until(lambda: not sessions(manager), "the end of the sessions before")
    command = [*SUBMIT, "--config", str(config), "here", "wait", str(JOBS - 1)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        try:
            until(lambda: bool(sessions(manager)), "its session")
            assert pair.new.upgrade(pair.machine).returncode == 0
            pair.counters.end_well()
            errors = waiting.communicate(timeout=DEADLINE)[1]
        finally:
            waiting.kill()
    assert waiting.returncode == 10 + JOBS - 1, errors


def test_a_keeper_that_only_waits_for_its_jobs_is_replaced_too(begin: Callable[[], Pair]) -> None:
    pair = begin()
    manager = pair.machine.manager_pid
    with pair.machine.client() as client:
        client.ask("stop")
    wait_for_end(manager)
    done = pair.new.upgrade(pair.machine)
    assert done.returncode == 0, done.stderr
    assert (pair.machine.state / "stopped").exists()
    pair.machine.start()
    assert pair.machine.keeper_pid == pair.keeper
    assert pair.new.runs(pair.machine)
    pair.counters.end_well()


def test_the_terminal_stays_connected(tmp_path: Path, trees: tuple[Tree, Tree]) -> None:
    old, new = trees
    machine = Machine(tmp_path, daemon=old.daemon)
    command = [*machine.program, "job_manager", "--root", str(tmp_path), "--max-jobs-running", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as terminal:
        assert terminal.stderr is not None
        terminal.stderr.readline()
        terminal.stderr.readline()
        keeper = machine.keeper_pid
        assert new.upgrade(machine).returncode == 0
        terminal.send_signal(signal.SIGINT)
        assert terminal.stderr.readline() == "job_manager: stopped\n"
        assert terminal.wait(DEADLINE) == 0
    wait_for_end(keeper)


# New code that is not fit for it


def test_new_code_that_cannot_be_loaded(begin: Callable[[], Pair]) -> None:
    pair = begin()
    pair.new.edit("manager/hooks.py", "from __future__ import annotations\n", "from nowhere import nothing\n")
    manager = pair.machine.manager_pid
    pair.says_no("nothing was changed", "nowhere", "hooks.py:")
    assert pair.machine.manager_pid == manager
    pair.counters.end_well()


@pytest.mark.parametrize("fault", ["return 5", "raise ValueError('not fit')", "import signal; signal.pause()"])
def test_a_new_manager_that_does_not_come_up(begin: Callable[[], Pair], trees: tuple[Tree, Tree], fault: str) -> None:
    old, new = trees
    hangs = "pause" in fault
    if hangs:
        old.edit("keeper/upgrade.py", "TRIAL = 10.0", "TRIAL = 1.0")
    new.edit(
        "manager/serving.py",
        "    fd, root, pipe_name, state, maximum =",
        f"    {fault}\n    fd, root, pipe_name, state, maximum =",
    )
    pair = begin()
    pair.says_no("manager", "not ready in 1 s" if hangs else "ended by itself (exit")
    pair.counters.end_well()


def test_a_new_manager_that_fails_leaves_the_schema_as_it_was(
    begin: Callable[[], Pair], trees: tuple[Tree, Tree]
) -> None:
    with_another_schema(trees[1])
    trees[1].edit(
        "manager/loop.py", '        self._keeper.send({"do": "ready"})\n', "        raise ValueError('not fit')\n"
    )
    pair = begin()
    pair.says_no("not fit")
    pair.counters.end_well()
    pair.machine.stop()
    database = sqlite3.connect(pair.machine.state / "jobs.db")
    assert database.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    assert "colour" not in database.execute("SELECT sql FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
    database.close()


def test_a_new_keeper_that_cannot_go_on_gives_back(begin: Callable[[], Pair], trees: tuple[Tree, Tree]) -> None:
    """The same process executes the old code again; the new manager stays, for its schema may be newer."""
    trees[1].edit("keeper/keeper.py", "        self._restarts = Restarts()\n", "        raise ValueError('not fit')\n")
    pair = begin()
    done = pair.new.upgrade(pair.machine)
    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "only the manager is new" in done.stderr
    assert pair.machine.keeper_pid == pair.keeper
    with pair.machine.client() as client:
        assert client.hello["version"] == "2.0"
    manager = pair.machine.kill_manager()
    until(lambda: is_up_again(pair.machine, manager), "the next manager")
    with pair.machine.client() as client:
        assert client.hello["version"] == "2.0"
    assert pair.old.upgrade(pair.machine).returncode == 0
    pair.counters.end_well()


def test_a_keeper_that_knows_no_upgrade_is_named(begin: Callable[[], Pair], trees: tuple[Tree, Tree]) -> None:
    trees[0].edit("keeper/keeper.py", 'verb == "upgrade"', 'verb == "later"')
    trees[1].edit("terminal/upgrade_command.py", "ANSWER = 5.0", "ANSWER = 0.5")
    pair = begin()
    pair.says_no("nothing was changed", "knows no upgrade", "--stop")
    pair.counters.end_well()


def test_without_a_manager_there_is_nothing_to_upgrade(tmp_path: Path, trees: tuple[Tree, Tree]) -> None:
    done = trees[1].upgrade(Machine(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "no manager" in done.stderr


# Old code and newer records


def with_another_journal(tree: Tree) -> None:
    tree.edit("ground/journal.py", "VERSION = 2\n", "VERSION = 3\n")


def with_another_record(tree: Tree) -> None:
    tree.edit("keeper/handover.py", "VERSION = 2\n", "VERSION = 3\n")


@pytest.mark.parametrize("change", [with_another_schema, with_another_journal, with_another_record])
def test_the_way_back_from_newer_records_is_refused(
    begin: Callable[[], Pair], trees: tuple[Tree, Tree], change: Callable[[Tree], None]
) -> None:
    change(trees[1])
    pair = begin()
    done = pair.new.upgrade(pair.machine)
    assert done.returncode == 0, done.stderr
    assert pair.new.runs(pair.machine)
    pair.old, pair.new = pair.new, pair.old
    before = files(pair.machine)
    pair.says_no("newer")
    assert files(pair.machine) == before
    pair.counters.end_well()


@pytest.mark.parametrize(("change", "kept"), [(with_another_schema, "jobs.db*"), (with_another_journal, "jo*.*")])
def test_old_code_does_not_start_on_newer_records(
    tmp_path: Path, trees: tuple[Tree, Tree], change: Callable[[Tree], None], kept: str
) -> None:
    old, new = trees
    change(new)
    with running(tmp_path / "machine", 1, daemon=new.daemon) as machine, machine.client() as client:
        client.run("exit 3")
    before = files(machine, kept)
    done = old.job_manager(machine, "--background")
    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "written by a newer sjs" in done.stderr
    assert files(machine, kept) == before
    with running(machine.root, 1, daemon=new.daemon) as machine, machine.client() as client:
        assert client.ask("list")["jobs"][0]["exit"] == 3


def files(machine: Machine, pattern: str = "jo*.*") -> dict[str, bytes]:
    """The database's and the journal's, or what else is called so: by name, the bytes."""
    return {path.name: path.read_bytes() for path in machine.state.glob(pattern)}
