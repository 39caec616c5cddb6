"""What jobs leave on a real machine, in a store and in the records."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sjs.capture.whole import take_whole
from sjs.config import Config, cache_path
from sjs.core.job import Retry, Snapshot
from sjs.errors import BadRequest
from sjs.gateway.artifacts.collecting import Rules
from sjs.gateway.collecting import collector
from sjs.gateway.collecting.wanted import Wanted, from_text, to_text
from sjs.snapshots.store import Store
from tests.gateway.collecting.desk import Gathering, leaving, ruled, there
from tests.live.machine import Machine


@pytest.fixture
def desk(config: Config, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gathering]:
    monkeypatch.setattr(collector, "AGAIN", 0.05)
    desk = Gathering(config, engine)
    yield desk
    desk.close()


@pytest.fixture
def state(machines: dict[str, Machine]) -> Path:
    """Where nothing is left of jobs of other tests."""
    shutil.rmtree(machines["a"].state / "jobs" / "0", ignore_errors=True)
    return machines["a"].state


AT = "cd $SJS_ARTIFACTS_DIR && "

MIXED = (
    "mkdir -p sub/deep empty .dots; printf one > sub/deep/one.TXT; : > none; printf x > .dots/x; printf y > 'a\\b';"
    " ln -s /etc/passwd link; ln -s sub folder; mkfifo pipe; touch .sjs-1.part;"
    """ printf odd > "$(printf '\\377')"; mkdir closed; touch closed/in; chmod 0 closed"""
)


def test_what_a_job_leaves_is_kept_whole_and_removed_where_it_was(desk: Gathering, state: Path) -> None:
    (row,) = desk.run(leaving(f"echo said; {AT}{MIXED}"))
    closed = {"closed/in": b""} if os.geteuid() == 0 else {}
    kept = {
        "%FF": b"odd",
        ".dots/x": b"x",
        "a%5Cb": b"y",
        "none": b"",
        "sub/deep/one.TXT": b"one",
        **closed,
    }
    assert (row.state, desk.kept(row)) == ("succeeded", kept)
    out = row.left_out.split("\n")
    assert {line for line in out if "closed" not in line} == {
        ".sjs-1.part: not whole",
        "folder: a link, and links are not followed",
        "link: a link, and links are not followed",
        "pipe: neither a file nor a folder",
    }
    assert ("closed: Permission denied" in out) == (not closed)
    told = desk.told(row)
    kinds = [kind for kind, _ in told if kind != "job.running"]  # which may have been too short to be seen
    assert kinds == ["job.accepted", "job.ended", *["artifact.kept"] * len(kept), "job.collected"]
    assert told[-1][1] == {"artifacts": len(kept), "bytes": sum(map(len, kept.values())), "left_out": out}
    assert sorted(data["name"] for kind, data in told if kind == "artifact.kept") == sorted(kept)
    assert [data["mime"] for kind, data in told if data.get("name") == "sub/deep/one.TXT"] == ["text/plain"]
    assert there(state) == []
    assert (state / "jobs" / "0" / f"{row.number}.out").read_text() == "said\n"


def test_of_a_job_that_leaves_nothing_that_is_known(desk: Gathering, state: Path) -> None:
    rows = desk.run(
        leaving("true"), leaving("rmdir $SJS_ARTIFACTS_DIR"), leaving("exit 3"), leaving("rm -r $SJS_JOB_DIR")
    )
    assert [(row.state, row.left_out) for row in rows] == [
        ("succeeded", None),
        ("succeeded", None),
        ("failed", None),
        ("succeeded", None),
    ]
    assert [desk.told(row)[-1] for row in rows] == [("job.collected", {"artifacts": 0, "bytes": 0, "left_out": []})] * 4
    assert there(state) == []


def test_no_link_leads_anywhere(desk: Gathering, state: Path, tmp_path: Path) -> None:
    """Neither in the place of the folder nor of the one above it; and nothing is removed there."""
    secret = tmp_path / "artifacts"
    secret.mkdir()
    (secret / "key").write_text("of somebody else")
    one = leaving(f"rmdir $SJS_ARTIFACTS_DIR; ln -s {secret} $SJS_ARTIFACTS_DIR")
    other = leaving(f"rm -r $SJS_JOB_DIR; ln -s {tmp_path} $SJS_JOB_DIR")
    file = leaving("rmdir $SJS_ARTIFACTS_DIR; echo x > $SJS_ARTIFACTS_DIR")
    rows = desk.run(one, other, file)
    assert [desk.kept(row) for row in rows] == [{}] * 3
    assert [row.left_out for row in rows] == [".: is no folder any more", None, ".: is no folder any more"]
    assert (secret / "key").read_text() == "of somebody else"
    assert there(state) == [f"0/{rows[1].number}.dir"]


def test_what_is_not_wanted_is_told_and_goes_too(desk: Gathering, state: Path) -> None:
    make = f"{AT}mkdir tmp; for n in 1 2 3; do printf $n > $n.png; done; printf long > 4.png; touch notes tmp/5.png"
    one, few, ill = desk.run(
        ruled(make, include=("**/*.png", "*.png"), exclude=("tmp/**",), most_bytes_each=3),
        ruled(make, include=("*.png",), most_files=2),
        ruled(make, include=("[",)),
    )
    assert desk.kept(one) == {"1.png": b"1", "2.png": b"2", "3.png": b"3"}
    assert one.left_out.split("\n") == [
        "4.png: larger than the 3 bytes that one may have",
        "notes: not among what is to be taken",
        "tmp/5.png: not to be taken",
    ]
    assert desk.kept(few) == {"1.png": b"1", "2.png": b"2"}
    assert "3.png: more than the 2 that one job may have" in few.left_out
    assert desk.kept(ill) == {}
    assert there(state) == []


def test_wishes_are_written_down_as_they_are_and_those_that_can_not_be_are_refused() -> None:
    wanted = Wanted(Rules(("a", "b/**"), ("c",), 3, 4, 5), whole=True, only_ok=True)
    assert from_text(to_text(wanted)) == wanted
    assert from_text(to_text(Wanted())) == Wanted()
    with pytest.raises(BadRequest, match="no pattern"):
        ruled("true", include=("../x",))
    with pytest.raises(BadRequest, match="has a snapshot"):
        leaving("true", wanted=Wanted(whole=True))


def test_of_what_was_tried_again_the_last_attempt_counts(desk: Gathering, state: Path) -> None:
    make = "touch $SJS_ARTIFACTS_DIR/of-$SJS_ATTEMPT; [ $SJS_ATTEMPT = 3 ]"
    (row,) = desk.run(leaving(make, retry=Retry(5)))
    assert (row.attempt, desk.kept(row)) == (3, {"of-3": b""})
    assert there(state) == []


def test_only_of_jobs_that_succeed_where_that_is_wanted(desk: Gathering, state: Path) -> None:
    make = f"{AT}echo x > it; exit "
    ill, well, all_the_same = desk.run(
        ruled(make + "1", only_ok=True), ruled(make + "0", only_ok=True), ruled(make + "1")
    )
    assert [desk.kept(row) for row in (ill, well, all_the_same)] == [{}, {"it": b"x\n"}, {"it": b"x\n"}]
    left = f"0/{ill.number}.dir"
    assert there(state) == [left, f"{left}/artifacts", f"{left}/artifacts/it"]


def test_what_never_ran_leaves_nothing_to_be_collected(desk: Gathering) -> None:
    new = [leaving("true", "nowhere"), leaving("true", at=2.0**40)]
    taken = desk.office.accept(new, "me", "api").result()
    desk.wait([taken.first])
    desk.office.cancel([taken.first + 1])
    rows = desk.gathered([taken.first, taken.first + 1])
    assert [(row.state, row.attempt, row.kept) for row in rows] == [("failed", 0, ""), ("cancelled", 0, "")]


def given(tmp_path: Path, script: str) -> Snapshot:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "run.sh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "run.sh").chmod(0o775)
    (folder / "data").write_text("in\n")
    return take_whole(str(folder), Store(cache_path("snapshots", os.environ)))


def test_the_whole_folder_in_which_a_job_ran(desk: Gathering, state: Path, tmp_path: Path) -> None:
    """Also what was given and has not changed; nothing of what it has left elsewhere."""
    snapshot = given(tmp_path, "tr a-z A-Z < data > out; rm -f gone; mkdir -p sub/empty; ln out sub/same; exit 7")
    (row,) = desk.run(leaving("./run.sh", wanted=Wanted(whole=True), snapshot=snapshot))
    assert (row.state, row.exit) == ("failed", 7)
    kept = desk.kept(row)
    assert kept.pop("run.sh").startswith(b"#!/bin/sh")
    assert kept == {"data": b"in\n", "out": b"IN\n", "sub/same": b"IN\n"}
    assert there(state) == []


def test_a_folder_that_is_gone_is_told(desk: Gathering, state: Path, tmp_path: Path) -> None:
    snapshot = given(tmp_path, "cd ..; rm -r $OLDPWD")
    (row,) = desk.run(leaving("./run.sh", wanted=Wanted(whole=True), snapshot=snapshot))
    assert (row.state, desk.kept(row)) == ("succeeded", {})
    assert row.left_out == ".: the folder in which it ran is not there any more"


def test_nothing_that_a_job_makes_of_its_rights_or_depths_keeps_its_folder(desk: Gathering, state: Path) -> None:
    deep = f"{AT}n=0; while [ $n -lt 1500 ]; do mkdir d; cd d; n=$((n+1)); done; touch last; chmod 0 ."
    rights = f"{AT}mkdir a; echo x > a/b; chmod 400 a/b; chmod 500 a; chmod 100 ."
    rows = desk.run(leaving(deep), leaving(rights))
    assert [row.state for row in rows] == ["succeeded"] * 2
    assert desk.kept(rows[0]) == {}
    assert rows[0].left_out
    assert there(state) == []


def test_files_keep_no_rights_but_ours_in_the_store(desk: Gathering) -> None:
    desk.run(leaving(f"{AT}touch it; chmod 4777 it"))
    modes = [path.stat().st_mode for path in Path(str(desk.engine.url.database) + "-artifacts").rglob("*")]
    assert {stat.S_IMODE(mode) & 0o077 for mode in modes} == {0}
