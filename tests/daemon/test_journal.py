"""What a keeper wrote down is what the next one reads, wherever the writing was cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sjs.daemon.ground import journal
from sjs.daemon.ground.journal import MAX_BYTES, Entry, Journal
from sjs.errors import SjsError

END = {"reason": "exit", "exit": 3}


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def found(folder: Path) -> list[Entry]:
    return Journal(str(folder), "boot").found


def write(folder: Path) -> Journal:
    """Three attempts: one ended, one runs, one was being started; a fourth is forgotten."""
    book = Journal(str(folder), "boot")
    for tag in ("1.1", "2.1", "4.1"):
        book.begin(tag, 5.0, f"/out/{tag} é")
        book.started(tag, 100, (7, 8))
    book.begin("3.1", 5.0, "/out/3.1")
    book.ended("1.1", END)
    book.ended("4.1", END)
    book.forget(["4.1"])
    return book


def test_round_trip(tmp_path: Path) -> None:
    write(tmp_path)
    assert found(tmp_path) == [
        Entry("1.1", "boot", 5.0, "/out/1.1 é", 100, (7, 8), END),
        Entry("2.1", "boot", 5.0, "/out/2.1 é", 100, (7, 8)),
        Entry("3.1", "boot", 5.0, "/out/3.1"),
    ]


def test_what_an_attempt_may_take_is_told_and_may_change(tmp_path: Path) -> None:
    book = Journal(str(tmp_path), "boot")
    book.begin("1.1", 5.0, "/out", (2.5, None))
    book.begin("2.1", 5.0, "/out", (2.5, None))
    book.limited("2.1", (7.5, "x"))
    book.started("2.1", 100, (7, 8))
    assert [(entry.tag, entry.limits) for entry in found(tmp_path)] == [("1.1", (2.5, None)), ("2.1", (7.5, "x"))]


def test_the_boot_is_that_of_the_file(tmp_path: Path) -> None:
    write(tmp_path)
    Journal(str(tmp_path), "another").begin("9.1", 1.0, "/out")
    assert {entry.tag: entry.boot for entry in found(tmp_path)} == {
        **dict.fromkeys(("1.1", "2.1", "3.1"), "boot"),
        "9.1": "another",
    }


def test_cut_at_any_byte_it_tells_what_was_whole(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "journal.1"
    data = path.read_bytes()

    def told(cut: int) -> object:
        path.write_bytes(data[:cut])
        return journal.read(str(tmp_path))

    for cut in range(len(data)):
        assert told(cut) in (told(data.rfind(b"\n", 0, cut) + 1), told(data.find(b"\n", cut)))


def test_a_record_that_was_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    book = write(tmp_path)
    os.write(book.fd, b'\nE 2.1 {"reason": "ex')
    book.ended("3.1", END)
    assert {entry.tag: entry.end for entry in found(tmp_path)} == {"1.1": END, "2.1": None, "3.1": END}


@pytest.mark.parametrize("damage", [b"\0" * 512, b"B 7.1 5", b"S 2.1 {}", b"E 2.1 []", b"X 2.1 1", b"\xff\xfe", b"B"])
def test_damage_is_skipped(tmp_path: Path, damage: bytes) -> None:
    book = write(tmp_path)
    os.write(book.fd, b"\n" + damage + b"\n")
    assert [entry.tag for entry in found(tmp_path)] == ["1.1", "2.1", "3.1"]


def test_a_file_goes_when_all_its_attempts_are_forgotten(tmp_path: Path) -> None:
    write(tmp_path)
    second = Journal(str(tmp_path), "boot")
    assert files(tmp_path) == ["journal.1", "journal.2"]
    for tag in ("1.1", "2.1"):
        second.forget([tag])
    assert files(tmp_path) == ["journal.1", "journal.2"]
    second.forget(["3.1"])
    assert files(tmp_path) == ["journal.2"]
    assert found(tmp_path) == []


def test_a_long_file_is_followed_by_another(tmp_path: Path) -> None:
    book = Journal(str(tmp_path), "boot")
    book.begin("1.1", 5.0, "/" + "x" * MAX_BYTES)
    book.begin("2.1", 5.0, "/out")
    book.forget(["1.1"])
    book.begin("3.1", 5.0, "/out")
    assert files(tmp_path) == ["journal.1", "journal.2"]
    book.forget(["2.1"])
    assert files(tmp_path) == ["journal.2"]
    assert [entry.tag for entry in found(tmp_path)] == ["3.1"]


@pytest.mark.parametrize("reopened", [False, True])
def test_an_end_in_a_later_file_stays_as_long_as_its_start(tmp_path: Path, reopened: bool) -> None:
    book = Journal(str(tmp_path), "boot")
    book.begin("long.1", 5.0, "/out")
    book.begin("short.1", 5.0, "/" + "x" * MAX_BYTES)
    book.forget(["short.1"])
    book.ended("long.1", END)
    book.begin("short.2", 5.0, "/" + "x" * MAX_BYTES)
    if reopened:
        book = Journal(str(tmp_path), "boot")
    book.forget(["short.2"])
    assert [entry.end for entry in found(tmp_path)] == [END]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """The kernel's own full device: every write fails there."""
    book = Journal(str(tmp_path), "boot")
    os.close(book.fd)
    book.fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space"):
        book.started("1.1", 1, (0, 0))
    os.close(book.fd)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / "journal.1").stat().st_mode & 0o777 == 0o600


VERSIONS = Path(__file__).parents[1] / "data" / "journal"


@pytest.mark.parametrize("version", sorted(path.name for path in VERSIONS.iterdir()))
def test_a_journal_of_any_version_is_read(version: str) -> None:
    """One job from before the keeper's death, three that ran when this was kept, one that has ended."""
    entries = [entry for _, entry in journal.read(str(VERSIONS / version)).values()]
    assert [(one.tag, one.pid, one.end) for one in entries] == [
        ("0.1", 32614, None),
        ("1.1", 32750, None),
        ("2.1", 32754, None),
        ("3.1", 32757, None),
    ]
    assert entries[1].born == (1508227, 1508227)
    assert entries[1].output == "/home/user/project/.sjs/jobs.pipe/jobs/0/1.out"
    assert {one.boot for one in entries} == {"69f6de39-c08d-4f8a-8949-147bd54b6ed3"}


def test_limits_of_version_2_are_read() -> None:
    """One with a timeout, one without any, one with all, one that is paused."""
    assert [entry.limits for _, entry in journal.read(str(VERSIONS / "v2")).values()] == [
        (60.0, 15140.66, None, 0, None),
        (None, None, None, 0, None),
        (60.0, 15142.277748916, 5.0, 1 << 30, None),
        (60.0, 15142.281754171, None, 0, 15090.5),
    ]


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    newer = tmp_path / "journal.4"
    newer.write_text(f'\nJ {journal.VERSION + 1} "boot"\n')
    with pytest.raises(SjsError, match="written by a newer sjs"):
        Journal(str(tmp_path), "boot")
    assert list(tmp_path.iterdir()) == [newer]
