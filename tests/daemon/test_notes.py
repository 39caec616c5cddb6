"""The log: put aside when it is full, made again when it is gone, and no line lost to two writers and a mover."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.daemon.ground import notes
from tests.live.machine import DEADLINE, ROOT

WRITER = """
import os, sys
sys.path[0] = {root!r}
from sjs.daemon.ground import notes
notes.FULL, notes.KEPT = {full}, {kept}
os.dup2(os.open(sys.argv[1], notes.OPEN, 0o600), 2)
notes.keep_log(sys.argv[1])
{body}
"""


def writer(path: Path, body: str, *words: str, full: int = 2_000, kept: int = 1_000) -> subprocess.Popen[bytes]:
    """A process whose stderr is the log, as a keeper's or a manager's is."""
    code = WRITER.format(root=str(ROOT), full=full, kept=kept, body=body)
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", code, str(path), *words])


def finish(process: subprocess.Popen[bytes]) -> int:
    return process.wait(DEADLINE)


def lines(folder: Path) -> list[str]:
    return [line for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def test_two_writers_and_one_who_moves_it_lose_no_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = "for n in range(2000): notes.note(f'{sys.argv[2]}-{n}.')"
    writers = [writer(log, body, name, full=500) for name in "ab"]
    moved = 0
    while any(one.poll() is None for one in writers):
        try:
            log.rename(tmp_path / f"moved.{moved}")
            moved += 1
        except FileNotFoundError:
            continue  # it is being put aside by one of them this moment
    assert [finish(one) for one in writers] == [0, 0]
    found = sorted(line.split()[-1] for line in lines(tmp_path))
    assert found == sorted(f"{name}-{n}." for name in "ab" for n in range(2000))
    assert moved, "nobody moved it"


def test_so_many_full_ones_are_kept_and_no_more(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert finish(writer(log, "for n in range(1000): notes.note(f'line {n}')", kept=3)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3", "log.lock"]
    assert all(2_000 <= path.stat().st_size < 2_100 for path in tmp_path.glob("log.[123]"))
    assert lines(tmp_path)[: log.read_text().count("\n")][-1].endswith("line 999")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_log_that_was_removed_is_made_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert finish(writer(log, "notes.note('one'); os.unlink(sys.argv[1]); notes.note('two')")) == 0
    assert log.read_text().endswith(" two\n")
    assert "one" not in log.read_text()


@pytest.mark.parametrize("plant", ["os.symlink('victim', path)", "os.mkfifo(path)", "os.mkdir(path)"])
def test_what_somebody_put_in_its_place_is_not_written_to(tmp_path: Path, plant: str) -> None:
    """The line goes where the one before it went."""
    (tmp_path / "victim").write_text("precious")
    log = tmp_path / "log"
    body = f"path = sys.argv[1]; os.rename(path, path + '.old'); {plant}; notes.note('one')"
    assert finish(writer(log, body)) == 0
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "log.old").read_text().endswith(" one\n")


def test_what_ends_a_process_is_in_the_log_that_is_there_now(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert finish(writer(log, "os.rename(sys.argv[1], sys.argv[1] + '.old'); raise ValueError('the end')")) == 1
    assert "Traceback" in log.read_text()
    assert log.read_text().endswith("ValueError: the end\n")


def test_a_log_of_others_is_put_aside_between_two_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "FULL", 10)
    log = tmp_path / "hooks.log"
    notes.put_aside_if_full(str(log))
    log.write_text("short")
    notes.put_aside_if_full(str(log))
    assert os.listdir(tmp_path) == ["hooks.log"]
    log.write_text("long enough")
    notes.put_aside_if_full(str(log))
    assert sorted(os.listdir(tmp_path)) == ["hooks.log.1", "hooks.log.lock"]
