"""Another real user of the machine gets in nowhere: not before a manager starts, not while it runs, not by a race."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, Machine, until, wait_for_end
from tests.live.users import OWNER, STRANGER, as_root, busy_as, do_as, open_folder

pytestmark = as_root
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "3"))


class Place:
    """A project folder of one user, with its manager, on a machine where there are others."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.home = folder / "home"
        for path in (self.root, self.home):
            path.mkdir()
            os.chown(path, OWNER, OWNER)
        self.program = ["/usr/bin/env", f"HOME={self.home}", _python(), "-I", "-S", str(folder / "sjs" / "daemon")]
        self.machine = Machine(self.root)
        self.machine.program = self.program

    def run(self, *words: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.program, *words],
            text=True,
            capture_output=True,
            timeout=DEADLINE,
            user=OWNER,
            group=OWNER,
            extra_groups=[],
            umask=umask,
            check=False,
        )

    def start(self, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
        return self.run("job_manager", "--background", "--root", str(self.root), umask=umask)

    def ask(self, line: str) -> str:
        """What a client of the owner gets to hear."""
        header = f"sjs 1\0{self.root}\0jobs.pipe\0\0-\n{line}\n"
        done = subprocess.run(
            [*self.program, "ask"], input=header, text=True, capture_output=True, timeout=DEADLINE, user=OWNER,
            group=OWNER, extra_groups=[], check=False,
        )  # fmt: skip
        return done.stdout

    def submit(self, command: str) -> str:
        request = json.dumps({"op": "submit", "id": 1, "jobs": [{"command": command}]})
        return self.ask(f'{request}\n{{"op":"wait","id":2,"jobs":null}}')

    def states(self) -> list[Path]:
        """The state folder, wherever it is."""
        return [path.parent for path in self.root.parent.rglob("jobs.db")]

    def stop(self) -> None:
        self.run("job_manager", "--stop", "--root", str(self.root))
        for state in self.states():
            for name in ("keeper", "manager"):
                with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
                    wait_for_end(int((state / f"{name}.lock").read_text().split()[1]))


def _python() -> str:
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip("no python3 that other users can run")
    return found


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder:
        made = Place(folder)
        yield made
        made.stop()


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_is_the_owners_alone_whatever_the_umask(place: Place, umask: int) -> None:
    assert place.start(umask).returncode == 0
    assert '"succeeded":1' in place.submit("echo secret; umask > mask; git init -q . 2>/dev/null; true")
    found = modes(place.root)
    assert {".sjs", ".sjs/jobs.pipe/keeper.sock", ".sjs/jobs.pipe/jobs/0/0.out", "jobs.pipe"} <= set(found)
    ours = {name: mode for name, mode in found.items() if name.startswith((".sjs", "jobs.pipe"))}
    assert {name: oct(mode) for name, mode in ours.items() if mode & 0o077} == {}
    assert int((place.root / "mask").read_text(), 8) == umask, "jobs have the umask of whoever started the manager"


def test_nobody_else_reads_writes_or_connects(place: Place) -> None:
    assert place.start().returncode == 0
    place.submit("echo secret")
    state = place.root / ".sjs" / "jobs.pipe"
    paths = [place.root / "jobs.pipe", *state.rglob("*")]

    def attack() -> None:
        for path in paths:
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
                try:
                    os.open(path, flags | os.O_NONBLOCK)
                except OSError as error:
                    assert error.errno in (errno.EACCES, errno.ENXIO, errno.EISDIR), (path, error)
                    assert error.errno == errno.EACCES, (path, error)
                else:
                    raise AssertionError(f"{path} opened with {flags}")
        for act in (lambda: os.listdir(state), lambda: os.mkfifo(state / "sessions" / "evil")):
            try:
                act()
            except PermissionError:
                continue
            raise AssertionError("entered")
        with socket.socket(socket.AF_UNIX) as connection:
            assert connection.connect_ex(str(state / "keeper.sock")) == errno.EACCES

    assert len(paths) > 8
    assert do_as(STRANGER, attack)


def identity(path: Path) -> tuple[int, int, int, int]:
    found = path.lstat()
    return found.st_ino, found.st_uid, found.st_mode, found.st_mtime_ns


PLANTS: list[tuple[str, Callable[[Path], object]]] = [
    ("jobs.pipe", lambda path: os.mkfifo(path, 0o666)),
    ("jobs.pipe", lambda path: path.symlink_to("/etc/passwd")),
    ("jobs.pipe", lambda path: path.write_text("planted")),
    ("jobs.pipe", lambda path: path.mkdir()),
    (".sjs", lambda path: path.symlink_to(path.parent.parent / "home")),
    (".sjs", lambda path: path.mkdir()),
    (".sjs", lambda path: (path / "jobs.pipe").mkdir(parents=True)),
    (".sjs", lambda path: path.write_text("planted")),
]


@pytest.mark.parametrize("mode", [0o1777, 0o777])
@pytest.mark.parametrize("plant", range(len(PLANTS)))
def test_what_was_planted_is_refused_in_one_line_and_left(place: Place, mode: int, plant: int) -> None:
    """Where a stranger can even rearrange the folder, the queue is elsewhere, and a planted .sjs may not matter."""
    name, make = PLANTS[plant]
    place.root.chmod(mode)
    path = place.root / name
    assert do_as(STRANGER, lambda: make(path))
    before = identity(path)
    victim = sorted(place.home.rglob("*"))
    done = place.start()
    if mode == 0o777 and name == ".sjs" and not (path / "jobs.pipe").exists():
        assert done.returncode == 0
        assert f"its queue is in {place.home}" in done.stderr
    else:
        assert done.returncode == 69
        assert done.stderr.count("\n") == 1
        assert path.name in done.stderr, done.stderr
        if not path.is_symlink():
            assert '"error"' in place.ask('{"op":"report","id":1}')
        if name == ".sjs":
            assert sorted(place.home.rglob("*")) == victim, "a link was followed"
    assert identity(path) == before, "it was touched"


def test_a_strangers_pipe_in_the_doors_place_is_refused_and_waited_for(place: Place) -> None:
    """Whoever removes the door of a sticky folder is its owner; a stranger is quick to take the place."""
    place.root.chmod(0o1777)
    assert place.start().returncode == 0
    door = place.root / "jobs.pipe"
    log = place.root / ".sjs" / "jobs.pipe" / "manager.log"
    for round_ in range(1, ROUNDS + 1):
        plant = place.root / "plant"
        os.mkfifo(plant)
        plant.chmod(0o666)
        os.chown(plant, STRANGER, STRANGER)
        plant.rename(door)
        until(functools.partial(has_complained, log, round_), "the manager's word")
        refusal = place.ask('{"op":"report","id":1}')
        assert "belongs to somebody else" in refusal
        assert door.stat().st_uid == STRANGER
        door.unlink()
        until(lambda: door.exists() and door.stat().st_uid == OWNER, "another door")
        assert '"running":0' in place.ask('{"op":"report","id":1}')


def has_complained(log: Path, times: int) -> bool:
    return log.read_text().count("nobody can reach this manager") == times


def swap_for_ever(root: Path) -> None:
    """As a stranger: put my own things where the owner's are, and back, as fast as it goes."""
    mine = root / "mine"
    (mine / "jobs.pipe" / "jobs" / "0").mkdir(parents=True)
    (mine / "jobs.pipe" / "jobs" / "0" / "0.out").write_text("")
    os.chmod(mine / "jobs.pipe" / "jobs" / "0" / "0.out", 0o666)
    os.mkfifo(root / "pipe", 0o666)
    while True:
        for plant, name in ((mine, ".sjs"), (root / "pipe", "jobs.pipe")):
            for source, target in ((root / name, root / f"{name}.away"), (plant, root / name)):
                with contextlib.suppress(OSError):
                    source.rename(target)
            for source, target in ((root / name, plant), (root / f"{name}.away", root / name)):
                with contextlib.suppress(OSError):
                    source.rename(target)


@pytest.mark.parametrize("mode", [0o1777, 0o777])
def test_swapping_in_a_loop_wins_nothing(place: Place, mode: int) -> None:
    """Whatever the stranger gets hold of, it is never the owner's: no output, no database, no command of his is run."""
    place.root.chmod(mode)
    with busy_as(STRANGER, lambda: swap_for_ever(place.root)):
        for round_ in range(ROUNDS):
            place.start()
            place.submit(f"echo secret {round_}")
    strangers = [path for path in place.root.rglob("*") if path.lstat().st_uid == STRANGER]
    assert strangers, "it did nothing"
    read = [path for path in strangers if path.is_file() and "secret" in path.read_text()]
    assert read == []
    for path in strangers:
        below = [one for one in path.rglob("*") if path.is_dir() and one.lstat().st_uid == OWNER]
        assert below == [], "the owner put something into a stranger's folder"
    for path in place.root.iterdir():
        if path.lstat().st_uid == STRANGER:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_planted_folder_in_var_tmp_is_refused(place: Place) -> None:
    shared = place.root.parent / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    planted = shared / f"sjs-{OWNER}"
    assert do_as(STRANGER, lambda: planted.mkdir(mode=0o777))
    done = place.run("job_manager", "--background", "--root", str(place.root), "--state-dir", str(planted))
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)
    assert "belongs to somebody else" in done.stderr
    assert os.listdir(planted) == []
