"""What is kept for how long, turned by hand: the clock, the slices and the passes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sjs.core.job import Snapshot, Spec
from sjs.daemon.ground import clock, workspace
from sjs.daemon.ground.clock import Now
from sjs.daemon.manager.handlers import PARKED
from sjs.daemon.queue.cleaner import BATCH, CUT, DAY, HOUR, PAUSE, STEPS, Cleaner
from sjs.daemon.queue.ledger import Ledger
from sjs.errors import BadRequest, UnknownJob
from sjs.snapshots.store import Store as Snapshots
from sjs.snapshots.tree import FILE_OBJECT, TREE_OBJECT, Entry, to_bytes
from tests.daemon import queues
from tests.daemon.queues import NOW, Queue

DAYS = 30 * DAY


class Yard:
    """A queue with outputs on disk, its cleaner, and a clock."""

    def __init__(self, queue: Queue, folder: Path) -> None:
        self.queue = queue
        self.folder = folder
        self.now = NOW
        self.cleaner = Cleaner(str(folder), queue.ledger, queue.store, NOW)
        self.slices = 0

    def run(self, count: int = 1, attempt: int = 1) -> list[int]:
        """Jobs that write something and end now."""
        ids = self.queue.submit(*["true"] * count)
        for tag in self.queue.start_all():
            self.write(int(tag.split(".")[0]), attempt)
            self.queue.ledger.on_ended(tag, {"reason": "exit", "exit": 0, "at": self.now.wall})
        return ids

    def write(self, job: int, attempt: int = 1, size: int = 1) -> Path:
        for stream in workspace.STREAMS:
            path = Path(workspace.output_path(str(self.folder), job, attempt, stream))
            workspace.make_folder(str(path))
            with path.open("wb") as target:
                target.truncate(size)
        return path

    def later(self, seconds: float) -> None:
        self.now = Now(self.now.steady + seconds, self.now.wall + seconds)

    def clean(self) -> None:
        """Turns until the pass that is due is over."""
        self.cleaner.turn(self.now)
        self.slices = 1
        while self.cleaner._pass is not None:
            due = self.cleaner.next_time()
            assert due is not None
            self.now = Now(due, self.now.wall + due - self.now.steady)
            self.cleaner.turn(self.now)
            self.slices += 1

    def wait(self) -> float | None:
        """Seconds until it wants a turn."""
        due = self.cleaner.next_time()
        return None if due is None else due - self.now.steady

    def outputs(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def keep(self, **keep: int) -> None:
        self.queue.ask("configure", **keep)


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    jobs = tmp_path / "state" / "jobs"
    jobs.mkdir(parents=True)
    queue = queues.make(slots=10_000, root=tmp_path)
    made = Yard(queue, jobs)
    # A slice is as long as its steps, so that how many there are does not depend on the machine.
    monkeypatch.setattr(clock, "look", lambda: made.now)
    yield made
    queue.store.close()


# Outputs


def test_an_output_goes_after_its_days_and_its_folder_with_the_last(yard: Yard) -> None:
    yard.run(2)
    yard.clean()
    assert len(yard.outputs()) == 5
    yard.later(DAYS - 10)
    yard.clean()
    assert len(yard.outputs()) == 5
    yard.run(1)
    yard.later(HOUR)
    yard.clean()
    assert yard.outputs() == ["0", "0/2.err", "0/2.out"]
    yard.later(DAYS)
    yard.clean()
    assert yard.outputs() == []
    assert [yard.queue.job(number).state for number in range(3)] == ["succeeded"] * 3


def test_what_has_not_ended_is_kept_however_old(yard: Yard) -> None:
    yard.queue.submit("sleep", "sleep")
    (tag, _) = yard.queue.start_all()
    yard.write(0)
    yard.later(10 * DAYS)
    yard.clean()
    assert yard.outputs() == ["0", "0/0.err", "0/0.out"]
    os.unlink(yard.folder / "0/0.err")
    os.unlink(yard.folder / "0/0.out")
    yard.later(DAY)
    yard.clean()
    assert yard.outputs() == ["0"], "its keeper may be about to write there"
    yard.queue.ledger.on_ended(tag, {"reason": "exit", "exit": 0, "at": yard.now.wall})


def test_all_attempts_go_and_nothing_else(yard: Yard) -> None:
    yard.run(1)
    yard.write(0, attempt=12)
    for name in ("0.txt", "notes", "1.2.3.out", "x0.out"):
        (yard.folder / "0" / name).touch()
    (yard.folder / "mine").mkdir()
    yard.later(DAYS + 1)
    yard.clean()
    assert yard.outputs() == ["0", "0/0.txt", "0/1.2.3.out", "0/notes", "0/x0.out", "mine"]


def test_an_output_without_a_record_goes_by_its_own_age(yard: Yard) -> None:
    yard.run(1)
    old, young = yard.write(7), yard.write(8)
    for path, age in ((old, DAYS + 5), (young, 5.0)):
        for stream in workspace.STREAMS:
            os.utime(path.with_suffix(f".{stream}"), (0, NOW.wall - age))
    yard.clean()
    assert yard.outputs() == ["0", "0/0.err", "0/0.out", "0/8.err", "0/8.out"]


def test_0_days_are_for_ever(yard: Yard) -> None:
    yard.keep(keep_days=0)
    yard.run(1)
    yard.clean()
    yard.later(100 * DAYS)
    yard.clean()
    assert len(yard.outputs()) == 3
    assert yard.wait() is None, "then nothing is ever due"


def test_fewer_days_count_at_once(yard: Yard) -> None:
    yard.run(1)
    yard.clean()
    yard.later(2 * DAY)
    yard.keep(keep_days=1)
    assert yard.wait() is not None
    yard.clean()
    assert yard.outputs() == []


def test_a_clock_that_is_set_forward_makes_nothing_old(yard: Yard) -> None:
    yard.run(1)
    yard.now = Now(yard.now.steady + HOUR, yard.now.wall + 100 * DAYS)
    yard.keep(keep_days=30)
    yard.clean()
    assert len(yard.outputs()) == 3


def test_a_large_output_goes_piece_by_piece(yard: Yard) -> None:
    yard.run(1)
    path = yard.write(0, size=10 * CUT + 1)
    yard.later(DAYS + 1)
    yard.cleaner.turn(yard.now)
    yard.clean()
    assert not path.exists()
    sizes: list[int] = []
    path = yard.write(0, size=3 * CUT + 1)
    for _ in yard.cleaner._remove(str(path)):
        sizes.append(path.stat().st_size if path.exists() else -1)
    assert sizes == [2 * CUT + 1, CUT + 1, 1, -1]


def test_what_cannot_be_removed_is_told_once_and_stops_nothing(yard: Yard, capfd: pytest.CaptureFixture[str]) -> None:
    yard.run(3)
    for job in (0, 1):
        os.unlink(yard.folder / f"0/{job}.out")
        (yard.folder / f"0/{job}.out").mkdir()
    yard.later(DAYS + 1)
    yard.clean()
    assert yard.outputs() == ["0", "0/0.out", "0/1.out"]
    assert capfd.readouterr().err.count("cannot be removed") == 1


# Slices and passes


def test_a_slice_has_so_many_steps_and_leaves_room_for_others(yard: Yard) -> None:
    yard.run(1000)
    yard.later(DAYS + 1)
    before = len(yard.outputs())
    yard.cleaner.turn(yard.now)
    assert 0 < before - len(yard.outputs()) <= STEPS
    assert yard.wait() == pytest.approx(PAUSE)
    yard.cleaner.turn(yard.now)
    assert before - len(yard.outputs()) <= STEPS, "not before the pause is over"
    yard.clean()
    assert yard.outputs() == []
    assert yard.slices >= 3 * 1000 / STEPS - 1


def test_a_slice_ends_with_its_time(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.run(100)
    yard.later(DAYS + 1)
    steady = iter(range(1000))
    monkeypatch.setattr(clock, "look", lambda: Now(float(next(steady)), 0.0))
    before = len(yard.outputs())
    yard.cleaner.turn(yard.now)
    assert before - len(yard.outputs()) <= 1


def test_only_folders_with_something_old_are_looked_at(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.run(1)
    yard.later(DAY)
    yard.run(999)
    yard.run(500)
    yard.clean()
    looked: list[str] = []
    listdir = os.listdir

    def look(path: str) -> list[str]:
        looked.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", look)
    yard.later(29 * DAY + 10)
    yard.clean()
    assert looked == [str(yard.folder), str(yard.folder / "0")]


def test_it_wakes_when_something_is_due_at_most_hourly_and_at_least_daily(yard: Yard) -> None:
    yard.clean()
    assert yard.wait() is None, "nothing is there, and nothing has ended since"
    yard.run(1)
    assert yard.wait() == DAY
    yard.later(DAY)
    yard.clean()
    assert yard.wait() == DAY
    yard.later(28.5 * DAY)
    yard.clean()
    assert yard.wait() == pytest.approx(0.5 * DAY)
    yard.later(0.5 * DAY - 1)
    yard.run(1)
    yard.cleaner.turn(yard.now)
    assert yard.wait() == pytest.approx(1)
    yard.later(2)
    yard.clean()
    assert yard.outputs() == ["0", "0/1.err", "0/1.out"]
    assert yard.wait() == pytest.approx(DAY)


# Records


def listed(yard: Yard) -> list[int]:
    return [one["id"] for one in yard.queue.ask("list")["jobs"]]


def test_the_last_records_are_kept(yard: Yard) -> None:
    yard.run(BATCH + 20)
    yard.keep(keep_jobs=15)
    yard.clean()
    assert listed(yard) == list(range(BATCH + 5, BATCH + 20))
    assert len(yard.outputs()) == 1 + 2 * 15, "their outputs went with them"
    report = yard.queue.ask("report")
    assert report["counts"]["succeeded"] == BATCH + 20, "counts are of all jobs that there ever were"
    assert (report["removed"], report["keep_jobs"]) == (BATCH + 5, 15)
    assert yard.run(1) == [BATCH + 20], "no id is given twice"
    assert yard.wait() == pytest.approx(HOUR, abs=1)
    yard.later(HOUR)
    yard.clean()
    assert len(listed(yard)) == 15


def test_what_has_not_ended_keeps_its_record(yard: Yard) -> None:
    yard.queue.submit("sleep")
    yard.queue.start_all()
    yard.run(10)
    yard.keep(keep_jobs=1)
    yard.clean()
    assert listed(yard) == [0, 10]


def test_later_attempts_go_with_the_record(yard: Yard) -> None:
    yard.run(2)
    yard.queue.store.set_start(0, "succeeded", 3, 0, None)
    yard.write(0, attempt=3)
    yard.keep(keep_jobs=1)
    yard.clean()
    assert yard.outputs() == ["0", "0/1.err", "0/1.out"]


def test_a_queue_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "jobs.db")
    queue = queues.make(path=path, slots=100, root=tmp_path)
    yard = Yard(queue, tmp_path / "jobs")
    yard.folder.mkdir()
    yard.run(10)
    yard.keep(keep_jobs=4, keep_days=7)
    yard.clean()
    queue.ledger.commit()
    queue.store.close()
    again = queues.make(path=path, root=tmp_path)
    report = again.ask("report")
    assert (report["keep_days"], report["keep_jobs"], report["removed"]) == (7, 4, 6)
    assert again.submit("next") == [10]
    assert Cleaner(str(yard.folder), again.ledger, again.store, yard.now)._excess() == 0
    again.store.close()


# Keys


def test_a_key_outlives_its_jobs_and_lives_for_at_least_30_days(yard: Yard) -> None:
    for key in ("a", "b"):
        yard.queue.ask("submit", key=key, jobs=[{"command": "true"}])
    yard.run(5)
    yard.keep(keep_jobs=1)
    yard.clean()
    assert listed(yard) == [6]
    again = yard.queue.ask("submit", key="a", jobs=[{"command": "true"}])
    assert (again["first"], again["repeated"]) == (0, True)
    yard.later(31 * DAY)
    yard.queue.ask("submit", key="c", jobs=[{"command": "true"}])
    yard.clean()
    keys = [row[0] for row in yard.queue.store.keys("", 10)]
    assert "a" not in keys
    assert "b" not in keys


def test_a_key_whose_jobs_have_records_is_kept_however_old(yard: Yard) -> None:
    yard.queue.ask("submit", key="a", jobs=[{"command": "true"}] * 3)
    yard.run(5)
    yard.keep(keep_jobs=6)
    yard.later(100 * DAY)
    yard.clean()
    assert listed(yard) == [2, 3, 4, 5, 6, 7]
    assert [row[0] for row in yard.queue.store.keys("", 10)] == ["a"]


def test_all_keys_are_looked_at(yard: Yard) -> None:
    for number in range(2 * BATCH + 1):
        yard.queue.ask("submit", key=f"k{number}", jobs=[{"command": "true"}])
    yard.run(1)
    yard.keep(keep_jobs=1)
    yard.later(31 * DAY)
    yard.clean()
    assert yard.queue.store.keys("", 1000) == []


# What is answered of what is gone


def test_an_output_that_was_removed_is_told_of(yard: Yard) -> None:
    yard.run(1)
    assert "gone" not in yard.queue.ask("output", job=0)
    yard.later(DAYS + 1)
    yard.clean()
    gone = "the output of job 0, if it had any, was removed: outputs are kept for 30 days"
    assert yard.queue.ask("output", job=0)["gone"] == gone
    yard.keep(keep_days=0)
    assert yard.queue.ask("output", job=0)["gone"].endswith("it was too old")
    yard.run(1)
    assert "gone" not in yard.queue.ask("output", job=1)


def test_a_job_without_a_record_is_told_from_one_that_never_was(yard: Yard) -> None:
    yard.run(5)
    yard.keep(keep_jobs=2)
    yard.clean()
    for op, fields in (("output", {"job": 1}), ("wait", {"jobs": [[1, 1]]}), ("list", {"jobs": [[1, 1]]})):
        with pytest.raises(UnknownJob, match="no record of job 1 any more .records of the last 2 ended jobs are kept."):
            yard.queue.ask(op, **fields)
    with pytest.raises(UnknownJob, match="no job 5 in this queue"):
        yard.queue.ask("output", job=5)
    assert yard.queue.ask("cancel", jobs=[[1, 1]])["ended"] == []


def test_a_wait_counts_those_that_are_gone(yard: Yard) -> None:
    yard.run(6)
    yard.queue.submit("sleep")
    yard.keep(keep_jobs=2)
    yard.clean()
    assert yard.queue.ask("wait", jobs=[[1, 5]])["counts"] == {"succeeded": 2, "removed": 3}
    assert yard.queue.ask("wait", jobs=[[0, 5]])["counts"] == {"succeeded": 6}, "from the first on all are known"
    assert yard.queue.ask("wait", jobs=[[0, 6]]) is PARKED


@pytest.mark.parametrize("wrong", [-1, True, "30", 1.5, 10**10, None])
@pytest.mark.parametrize("name", ["keep_days", "keep_jobs"])
def test_nonsense_is_refused_and_changes_nothing(yard: Yard, name: str, wrong: object) -> None:
    with pytest.raises(BadRequest, match=f"'{name}' must be a whole number"):
        yard.queue.ask("configure", max_jobs=1, **{name: wrong})
    assert yard.queue.ledger.max_running == 10_000
    assert json.loads(json.dumps(yard.queue.ask("report")))[name] == {"keep_days": 30, "keep_jobs": 0}[name]


def test_one_is_set_without_the_other(yard: Yard) -> None:
    assert yard.queue.ask("configure", keep_days=5)["settings"]["keep_days"] == 5
    assert yard.queue.ask("configure", keep_jobs=9)["settings"]["keep_jobs"] == 9
    report = yard.queue.ask("report")
    assert (report["keep_days"], report["keep_jobs"]) == (5, 9)


# What somebody asks to be removed


def test_what_is_cleaned_is_gone_with_its_outputs_and_nothing_else(yard: Yard) -> None:
    yard.run(3)
    (queued,) = yard.queue.submit("true")
    assert yard.queue.ask("clean", jobs=[[0, 1], [queued, queued]]) == {"changed": [(0, 1)], "next": None}
    yard.clean()
    assert [job["id"] for job in yard.queue.ask("list")["jobs"]] == [2, queued]
    assert yard.outputs() == ["0", "0/2.err", "0/2.out"]
    assert (yard.queue.ledger.retention.removed, yard.queue.ledger.retention.unwanted(9)) == (2, [])


def test_what_is_cleaned_twice_counts_once_and_the_next_manager_goes_on(yard: Yard) -> None:
    yard.run(2 * BATCH)
    for _ in range(2):
        yard.queue.ask("clean")
    heir = Cleaner(str(yard.folder), Ledger(yard.queue.store), yard.queue.store, NOW)
    while heir._pass is not None or heir._retention.is_changed:
        heir.turn(yard.now)
        yard.later(PAUSE)
    assert heir._retention.removed == 2 * BATCH
    assert [one for one in yard.outputs() if one != "0"] == []


def test_what_runs_again_before_it_was_cleaned_stays(yard: Yard) -> None:
    yard.run(2)
    yard.queue.ask("clean")
    yard.queue.ask("again", jobs=[[1, 1]])
    yard.clean()
    assert [job["id"] for job in yard.queue.ask("list")["jobs"]] == [1]


# Checkouts and snapshots


@pytest.fixture
def shelf(yard: Yard, tmp_path: Path) -> Snapshots:
    """Where the snapshots of the yard's jobs are."""
    store = Snapshots(str(tmp_path / "state" / "snapshots"))
    store.make()
    yard.cleaner = Cleaner(str(yard.folder), yard.queue.ledger, yard.queue.store, NOW, store)
    return store


def brought(shelf: Snapshots, name: str, yard: Yard) -> str:
    """The digest of a tree with one file, which a client brought just now."""
    inside = Entry("f", shelf.add(FILE_OBJECT, name.encode()), name.encode())
    digest = shelf.add(TREE_OBJECT, to_bytes([inside]))
    assert shelf.seal(digest) == []
    for path in (shelf.path(TREE_OBJECT + digest), shelf.path(inside.object), f"{shelf.folder}/whole/{digest}"):
        os.utime(path, (yard.now.wall, yard.now.wall))
    return digest


def run_with(yard: Yard, digest: str) -> Path:
    """A job with that snapshot, which has ended; its checkout."""
    job = yard.queue.ledger.submit(None, [Spec("true", snapshot=Snapshot(digest))], yard.now.wall)[0]
    (tag,) = yard.queue.start_all()
    place = Path(workspace.output_path(str(yard.folder), job, 1, "tree"))
    workspace.make_folder(str(place))
    (place / "sub").mkdir(parents=True)
    yard.queue.ledger.on_ended(tag, {"reason": "exit", "exit": 0, "at": yard.now.wall})
    return place


def test_a_checkout_stays_as_long_as_outputs_do(yard: Yard, shelf: Snapshots) -> None:
    place = run_with(yard, brought(shelf, "a", yard))
    (place / "sub" / "result").touch()
    Path(f"{place}.new").mkdir()
    yard.later(DAYS - 10)
    yard.clean()
    assert (place / "sub" / "result").exists()
    yard.later(HOUR)
    yard.clean()
    assert yard.outputs() == []


def test_what_a_job_has_made_of_its_checkout_keeps_nothing_from_going(yard: Yard, shelf: Snapshots) -> None:
    """Rights taken away, a folder deeper than any recursion, links to elsewhere, a name that is not alone."""
    place = run_with(yard, brought(shelf, "a", yard))
    elsewhere = yard.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data").write_bytes(bytes(2 * CUT))
    os.link(elsewhere / "data", place / "sub" / "data")
    (place / "sub" / "away").symlink_to(elsewhere)
    for depth in range(1, 1500):
        (place / "/".join("d" * depth)).mkdir()
    (place / "sub").chmod(0)
    yard.later(DAYS + 1)
    yard.clean()
    assert yard.outputs() == []
    assert (elsewhere / "data").stat().st_size == 2 * CUT


def test_a_snapshot_stays_until_no_record_tells_of_it(yard: Yard, shelf: Snapshots) -> None:
    kept, old = brought(shelf, "kept", yard), brought(shelf, "old", yard)
    run_with(yard, old)
    run_with(yard, kept)
    yard.later(2 * DAYS)
    yard.clean()
    assert shelf.is_whole(kept) and shelf.is_whole(old), "a job can be tried again for as long as it is known"
    yard.keep(keep_jobs=1)
    yard.clean()
    assert shelf.is_whole(kept) and not shelf.is_whole(old)
    assert shelf.missing([TREE_OBJECT + kept, TREE_OBJECT + old]) == [TREE_OBJECT + old]


def test_a_snapshot_that_was_just_brought_is_let_be_for_a_day(yard: Yard, shelf: Snapshots) -> None:
    """Its jobs may be on their way. Then it goes, though nothing else happens."""
    yard.clean()
    assert yard.wait() is None, "there is nothing to do, ever"
    yard.later(DAY)
    digest = brought(shelf, "a", yard)
    yard.run(1)
    yard.clean()
    assert shelf.is_whole(digest)
    assert yard.wait() is not None
    yard.later(DAY + HOUR)
    yard.clean()
    assert not shelf.is_whole(digest)


def test_a_job_that_comes_while_snapshots_are_swept_finds_its_own_whole_or_gone(
    yard: Yard, shelf: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step of the sweep, somebody wants a snapshot that has been there for long and that nobody wants."""
    digests = [brought(shelf, str(number), yard) for number in range(12)]
    for number in range(12):
        os.utime(f"{shelf.folder}/whole/{digests[number]}", (0, 0))
    yard.later(2 * DAY)
    wanted: list[str] = []
    sweep = shelf.sweep

    def step_by_step(is_wanted: Callable[[str], bool], now: float) -> Iterator[bool]:
        for step, is_left in enumerate(sweep(is_wanted, now)):
            digest = digests[step % 12]
            if shelf.is_whole(digest):  # else its job is refused
                yard.queue.ledger.submit(None, [Spec("true", snapshot=Snapshot(digest))], yard.now.wall)
                wanted.append(digest)
            yield is_left

    monkeypatch.setattr(shelf, "sweep", step_by_step)
    yard.clean()
    assert 0 < len(set(wanted)) < 12
    assert shelf.missing([TREE_OBJECT + digest for digest in wanted]) == []
    assert {name for name in digests if shelf.is_whole(name)} == set(wanted)


def test_a_disk_that_cannot_be_swept_is_told(
    yard: Yard, shelf: Snapshots, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(is_wanted: Callable[[str], bool], now: float) -> Iterator[bool]:
        yield False
        raise OSError("the disk has an error")

    monkeypatch.setattr(shelf, "sweep", fail)
    yard.clean()
    assert capfd.readouterr().err.count("old snapshots cannot be removed: the disk has an error") == 1
