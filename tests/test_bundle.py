"""What goes to machines: its name, its way there, and what may lie in its way."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs import bundle
from sjs.bundle import Bundle
from sjs.core import login_shell
from sjs.daemon.ground.unpack import KEPT
from tests import pythons
from tests.live.machine import until

PACKAGE = Path(bundle.__file__).parent
SHELLS = ("sh", "bash", "zsh", "csh", "tcsh", "fish")


@pytest.fixture(scope="module")
def whole() -> Bundle:
    return bundle.ours()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    home.mkdir()
    yield home


def run(home: Path, argv: list[str], given: bytes = b"", shell: str = "sh") -> bytes:
    """What it prints when a login shell of that kind runs it, in a folder that is not the home."""
    call = subprocess.run(
        [shell, "-c", login_shell.line(argv)],
        input=given,
        cwd="/",
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        timeout=60,
    )
    return call.stdout


def unpack(home: Path, whole: Bundle) -> bytes:
    parcel = whole.parcel(sys.executable)
    return run(home, list(parcel.argv), parcel.contents())


def place(home: Path, whole: Bundle) -> Path:
    return home / ".cache/sjs" / whole.digest


def is_whole(home: Path, whole: Bundle) -> bool:
    return bundle.collect(str(place(home, whole) / "sjs")) == whole


def test_it_holds_what_machines_need_and_nothing_else(whole: Bundle) -> None:
    assert {"sjs/__init__.py", "sjs/wire.py", "sjs/core/job.py", "sjs/daemon/asking/ask.py"} <= set(whole.files)
    assert not [name for name in whole.files if name.startswith(("sjs/cli", "sjs/transport", "sjs/bundle"))]


def test_equal_sources_have_one_name_wherever_they_lie(whole: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(PACKAGE, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert bundle.collect(str(copy)).digest == whole.digest
    (copy / "daemon/asking/ask.py").write_text("# other\n")
    assert bundle.collect(str(copy)).digest != whole.digest


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_takes_it_there_and_runs_it(shell: str, home: Path, whole: Bundle) -> None:
    ask, parcel = whole.ask(sys.executable), whole.parcel(sys.executable)
    assert run(home, ask, shell=shell) == b"sjs missing\n"
    assert run(home, list(parcel.argv), parcel.contents(), shell) == b"sjs unpacked\n"
    assert is_whole(home, whole)
    assert run(home, ask, b"nonsense\n", shell).startswith(b'sjs 1\n{"error"')


def test_only_its_owner_can_look_at_it(home: Path, whole: Bundle) -> None:
    unpack(home, whole)
    assert {path.stat().st_mode & 0o077 for path in (home / ".cache/sjs").rglob("*")} == {0}
    assert os.listdir(home / ".cache/sjs") == [whole.digest]


@pytest.mark.parametrize("kept", [0, 3, 5_000, -1])
def test_a_cut_stream_leaves_nothing(kept: int, home: Path, whole: Bundle) -> None:
    parcel = whole.parcel(sys.executable)
    assert b"unpacked" not in run(home, list(parcel.argv), parcel.contents()[:kept])
    assert not (home / ".cache").exists()


def test_damage_on_the_way_is_noticed(home: Path, whole: Bundle) -> None:
    other = Bundle({**whole.files, "sjs/wire.py": b"# not ours\n"})
    body = json.dumps({"digest": whole.digest, "files": {name: text.decode() for name, text in other.files.items()}})
    pieces = b"".join(b"%d\n%b" % (len(piece), piece) for piece in (whole.files[bundle.UNPACK], body.encode()))
    said = run(home, list(whole.parcel(sys.executable).argv), pieces)
    assert said.startswith(b"sjs failed what was written")
    assert os.listdir(home / ".cache/sjs") == []


def test_what_is_whole_is_left_alone(home: Path, whole: Bundle) -> None:
    unpack(home, whole)
    before = place(home, whole).stat().st_ino
    assert unpack(home, whole) == b"sjs unpacked\n"
    assert place(home, whole).stat().st_ino == before


@pytest.mark.parametrize("obstacle", ["file", "symlink", "part", "changed"])
def test_what_is_in_the_way_makes_room(obstacle: str, home: Path, whole: Bundle) -> None:
    where = place(home, whole)
    where.parent.mkdir(parents=True, mode=0o755)
    if obstacle == "file":
        where.write_text("hostile")
    elif obstacle == "symlink":
        where.symlink_to("/nowhere")
    elif obstacle == "part":
        (where / "sjs").mkdir(parents=True)
    else:
        unpack(home, whole)
        (where / "sjs/daemon/asking/ask.py").write_text("raise SystemExit('hostile')")
    assert unpack(home, whole) == b"sjs unpacked\n"
    assert is_whole(home, whole)
    assert os.listdir(where.parent) == [whole.digest]


@pytest.mark.parametrize("where", [".cache", ".cache/sjs"])
def test_a_file_where_a_folder_must_be_is_told(where: str, home: Path, whole: Bundle) -> None:
    (home / where).parent.mkdir(exist_ok=True)
    (home / where).write_text("")
    assert unpack(home, whole).startswith(b"sjs failed")


def version(whole: Bundle, number: int) -> Bundle:
    return Bundle({**whole.files, "sjs/wire.py": f"# version {number}\n".encode()})


def older(home: Path, whole: Bundle, count: int) -> list[Path]:
    """Versions that were put there one after the other, the oldest first."""
    found = []
    for number in range(count):
        unpack(home, version(whole, number))
        found.append(place(home, version(whole, number)))
        os.utime(found[-1], (number, number))
    return found


def test_old_versions_are_cleared_away_but_for_the_newest(home: Path, whole: Bundle) -> None:
    old = older(home, whole, KEPT + 2)
    (home / ".cache/sjs/venv-1").mkdir()
    unpack(home, whole)
    left = {path.name for path in (home / ".cache/sjs").iterdir()}
    assert left == {"venv-1", whole.digest, *(path.name for path in old[2:])}


def test_what_others_have_noted_down_stays(home: Path, whole: Bundle) -> None:
    unpack(home, version(whole, 0))
    (home / ".cache/sjs/current").symlink_to(version(whole, 0).digest)
    old = older(home, whole, KEPT + 2)
    unpack(home, whole)
    left = {path.name for path in (home / ".cache/sjs").iterdir()}
    assert left == {"current", whole.digest, *(path.name for path in (old[0], *old[2:]))}


def is_held(path: Path) -> bool:
    with path.open("rb") as program:
        try:
            fcntl.flock(program, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_what_runs_stays(home: Path, whole: Bundle) -> None:
    oldest = older(home, whole, KEPT + 1)[0]
    argv = [sys.executable, "-I", "-S", str(oldest / "sjs/daemon"), "ask"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin and running.stdout
        until(lambda: is_held(oldest / "sjs/daemon/__main__.py"), "its lock")
        unpack(home, whole)
        assert oldest.exists()
        running.stdin.write(b"nonsense\n")
        running.stdin.close()
        assert running.stdout.readline() == b"sjs 1\n"
    unpack(home, version(whole, 99))
    assert not oldest.exists()


def test_many_may_come_at_once(home: Path, whole: Bundle) -> None:
    parcel = whole.parcel(sys.executable)
    line, environ = login_shell.line(parcel.argv), {**os.environ, "HOME": str(home)}
    calls = [
        subprocess.Popen(["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        for _ in range(4)
    ]
    assert {call.communicate(parcel.contents(), 60)[0] for call in calls} == {b"sjs unpacked\n"}
    assert os.listdir(home / ".cache/sjs") == [whole.digest]
    assert is_whole(home, whole)


def test_a_machine_without_python_is_told(home: Path, whole: Bundle) -> None:
    argv = list(whole.parcel("/no/such/python3").argv)
    assert run(home, argv, b"") == b"sjs python missing\n"


def test_a_machine_that_has_lost_its_python_is_told(home: Path, whole: Bundle) -> None:
    unpack(home, whole)
    assert run(home, whole.ask("/no/such/python3"), b"") == b"sjs python missing\n"


@pytest.mark.parametrize("version", pythons.too_old(), ids=str)
def test_old_pythons_say_so_also_where_everything_lies(version: pythons.Version, home: Path, whole: Bundle) -> None:
    unpack(home, whole)
    said = b"sjs python %s\n" % ".".join(map(str, version)).encode()
    python = pythons.too_old()[version]
    assert run(home, whole.ask(python), b"nonsense\n") == said
    assert run(home, list(whole.parcel(python).argv), whole.parcel(python).contents()) == said


def test_an_old_python_is_told_by_who_is_run_there(home: Path, whole: Bundle) -> None:
    unpack(home, whole)
    old = "import sys, runpy; sys.version_info = (3, 6, 9); runpy.run_path(sys.argv[1], run_name='__main__')"
    folder = place(home, whole) / "sjs/daemon"
    call = subprocess.run([sys.executable, "-I", "-c", old, folder, "ask"], stdout=subprocess.PIPE, timeout=60)
    assert (call.returncode, call.stdout) == (69, b"sjs python 3.6.9\n")


def test_an_old_python_is_told(home: Path, whole: Bundle) -> None:
    old = "import sys\nsys.version_info = (3, 6, 9)\n" + whole.files[bundle.UNPACK].decode()
    call = subprocess.run([sys.executable, "-I", "-c", old], input=b"", stdout=subprocess.PIPE, timeout=60)
    assert call.stdout == b"sjs python 3.6.9\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", ["$HOME `ls` $(ls) {a,b} *", "", 'say "hi"', "~", "a#b;c|d&e>f<g(h)", "%1 ^a^b"])
def test_words_arrive_as_they_are(shell: str, word: str, tmp_path: Path) -> None:
    assert run(tmp_path, ["/usr/bin/printf", "%s|", word], shell=shell) == word.encode() + b"|"
