"""Files on their way to a machine and from it: what travels is counted, and so is how often one side waits."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from sjs.core.job import End, Job, Spec
from sjs.errors import BadRequest, LinkLost, NoSpace, Refused, UsageError
from sjs.protocols import Stream
from sjs.reach import here
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from sjs.trees.entries import FRAME
from sjs.trees.folder import Folder
from sjs.trees.tally import Tally, Watch
from tests.live.disks import needs_root, tmpfs
from tests.live.inside import Insider
from tests.live.machine import Machine
from tests.live.test_cli import Person
from tests.live.test_cut import CutTransport
from tests.targets.fake import FakeMachine


def unseen(arrived: int, expected: int) -> None:
    """Nobody looks on."""


class Counting:
    """This machine, and what goes over the streams to it: bytes each way, and how often what is sent follows on what
    was waited for."""

    def __init__(self) -> None:
        self._local = LocalTransport()
        self.up = self.down = self.turns = 0

    def open(self, argv: Sequence[str]) -> Stream:
        stream: Any = self._local.open(argv)
        send, more, came = stream.send, stream._more, stream._came
        has_waited = True

        def send_counted(data: bytes, deadline: float) -> None:
            nonlocal has_waited
            self.turns += has_waited
            has_waited = False
            self.up += len(data)
            send(data, deadline)

        def wait_counted(deadline: float) -> None:
            nonlocal has_waited
            has_waited = True
            more(deadline)

        def came_counted(data: bytes) -> None:
            self.down += len(data)
            came(data)

        stream.send, stream._more, stream._came = send_counted, wait_counted, came_counted
        found: Stream = stream
        return found

    def close(self) -> None:
        self._local.close()


class Place:
    """A folder here, a machine, and what was sent to it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "tree"
        self.root = folder / "root"
        self.there = self.root / "data" / "tree"
        self.source.mkdir()
        self.root.mkdir()
        self.line = Counting()

    def send(self, transport: Any = None, **how: Any) -> Tally:
        machine = DistantMachine(transport or self.line, Door(here("errand"), str(self.root), "jobs.pipe"))
        try:
            return machine.send(str(self.source), "data", unseen, **how)
        finally:
            machine.close()

    @property
    def parts(self) -> list[Path]:
        return list(self.root.rglob(".sjs-*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_many_small_files_do_not_wait_for_each_other(place: Place) -> None:
    count = 1_500
    for number in range(count):
        folder = place.source / str(number % 7)
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_text(str(number))
    tally = place.send()
    assert (tally.files, tally.made, tally.left_out) == (count, 8, 0)
    assert place.line.turns < 30, "not one for each"
    assert place.line.up < 160 * count, "a line in a list, and one more with the bytes"
    before = place.line.up
    assert place.send().same == count
    assert place.line.up - before < 80 * count
    assert (place.there / "3" / "3").read_text() == "3"


def test_only_what_changed_is_sent(place: Place) -> None:
    (place.source / "large").write_bytes(os.urandom(1 << 20))
    (place.source / "small").write_text("old")
    place.send()
    (place.source / "small").write_text("newer")
    (place.source / "large").chmod(0o600)
    before = place.line.up
    tally = place.send()
    assert (tally.files, tally.bytes, tally.same) == (1, 5, 1)
    assert place.line.up - before < 2_000
    assert (place.there / "small").read_text() == "newer"
    assert (place.there / "large").stat().st_mode & 0o777 == 0o600


def test_what_was_cut_off_goes_on_where_it_stopped(place: Place) -> None:
    content = os.urandom(12 * FRAME + 1)
    (place.source / "large").write_bytes(content)
    with pytest.raises(LinkLost, match="the same command goes on where it stopped"):
        place.send(CutTransport(sent=9 * FRAME))
    assert not (place.there / "large").exists()
    (part,) = place.parts
    come = part.stat().st_size
    assert FRAME <= come < 9 * FRAME
    tally = place.send()
    assert (tally.resumed, tally.bytes) == (come, len(content) - come)
    assert place.line.up < len(content) - come + 5_000
    assert (place.there / "large").read_bytes() == content and place.parts == []


def test_what_had_come_and_is_not_what_it_should_be_is_sent_again(place: Place) -> None:
    (place.source / "large").write_bytes(os.urandom(4 * FRAME))
    with pytest.raises(LinkLost):
        place.send(CutTransport(sent=3 * FRAME))
    (part,) = place.parts
    part.write_bytes(bytes(part.stat().st_size))
    assert place.send().resumed == 0
    assert (place.there / "large").read_bytes() == (place.source / "large").read_bytes()


def test_what_cannot_be_compared_any_more_is_sent_from_its_beginning(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.source / "large").write_bytes(os.urandom(4 * FRAME))
    with pytest.raises(LinkLost):
        place.send(CutTransport(sent=3 * FRAME))

    def gone(*what: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Folder, "digest", gone)
    tally = place.send()
    assert (tally.resumed, tally.bytes) == (0, 4 * FRAME)


@needs_root
def test_a_full_disk_keeps_what_has_come_of_a_large_file(place: Place) -> None:
    content = os.urandom(12 * FRAME)
    (place.source / "large").write_bytes(content)
    with tmpfs(place.root / "data", 8 * FRAME) as disk:
        with pytest.raises(NoSpace, match=r"large: No space left on device \(make room; the same command goes on"):
            place.send()
        (part,) = place.parts
        come = part.stat().st_size
        assert 4 * FRAME < come <= 8 * FRAME and list(place.there.iterdir()) == [part]
        subprocess.run(["mount", "-o", f"remount,size={16 * FRAME}", str(disk)], check=True)
        tally = place.send()
        assert (tally.resumed, tally.bytes) == (come, len(content) - come)
        assert (place.there / "large").read_bytes() == content


def test_what_is_changed_meanwhile_is_left_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.source / "changing").write_bytes(bytes(4 * FRAME))
    (place.source / "other").write_text("x")

    def change(arrived: int, expected: int) -> None:
        if arrived:
            (place.source / "changing").write_bytes(b"1" * 4 * FRAME)

    monkeypatch.setattr("sjs.targets.pipeline.LIMIT", 1)
    machine = DistantMachine(place.line, Door(here("errand"), str(place.root), "jobs.pipe"))
    tally = machine.send(str(place.source), "data", change)
    machine.close()
    assert (tally.files, tally.left_out) == (1, 1)
    assert tally.troubles == [f"{place.source}/changing: was changed while it was sent"]
    assert sorted(path.name for path in place.there.iterdir() if path not in place.parts) == ["other"]
    assert place.send().files == 1
    assert (place.there / "changing").read_bytes() == b"1" * 4 * FRAME and place.parts == []


def test_only_who_says_so_has_things_removed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.targets.sending.MANY", 2)
    (place.source / "kept").touch()
    place.send()
    beside = place.root / "data" / "beside"
    beside.touch()
    for number in range(5):
        (place.there / f"{number}/below").mkdir(parents=True)
    (place.there / "5").symlink_to(beside)
    assert place.send().removed == 0
    assert place.send(delete=True, dry=True).removed == 6
    assert place.send(delete=True).removed == 6
    assert [path.name for path in place.there.iterdir()] == ["kept"] and beside.exists()
    assert place.send(delete=True).removed == 0


def test_a_rehearsal_leaves_nothing(place: Place) -> None:
    (place.source / "file").write_text("four")
    assert place.send(dry=True, delete=True) == Tally(files=1, bytes=4, made=1)
    assert list(place.root.iterdir()) == []


def test_one_file_and_a_link_to_a_folder(place: Place, tmp_path: Path) -> None:
    (place.source / "file").write_text("x")
    (tmp_path / "alias").symlink_to(place.source)
    machine = DistantMachine(LocalTransport(), Door(here("errand"), str(place.root), "jobs.pipe"))
    for path in (place.source / "file", tmp_path / "alias"):
        machine.send(str(path), str(tmp_path / "else where"), unseen)
    with pytest.raises(UsageError, match="no such file"):
        machine.send(str(tmp_path / "nothing"), "data", unseen)
    machine.close()
    assert (tmp_path / "else where" / "alias" / "file").read_text() == (tmp_path / "else where" / "file").read_text()


def test_a_link_that_is_planted_there_leads_nowhere(place: Place, tmp_path: Path) -> None:
    (place.source / "file").touch()
    (tmp_path / "outside").mkdir()
    (place.root / "data").mkdir()
    place.there.symlink_to(tmp_path / "outside")
    with pytest.raises(Refused, match="data/tree: in its place is a link, which is not followed"):
        place.send()
    assert list((tmp_path / "outside").iterdir()) == []


def job(number: int, cwd: str | None = None, has_ended: bool = True) -> Job:
    return Job(number, Spec(command="x", cwd=cwd), "x", 0.0, attempt=1, end=End("exit", 0) if has_ended else None)


class Left:
    """What jobs have left in a project folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.outputs = self.root / ".sjs/jobs.pipe/jobs/0"
        self.outputs.mkdir(parents=True)
        self.here = folder / "here"
        self.line = Counting()

    def fetch(self, jobs: Sequence[Job], *globs: str, watch: Watch = unseen, transport: Any = None) -> Tally:
        machine = DistantMachine(transport or self.line, Door(here("errand"), str(self.root), "jobs.pipe"))
        try:
            return reduce(Tally.plus, machine.fetch(jobs, globs, str(self.here), watch).values())
        finally:
            machine.close()


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_many_jobs_do_not_wait_for_each_other(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.targets.fetching.FIRST", 2)
    count = 200
    for number in range(count):
        (left.outputs / f"{number}.out").write_text(str(number))
        (left.root / str(number)).mkdir()
        for name in "abc":
            (left.root / str(number) / name).write_text(name * number)
    jobs = [job(number, str(number)) for number in range(count)]
    assert left.fetch(jobs).files == count
    assert left.line.turns < 10, "not one for each"
    assert left.fetch(jobs[:3], "*") == Tally(files=9, bytes=9, same=3)
    assert (left.here / "2" / "c").read_text() == "cc"


def test_what_was_cut_off_is_fetched_from_where_it_stopped(left: Left) -> None:
    content = os.urandom(40 * FRAME)
    (left.root / "large").write_bytes(content)
    with pytest.raises(LinkLost, match="goes on where it stopped"):
        left.fetch([job(0)], "large", transport=CutTransport(received=12))
    (part,) = (left.here / "0").iterdir()
    come = part.stat().st_size
    tally = left.fetch([job(0)], "large")
    assert come and (tally.resumed, tally.bytes) == (come, len(content) - come)
    assert left.line.down < len(content) - come + 20_000
    assert (left.here / "0/large").read_bytes() == content


def test_what_cannot_be_compared_any_more_is_fetched_from_its_beginning(left: Left) -> None:
    (left.root / "large").write_bytes(os.urandom(8 * FRAME))
    with pytest.raises(LinkLost):
        left.fetch([job(0)], "large", transport=CutTransport(received=6))

    class Refusing(Counting):
        def open(self, argv: Sequence[str]) -> Stream:
            stream: Any = super().open(argv)
            send = stream.send
            stream.send = lambda data, deadline: send(data.replace(b'"digest"', b'"dance"'), deadline)
            found: Stream = stream
            return found

    tally = left.fetch([job(0)], "large", transport=Refusing())
    assert (tally.resumed, tally.bytes) == (0, 8 * FRAME)


def test_of_what_grows_only_an_output_is_taken_as_far_as_it_is(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    (left.outputs / "0.out").write_text("so far")
    (left.root / "growing").write_bytes(bytes(3 * FRAME))
    monkeypatch.setattr("sjs.targets.pipeline.LIMIT", 1)

    def grow(arrived: int, expected: int) -> None:
        if not arrived:
            return
        for path in (left.outputs / "0.out", left.root / "growing"):
            with path.open("a") as file:
                file.write("more")

    tally = left.fetch([job(0, has_ended=False)], "growing", watch=grow)
    assert tally.files == 1 and tally.troubles == ["0/growing: was changed while it was fetched"]
    assert (left.here / "0/stdout").read_text() == "so far" and not (left.here / "0/growing").exists()


def test_what_a_job_calls_as_its_output_is_called_here_is_left_out(left: Left) -> None:
    (left.root / "stdout").write_text("not printed")
    tally = left.fetch([job(0), job(1, "gone")], "std*")
    assert tally.troubles == [
        "stdout: is where the job's own output goes",
        f"job 1: {left.root}/gone: No such file or directory",
    ]


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out"])
def test_a_machine_cannot_write_elsewhere(tmp_path: Path, path: str) -> None:
    nothing = "say(id=hear()['id'], at='/', found=[], trees=[])\n"
    entries = f"say(id=hear()['id'], entries=[[{path!r}, 'l', 511, 0, 0, '/etc']], troubles=[], next='')\n"
    target = FakeMachine(tmp_path / "fake", "hello()\n" + nothing + entries).target
    with pytest.raises(BadRequest, match="no path below a folder"):
        target.machine.fetch([job(0)], ["*"], str(tmp_path / "here"), unseen)
    target.close()
    assert sorted(os.listdir(tmp_path)) == ["fake", "here"] and os.listdir(tmp_path / "here") == []


@pytest.fixture
def sender(tmp_path: Path) -> Person:
    """Somebody with data, a machine m, and a machine `bare` that has no datadir."""
    home = tmp_path / "home"
    (home / "data" / "digits").mkdir(parents=True)
    (home / "data" / "digits" / "one").write_text("1\n")
    (home / "config.yaml").write_text(
        "deployment: {datasets: {digits: data/digits, again: ~/data/digits}}\nmanagers:\n"
        "  m: {transport: local, project_root: ~/m, datadir: ~/there}\n"
        "  bare: {transport: local, project_root: .}\n"
    )
    return Insider(home)


@pytest.fixture
def person(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with the manager m."""
    home = tmp_path / "home"
    home.mkdir()
    return Insider(home, machine)


def test_data_sets_are_where_jobs_find_them(sender: Person) -> None:
    done = sender.types("all upload-data digits")
    assert done.stdout == b"[m] digits: 1 file sent (2), 0 as they were\n"
    assert b"[bare] error: has no datadir (write one into config.yaml, or say --to DIR)" in done.stderr
    assert done.returncode == 255
    assert (sender.home / "there/digits/one").read_text() == "1\n"
    (record,) = map(json.loads, sender.types("m upload --dataset digits --json").stdout.splitlines())
    assert (record["dataset"], record["same"], record["files"], record["to"]) == ("digits", 1, 0, "~/there/digits")


def test_what_cannot_be_meant_is_said_in_a_line(sender: Person) -> None:
    for line, said in {
        "m upload": "digits and again would both be digits there",
        "m upload digit": "no data set 'digit'; did you mean digits?",
        "m upload digits --from x": "names of data sets and --from",
        "m upload --from nothing": "nothing: nothing is at nothing",
        "m fetch": "fetch of which jobs?",
        "m fetch 0 ../x": "no pattern for what is below a folder: '../x'",
        "bare upload digits --to config.yaml": "config.yaml: File exists",
    }.items():
        done = sender.types(line)
        assert (done.returncode in (1, 2), len(done.stderr.splitlines())) == (True, 1), done
        assert said in done.stderr.decode()


def test_what_jobs_leave_is_fetched_once(person: Person) -> None:
    left = "mkdir -p deep/.git; echo a > deep/a.log; echo b > deep/.git/b.log; ln -s /etc deep/out; echo c > c.txt"
    person.types(f"m job --wait --command {shlex.quote(left + '; echo printed; echo wrong >&2')}")
    person.types("m job --wait --cwd deep -- true")
    done = person.types("m fetch 0,1 '**/*.log' deep/out 'deep/out/pass*'")
    assert done.stdout == b"results/m: 4 files fetched (18), 0 as they were\n", done
    assert done.stderr.splitlines() == [
        b"left out: job 0: nothing matches deep/out/pass*",
        b"left out: job 1: nothing matches deep/out",
        b"left out: job 1: nothing matches deep/out/pass*",
        b"[m] error: 3 left out, all else is here",
    ]
    results = person.home / "results/m"
    names = sorted(
        str(path.relative_to(results)) for path in results.rglob("*") if not path.is_dir() or path.is_symlink()
    )
    assert names == ["0/deep/a.log", "0/deep/out", "0/stderr", "0/stdout", "1/a.log"]
    assert (results / "0/stdout").read_text() == "printed\n" and os.readlink(results / "0/deep/out") == "/etc"
    assert person.types("m fetch 0,1 '**/*.log'").stdout == b"results/m: 0 files fetched (0), 4 as they were\n"
    rehearsal = person.types("all fetch m:last,m:0 c.txt --to new --dry-run --json")
    files = {one["job_id"]: one["files"] for one in map(json.loads, rehearsal.stdout.splitlines()) if "job_id" in one}
    assert files == {0: 3, 1: 0} and not (person.home / "new").exists()
    assert person.types("m fetch all deep --to new").returncode == 1, "the second has no such folder"
    assert (person.home / "new/0/deep/.git/b.log").exists()


def test_only_jobs_that_have_begun_have_left_something(person: Person) -> None:
    person.types("m job --hold -- true")
    assert b"job 0 has not begun" in person.types("m fetch 0").stderr
    assert b"no job 7" in person.types("m fetch 7").stderr
    done = person.types("m fetch all")
    assert (done.returncode, done.stdout) == (0, b"results/m: 0 files fetched (0), 0 as they were\n")
