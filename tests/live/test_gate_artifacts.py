"""Through a gate, what one's own jobs have left is had and removed, and no other file of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.workspace import artifacts_path
from sjs.errors import BadRequest, Refused, SjsError
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from sjs.trees.entries import FILE, Entry
from tests.live.hostile import ERRAND
from tests.live.machine import Machine, running
from tests.live.test_gate import Behind

LEAVE = 'echo {0} > "$SJS_ARTIFACTS_DIR/it"; ln -s /etc/passwd "$SJS_ARTIFACTS_DIR/link"; echo said'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("left") / "m", 2) as machine:
        yield machine


def through(machine: Machine, name: str, *words: str) -> DistantMachine:
    program = Behind(machine, name, *words, sent=ERRAND).program
    return DistantMachine(LocalTransport(), Door(program, "/elsewhere", "other.pipe"))


@pytest.fixture
def alice(shared: Machine) -> Iterator[DistantMachine]:
    found = through(shared, "alice")
    yield found
    found.close()


def leave(machine: Machine, name: str, attempts: int = 1) -> int:
    """A job of somebody's that has left something, in each attempt."""
    with Behind(machine, name).client() as asking:
        job = {"command": LEAVE.format(name), "artifacts": True}
        if attempts > 1:
            job = {"command": f"{LEAVE.format(name)}; exit 1", "artifacts": True, "retry": {"count": attempts - 1}}
        first: int = asking.ask("submit", jobs=[job])["first"]
        asking.ask("wait", jobs=[[first, first]])
        return first


def had(machine: DistantMachine, job: int, attempt: int = 1) -> dict[str, bytes]:
    """All that is there of what it has left, as whoever collects it gets it."""
    remains = machine.remains(job, attempt)
    entries = list(machine.listed(remains.at, remains.artifacts, lambda path, why: None))
    files = [one for one in entries if one.kind == FILE]
    found: dict[str, bytes] = {}
    for file, came in machine.contents(remains.at, files):
        assert isinstance(came, bytes), came
        found[file.path[len(remains.artifacts) + 1 :]] = found.get(file.path, b"") + came
    return found


def test_what_ones_own_jobs_left_is_had_and_then_removed(shared: Machine, alice: DistantMachine) -> None:
    for attempts in (1, 2):
        job = leave(shared, "alice", attempts)
        assert had(alice, job, attempts) == {"it": b"alice\n"}
        alice.discard("artifacts", [(job, attempts)])
        assert had(alice, job, attempts) == {}
    with shared.client() as owner:
        assert owner.output(job) == b"said\n"  # which stays


def test_what_others_left_is_not(shared: Machine, alice: DistantMachine) -> None:
    job = leave(shared, "bob")
    top = os.path.relpath(artifacts_path(str(shared.state / "jobs"), job, 1), shared.state / "jobs")
    at = alice.remains(leave(shared, "alice"), 1).at
    kept = Path(at, top, "it")
    assert kept.read_text() == "bob\n"
    file = Entry(f"{top}/it", FILE, 0o600, kept.stat().st_size, kept.stat().st_mtime_ns)
    attempts: list[Callable[[], Any]] = [
        lambda: alice.remains(job, 1),
        lambda: list(alice.listed(at, top, lambda path, why: None)),
        lambda: list(alice.contents(at, [file])),
        lambda: alice.discard("artifacts", [(job, 1)]),
    ]
    for attempt in attempts:
        with pytest.raises(Refused, match=f"job {job} was not brought by alice"):
            attempt()
    assert kept.read_text() == "bob\n"
    everybodys = through(shared, "carol", "--all-jobs")
    assert had(everybodys, job) == {"it": b"bob\n"}
    everybodys.close()


def sent(machine: DistantMachine, op: str, **fields: Any) -> Any:
    return machine._opened().call(op, **fields)


def test_no_other_path_leads_anywhere(shared: Machine, alice: DistantMachine) -> None:
    """Files of the machine, of the queue, of the job itself, and ways out of the folder."""
    job = leave(shared, "alice")
    remains = alice.remains(job, 1)
    at, top = remains.at, remains.artifacts
    own = f"{job // 1000}/{job}"
    assert Path(at, f"{own}.out").read_text() == "said\n"
    tops = [f"{own}.out", f"{own}.dir", f"{own}.dir/other", f"{job // 1000}", "", "*", f"{top}/*", f"{top[:-1]}?"]
    tops += ["../jobs.pipe", f"{top}/..", f"{top}/../../..", f"0{own}.dir/artifacts", f"{own}.1.dir/artifacts", "/etc"]
    tops += [
        f"{job // 1000 + 1}/{job}.dir/artifacts",
        f"{top}x",
        f"x{top}",
        f"{own}.99999999999999999999.dir/artifacts",
    ]
    tops += [f"{own}.tree", f"{own}.\u0661.dir/artifacts", f"{top}\n", f"{top}\0"]
    stranger = "0/999999.dir/artifacts"
    for one in [*tops, stranger]:
        for asked in (
            {"op": "tree", "at": at, "globs": [one]},
            {"op": "get", "at": at, "pieces": [[f"{one}/it", 0o600, 6, 0, 0, 6, True]]},
        ):
            if asked["op"] == "get" and one == f"{top}/*":
                continue  # so a file may be called that is in it
            with pytest.raises((Refused, BadRequest)):
                sent(alice, **asked)
    for where in ("/", "/etc", ".", "~", str(shared.root), f"{at}/", f"{at}/.", f"{at}/{top}", os.path.dirname(at)):
        with pytest.raises(Refused, match="may not have other folders"):
            sent(alice, "tree", at=where, globs=[top])
        with pytest.raises(Refused, match="may not have other folders"):
            sent(alice, "get", at=where, pieces=[[f"{top}/it", 0o600, 6, 0, 0, 6, True]])
    for globs in ([], [top, "*"], [top, top]):
        with pytest.raises((Refused, BadRequest)):
            sent(alice, "tree", at=at, globs=globs)
    with pytest.raises(Refused, match="may not have checkouts"):
        alice.discard("tree", [(job, 1)])
    for op in ("digest", "left", "lay", "put", "remove", "results", "series", "keep", "run"):
        with pytest.raises(SjsError, match="no such errand"):
            sent(alice, op)
    assert had(alice, job) == {"it": b"alice\n"}


def test_no_link_is_followed(shared: Machine, alice: DistantMachine, tmp_path: Path) -> None:
    """Neither one that a job has left, nor one in the place of what it left."""
    job = leave(shared, "alice")
    remains = alice.remains(job, 1)
    folder = Path(remains.at, remains.artifacts)
    (folder / "out").symlink_to(tmp_path)
    (tmp_path / "secret").write_text("secret")
    for name in ("link", "out/secret"):
        found = sent(alice, "get", at=remains.at, pieces=[[f"{remains.artifacts}/{name}", 0o600, 6, 0, 0, 6, True]])
        assert isinstance(found["found"][0], str)
    folder.rename(folder.parent / "moved")
    folder.symlink_to(tmp_path)
    assert had(alice, job) == {}
    found = sent(alice, "get", at=remains.at, pieces=[[f"{remains.artifacts}/secret", 0o600, 6, 0, 0, 6, True]])
    assert isinstance(found["found"][0], str)
    alice.discard("artifacts", [(job, 1)])
    assert (tmp_path / "secret").read_text() == "secret" and not folder.is_symlink()


def test_a_key_may_be_made_without_it(shared: Machine) -> None:
    job = leave(shared, "alice")
    without = through(shared, "alice", "--allow", "job,logs,hosts")
    with pytest.raises(SjsError, match="no such errand: 'outputs'"):
        without.remains(job, 1)
    without.close()


def test_whose_a_job_is_its_records_say_when_there_is_no_manager(tmp_path: Path) -> None:
    with running(tmp_path / "m", 1) as machine:
        job, other = leave(machine, "alice"), leave(machine, "bob")
        asking = through(machine, "alice")
        assert had(asking, job) == {"it": b"alice\n"}
        machine.kill_manager()  # another one comes, and is asked
        assert had(asking, leave(machine, "alice")) == {"it": b"alice\n"}
    asking.close()
    anew = through(machine, "alice")
    try:
        assert had(anew, job) == {"it": b"alice\n"}
        with pytest.raises(Refused, match=f"job {other} was not brought by alice"):
            anew.remains(other, 1)
    finally:
        anew.close()
