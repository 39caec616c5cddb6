"""Files on their way to a machine and from it: what travels is counted, and so is how often one side waits."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sjs.errors import LinkLost, Refused, UsageError
from sjs.protocols import Carried, Stream
from sjs.reach import here
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from sjs.trees.entries import FRAME
from tests.live.machine import Machine
from tests.live.test_cli import Person
from tests.live.test_cut import CutTransport


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

    def send(self, transport: Any = None, **how: Any) -> Carried:
        machine = DistantMachine(transport or self.line, Door(here("errand"), str(self.root), "jobs.pipe"))
        try:
            return machine.send(str(self.source), "data", lambda count: None, **how)
        finally:
            machine.close()

    @property
    def parts(self) -> list[Path]:
        return list(self.root.rglob(".sjs-*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_many_small_files_do_not_wait_for_each_other(place: Place) -> None:
    count = 3_000
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


def test_what_is_changed_meanwhile_is_left_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.source / "changing").write_bytes(bytes(4 * FRAME))
    (place.source / "other").write_text("x")

    def change(count: int) -> None:
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
    assert place.send(dry=True, delete=True) == Carried(files=1, bytes=4, made=1)
    assert list(place.root.iterdir()) == []


def test_one_file_and_a_link_to_a_folder(place: Place, tmp_path: Path) -> None:
    (place.source / "file").write_text("x")
    (tmp_path / "alias").symlink_to(place.source)
    machine = DistantMachine(LocalTransport(), Door(here("errand"), str(place.root), "jobs.pipe"))
    for path in (place.source / "file", tmp_path / "alias"):
        machine.send(str(path), str(tmp_path / "else where"), lambda count: None)
    with pytest.raises(UsageError, match="no such file"):
        machine.send(str(tmp_path / "nothing"), "data", lambda count: None)
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


@pytest.fixture
def person(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with data, a manager m, and a machine `bare` that has no datadir."""
    home = tmp_path / "home"
    (home / "data" / "digits").mkdir(parents=True)
    (home / "data" / "digits" / "one").write_text("1\n")
    person = Person(home, machine)
    (home / "config.yaml").write_text(
        "deployment: {datasets: {digits: data/digits, again: ~/data/digits}}\nmanagers:\n"
        f"  m: {{transport: local, project_root: {machine.root}, datadir: ~/there}}\n"
        f"  bare: {{transport: local, project_root: {home}}}\n"
    )
    return person


def test_data_sets_are_where_jobs_find_them(person: Person) -> None:
    done = person.types("all upload-data digits")
    assert done.stdout == b"[m] digits: 1 file sent (2), 0 as they were\n"
    assert b"[bare] error: has no datadir (write one into config.yaml, or say --to DIR)" in done.stderr
    assert done.returncode == 255
    assert (person.home / "there/digits/one").read_text() == "1\n"
    (record,) = map(json.loads, person.types("m upload --dataset digits --json").stdout.splitlines())
    assert (record["dataset"], record["same"], record["files"], record["to"]) == ("digits", 1, 0, "~/there/digits")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("m upload", "digits and again would both be digits there"),
        ("m upload digit", "no data set 'digit'; did you mean digits?"),
        ("m upload digits --from x", "names of data sets and --from"),
        ("m upload --from nothing", "nothing: nothing is at nothing"),
        ("m fetch", "fetch of which jobs?"),
        ("m fetch 0 ../x", "no pattern for what is below a folder: '../x'"),
        ("bare upload digits --to config.yaml", "config.yaml"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(person: Person, line: str, said: str) -> None:
    done = person.types(line)
    assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 1
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
