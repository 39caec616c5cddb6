from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import Full, SjsError
from sjs.outbox import Entry, Outbox
from sjs.plans import Head, Share

HEAD = Head("key", False, "/config.yaml", {"a": {"host": "h"}}, 1.5)


def jobs(*numbers: int) -> list[Spec]:
    return [Spec(command=f"echo {number} é\n\udcff") for number in numbers]


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return Outbox(str(tmp_path / "deep" / "outbox"))


def planned(box: Outbox) -> Entry:
    """An entry with two shares, as the command has it."""
    entry = box.begin(HEAD)
    entry.add("a", 0, jobs(0, 1, 2))
    entry.add("b", 3, jobs(3, 4))
    entry.seal()
    return entry


def die(entry: Entry) -> None:
    """What a killed process leaves: nothing is done any more, and its locks are gone."""
    entry._log.close()
    if entry._texts is not None:
        entry._texts.close()


def again(box: Outbox) -> Entry:
    (path,) = box.left()
    entry = box.take_over(path)
    assert entry is not None
    return entry


def test_only_its_owner_can_read_it(box: Outbox) -> None:
    with planned(box) as entry:
        assert stat.S_IMODE(os.stat(box.folder).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(entry.path).st_mode) == 0o600


def test_a_folder_that_is_open_to_others_is_closed(box: Outbox) -> None:
    os.makedirs(box.folder)
    os.chmod(box.folder, 0o755)
    with planned(box):
        assert stat.S_IMODE(os.stat(box.folder).st_mode) == 0o700


def test_a_folder_of_somebody_else_is_refused(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SjsError, match="belongs to somebody else"):
        box.begin(HEAD)


def test_without_a_folder_nothing_is_left(box: Outbox) -> None:
    assert box.left() == []


def test_a_plan_that_is_not_whole_counts_for_nothing(box: Outbox) -> None:
    entry = box.begin(HEAD)
    entry.add("a", 0, jobs(0))
    (path,) = box.left()
    assert box.take_over(path) is None, "its process lives"
    die(entry)
    assert box.take_over(path) is None
    assert box.left() == []


def test_an_error_while_planning_leaves_nothing(box: Outbox) -> None:
    with pytest.raises(ZeroDivisionError), box.begin(HEAD) as entry:
        entry.add("a", 0, jobs(0))
        raise ZeroDivisionError
    assert box.left() == []


def test_what_is_left_is_what_was_planned(box: Outbox) -> None:
    die(planned(box))
    with again(box) as entry:
        assert entry.head == HEAD
        assert [(one.target, one.part, one.again) for one in entry.pending.values()] == [
            ("a", "0-2", True),
            ("b", "3-4", True),
        ]
        assert [entry.jobs(one) for one in entry.pending.values()] == [jobs(0, 1, 2), jobs(3, 4)]


def test_nobody_takes_what_has_a_living_owner(box: Outbox) -> None:
    with planned(box) as entry:
        assert box.take_over(entry.path) is None
        asks = f"from sjs.outbox import Outbox; print(Outbox({box.folder!r}).take_over({entry.path!r}))"
        other = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, timeout=60)
        assert other.stdout == "None\n"


def test_settled_shares_are_remembered_and_the_last_one_ends_it(box: Outbox) -> None:
    entry = planned(box)
    entry.take(entry.pending[0], Accepted(7, entry.pending[0].count, 4))
    die(entry)
    with again(box) as entry:
        assert [(share.target, first) for share, first in entry.taken] == [("a", 7)]
        assert list(entry.pending) == [3]
        entry.refuse(entry.pending[3], Full("no"))
    assert box.left() == []


def test_unsettled_shares_keep_it(box: Outbox) -> None:
    with planned(box) as entry:
        entry.take(entry.pending[0], Accepted(7, entry.pending[0].count, 4))
    with again(box) as entry:
        assert list(entry.pending) == [3]


def test_a_share_moves_in_pieces_and_they_move_on(box: Outbox) -> None:
    with planned(box) as entry:
        moved = entry.move([entry.pending[0]], [(0, 1, "b"), (1, 2, "c")])
        assert [(one.target, one.part, one.again, entry.jobs(one)) for one in moved] == [
            ("b", "0-0", False, jobs(0)),
            ("c", "1-2", False, jobs(1, 2)),
        ]
        entry.take(entry.pending[3], Accepted(0, entry.pending[3].count, 4))
        entry.move([entry.pending[1]], [(1, 1, "b"), (2, 1, "d")])
    with again(box) as entry:
        found = {one.start: (one.target, one.again, entry.jobs(one)) for one in entry.pending.values()}
        assert found == {0: ("b", True, jobs(0)), 1: ("b", True, jobs(1)), 2: ("d", True, jobs(2))}


def test_a_move_is_durable_before_it_returns(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    with planned(box) as entry:
        monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(Path(entry.path).read_bytes()))
        entry.move([entry.pending[0]], [(0, 3, "c")])
        entry.take(entry.pending[0], Accepted(0, entry.pending[0].count, 4))
    (content,) = synced
    assert json.loads(content.splitlines()[-1])["moved"] == [0]


def test_a_plan_is_synced_once(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with box.begin(HEAD) as entry:
        for number in range(100):
            entry.add("a", number, jobs(number))
        entry.seal()
        assert len(synced) == 1


def test_trying_in_vain_is_remembered(box: Outbox) -> None:
    with planned(box) as entry:
        entry.try_later("no route")
    with again(box) as entry:
        assert entry.tried[1] == "no route"
        assert entry.tried[0] > 0


def test_a_line_cut_anywhere_never_happened(box: Outbox) -> None:
    with planned(box) as entry:
        whole = len(Path(entry.path).read_bytes())
        entry.move([entry.pending[0]], [(0, 3, "c")])
    content = Path(box.left()[0]).read_bytes()
    for length in range(whole, len(content)):
        Path(box.left()[0]).write_bytes(content[:length])
        with again(box) as entry:
            assert entry.pending[0].target == "a"
            entry.try_later("x")
        with again(box) as entry:
            assert (entry.pending[0].target, entry.tried[1]) == ("a", "x")


@pytest.mark.parametrize("content", [b"", b"{}\n", b"garbage\n", b'{"sjs":2}\n', b'{"sjs":1}\n', b"\xff\n"])
def test_what_is_no_entry_is_named(box: Outbox, content: bytes) -> None:
    os.makedirs(box.folder)
    path = os.path.join(box.folder, "x")
    Path(path).write_bytes(content)
    with pytest.raises(SjsError, match="cannot be understood"):
        box.take_over(path)
    assert os.path.exists(path)


def test_a_line_about_nothing_known_is_named(box: Outbox) -> None:
    with planned(box) as entry:
        path = entry.path
    with open(path, "ab") as log:
        log.write(b'{"moved":[0],"to":[[9,1,"c"]]}\n')
    with pytest.raises(SjsError, match="cannot be understood"):
        box.take_over(path)


def test_a_file_that_is_swept_away_before_it_is_locked_is_made_anew(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[str] = []

    def late(fd: BinaryIO, how: int) -> None:
        if not swept:
            swept.extend(box.left())
            os.unlink(swept[0])
        lock(fd, how)

    monkeypatch.setattr("sjs.promises.fcntl.flock", late)
    with planned(box) as entry:
        assert os.path.exists(entry.path)
        assert entry.path not in swept


def test_a_part_names_its_first_and_last_job() -> None:
    assert Share("a", 5, 3).part == "5-7"
