from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.reach import here
from sjs.snapshots.store import Store
from sjs.snapshots.tree import FILE_OBJECT, TREE_OBJECT, Entry, to_bytes

DEADLINE = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"))
    found.make()
    return found


@pytest.fixture
def digest(store: Store) -> str:
    def file(kind: str, name: bytes, content: bytes) -> Entry:
        return Entry(kind, store.add(FILE_OBJECT, content), name)

    inner = [file("f", b"data", b"in there\n"), file("x", b"run", b"#!/bin/sh\npwd; cat data\n")]
    sub = store.add(TREE_OBJECT, to_bytes(inner))
    top = [file("l", b"link", b"sub/data"), file("f", b"\xff\n", bytes(3 << 20)), Entry("d", sub, b"sub")]
    return store.add(TREE_OBJECT, to_bytes(top))


ENVIRONMENT = {"PATH": os.defpath, "LANG": "C"}


ENVIRONMENT = {"PATH": os.defpath, "LANG": "C"}


def run(store: Store, digest: str, place: Path, *command: str, cwd: str = "", stdin: str = "") -> tuple[int, str, str]:
    asked = [*here("daemon"), "checkout", store.folder, digest, str(place), cwd, stdin, "--", *command]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=DEADLINE, env=ENVIRONMENT)
    return done.returncode, done.stdout, done.stderr


def test_the_command_runs_in_a_copy_of_all(store: Store, digest: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    assert run(store, digest, place, "./run", cwd="sub") == (0, f"{place}/sub\nin there\n", "")
    assert os.readlink(place / "link") == "sub/data"
    assert (tmp_path / "place" / os.fsdecode(b"\xff\n")).read_bytes() == bytes(3 << 20)
    assert os.access(place / "sub/run", os.X_OK) and not (place / "sub/data").stat().st_mode & 0o111
    (place / "sub/data").write_text("changed")
    assert run(store, digest, tmp_path / "other", "cat", "sub/data")[1] == "in there\n"


def test_it_reads_what_is_in_there_and_has_the_environment_that_was_meant(
    store: Store, digest: str, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    status, out, _ = run(store, digest, place, "/bin/sh", "-c", "cat; env", stdin="sub/data")
    said = set(out.splitlines()) - {"_=/usr/bin/env"}
    given = {f"PATH={os.defpath}", "LANG=C", f"PWD={place}", f"SJS_PYTHON={sys.executable}"}
    assert (status, said) == (0, {"in there", *given})


def test_signals_are_as_ever(store: Store, digest: str, tmp_path: Path) -> None:
    """Python ignores two, and what is ignored stays so in what it executes."""
    show = "grep SigIgn /proc/self/status"
    found = int(run(store, digest, tmp_path / "place", "/bin/sh", "-c", show)[1].split()[1], 16)
    assert not found & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


@pytest.mark.parametrize(
    ("command", "cwd", "stdin", "status", "said"),
    [
        (["./missing"], "", "", 127, "sjs: cannot run ./missing: No such file or directory"),
        (["./sub/data"], "", "", 126, "sjs: cannot run ./sub/data: Permission denied"),
        (["true"], "nowhere", "", 125, "No such file or directory: '{place}/nowhere'"),
        (["true"], "", "nothing", 125, "No such file or directory: 'nothing'"),
    ],
)
def test_what_goes_wrong_is_said_as_a_shell_would(
    store: Store, digest: str, tmp_path: Path, command: list[str], cwd: str, stdin: str, status: int, said: str
) -> None:
    found, out, err = run(store, digest, tmp_path / "place", *command, cwd=cwd, stdin=stdin)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert said.format(place=tmp_path / "place") in err


def test_what_was_lost_is_no_checkout(store: Store, digest: str, tmp_path: Path) -> None:
    os.unlink(store.path(FILE_OBJECT + store.add(FILE_OBJECT, b"in there\n")))
    status, _, err = run(store, digest, tmp_path / "place", "true")
    assert (status, err.startswith(f"sjs: no checkout of snapshot {digest:.12}: ")) == (125, True)
    assert not (tmp_path / "place").exists()


def test_what_somebody_left_who_was_killed_is_made_anew(store: Store, digest: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    for left in (place, tmp_path / "place.new"):
        left.mkdir()
        (left / "junk").touch()
    assert run(store, digest, place, "ls", "sub")[1].split() == ["data", "run"]
    assert not (place / "junk").exists() and not (tmp_path / "place.new").exists()


def test_it_is_the_same_process(store: Store, digest: str, tmp_path: Path) -> None:
    asked = [*here("daemon"), "checkout", store.folder, digest, str(tmp_path / "place"), "", "", "--"]
    with subprocess.Popen([*asked, "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate(timeout=DEADLINE)[0] == f"{process.pid}\n"
