"""Attempts of real processes, reaped and settled by hand in a process of their own kind: a subreaper."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground import kernel
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.starting import Start
from sjs.daemon.keeper import limits, together, tree
from sjs.daemon.keeper.attempts import Attempts
from sjs.daemon.keeper.children import reaped
from sjs.daemon.keeper.ending import how_ended
from sjs.daemon.keeper.grants import Grants
from sjs.daemon.keeper.spawn import MACHINE

DEADLINE = 60.0
"""Seconds until what does not happen is a failure."""

IGNORING = "trap '' TERM; echo up > up; while :; do sleep 0.05; done"
ESCAPED = (
    "setsid sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.05; done' & "
    "while [ ! -s pid ]; do sleep 0.02; done; "
)


class Bench:
    """A keeper's attempts without a keeper; `run` does its rounds until something is so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = Places(str(folder), "p", str(folder / "state"))
        self.where.make()
        self.news: list[dict[str, Any]] = []
        self._others = tree.children()
        """Those of other tests, which are no jobs': a server that several share."""
        self.selector = selectors.DefaultSelector()
        self.attempts = self.successor()

    def successor(self, record: dict[str, Any] | None = None, granted: Sequence[dict[str, Any]] = ()) -> Attempts:
        """What the next keeper would have, reading what this one wrote, or handed over."""
        self.grants = Grants(granted)
        self.attempts = Attempts(self.where, 0o022, self.selector, self.news.append, self.grants, record)
        return self.attempts

    def start(self, script: str, tag: str = "0.1", **more: Any) -> None:
        out = str(self.folder / f"{tag}.out")
        argv = ["/bin/sh", "-c", script]
        here = os.getcwd()
        self.attempts.start(
            Start(**{"tag": tag, "argv": argv, "cwd": str(self.folder), "env": {}, "out": out, "err": out, **more})
        )
        os.chdir(here)

    def turn(self) -> None:
        for pid, status, usage in reaped():
            self.attempts.reaped(pid, status, usage)
        self.attempts.settle(self._others)
        self.attempts.on_time(time.monotonic())

    def run(self, so: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not so():
            self.turn()
            assert time.monotonic() < end
            time.sleep(0.005)  # several kinds of events, of which a keeper's selector tells

    def end(self, tag: str = "0.1") -> dict[str, Any]:
        """The end that a manager is told of, once it is."""
        self.run(lambda: any(one["on"] == "ended" and one["tag"] == tag for one in self.news))
        return next(dict(one["end"]) for one in self.news if one["on"] == "ended" and one["tag"] == tag)

    def pid(self, name: str) -> int:
        path = self.folder / name
        self.run(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    kernel.become_subreaper()
    made = Bench(tmp_path)
    yield made
    made.attempts.stop(dict.fromkeys(made.attempts._all, 0))
    made.run(lambda: made.attempts.live() == 0)
    made.selector.close()
    kernel._libc().prctl(kernel.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def is_gone(pid: int) -> bool:
    found = tree.stat(pid)
    return found is None or found.state in "ZX"


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", {"reason": "exit", "exit": 0}),
        ("exit 7", {"reason": "exit", "exit": 7}),
        ("kill -9 $$", {"reason": "signal", "signal": 9}),
        ("ulimit -c 0; kill -SEGV $$", {"reason": "signal", "signal": 11}),
    ],
)
def test_how_it_ended(bench: Bench, script: str, end: dict[str, Any]) -> None:
    bench.start(script)
    assert bench.end().items() >= end.items()
    assert [one["on"] for one in bench.news] == ["started", "ended"]
    assert bench.attempts.live() == 0


def test_what_it_used_is_told(bench: Bench) -> None:
    bench.start("sleep 0.05")
    usage = bench.end()["usage"]
    assert set(usage) == {"user", "system", "max_rss_kb", "seconds"}
    assert 0.05 <= usage["seconds"] < DEADLINE


def test_what_cannot_be_started_has_an_end(bench: Bench) -> None:
    bench.start("", argv=["no-such-program"])
    assert bench.end()["reason"] == "spawn-error"
    assert [one["on"] for one in bench.news] == ["ended"]


@pytest.mark.parametrize("number", sorted(MACHINE))
def test_what_the_machine_cannot_start_now_was_never_ordered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def spawn(*_: object, **__: object) -> int:
        (bench.folder / "0.1.out").touch()  # as the child does, before it fails
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_spawn", spawn)
        bench.start("echo ran >> ran")
    assert [(one["on"], one["tag"]) for one in bench.news] == [("refused", "0.1")]
    assert os.strerror(number) in bench.news[0]["detail"]
    assert bench.attempts.known()["attempts"] == bench.successor().known()["attempts"] == []
    bench.start("echo ran >> ran")
    assert bench.end()["exit"] == 0
    assert (bench.folder / "ran").read_text() == "ran\n"


def test_without_room_for_the_record_nothing_is_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bench.attempts._journal, "fd", os.open("/dev/full", os.O_WRONLY))
        bench.start("echo ran > ran")
    assert [one["on"] for one in bench.news] == ["refused"]
    assert "written down" in bench.news[0]["detail"]
    assert bench.successor().known()["attempts"] == []
    assert not (bench.folder / "ran").exists()


def test_an_order_that_comes_twice_runs_once(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        bench.start("echo x >> ran")
    bench.end()
    bench.start("echo x >> ran")
    assert (bench.folder / "ran").read_text() == "x\n"
    assert "started before" in capfd.readouterr().err


def test_empty_outputs_go_and_others_stay(bench: Bench) -> None:
    bench.start("true", "0.1")
    bench.start("echo x", "1.1")
    assert [bench.end("0.1")["exit"], bench.end("1.1")["exit"]] == [0, 0]
    assert sorted(path.name for path in bench.folder.glob("*.out")) == ["1.1.out"]


def test_stop_gives_the_job_time_to_end_by_itself(bench: Bench) -> None:
    bench.start("trap 'exit 5' TERM; echo up > up; while :; do sleep 0.05; done")
    bench.run((bench.folder / "up").exists)
    bench.attempts.stop({"0.1": 60})
    assert bench.end().items() >= {"reason": "cancelled", "exit": 5}.items()


def test_who_ignores_term_is_killed(bench: Bench) -> None:
    bench.start(IGNORING)
    bench.run((bench.folder / "up").exists)
    bench.attempts.stop({"0.1": 0.1})
    assert bench.end().items() >= {"reason": "cancelled", "signal": 9}.items()


def test_asked_again_it_ends_sooner_and_never_later(bench: Bench) -> None:
    bench.start(IGNORING)
    bench.run((bench.folder / "up").exists)
    for grace in (600.0, 0.1, 600.0):
        bench.attempts.stop({"0.1": grace})
    assert bench.end()["reason"] == "cancelled"


def test_what_it_leaves_behind_is_ended_first(bench: Bench) -> None:
    bench.start(f"{ESCAPED} exit 3", grace=0.1)
    left = bench.pid("pid")
    end = bench.end()
    assert is_gone(left)
    assert (end["reason"], end["exit"]) == ("exit", 3)
    assert end["detail"].startswith("ended ")


def test_a_stranger_does_not_hold_the_slot(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.start("env -i setsid /bin/sh -c 'echo $$ > pid; exec sleep 600' & while [ ! -s pid ]; do sleep 0.02; done")
    stranger = bench.pid("pid")
    assert bench.end()["exit"] == 0
    assert not is_gone(stranger)
    assert f"process {stranger} dropped every mark" in capfd.readouterr().err
    os.kill(stranger, signal.SIGKILL)


def test_an_end_is_kept_until_the_manager_has_stored_it(bench: Bench) -> None:
    bench.start("exit 4")
    bench.attempts.forget(["0.1"])
    assert [one["tag"] for one in bench.attempts.known()["attempts"]] == ["0.1"]
    bench.end()
    assert bench.successor().known()["attempts"][0]["end"]["exit"] == 4
    bench.attempts.forget(["0.1", "9.9"])
    assert bench.attempts.known()["attempts"] == []
    assert bench.successor().known()["attempts"] == []


# After a keeper's death. What it had started is not the child of the next one: here it is started by another process.


def orphan(bench: Bench, script: str, **more: Any) -> int:
    """Have a keeper start it and die; the job's pid."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; "
        "from tests.daemon import test_attempts as t; from pathlib import Path; "
        f"b = t.Bench(Path({str(bench.folder)!r})); b.start({script!r}, **{more!r}); print(b.news[0]['pid'])"
    )
    done = subprocess.run(["setsid", sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE)
    return int(done.stdout or done.stderr)


def test_a_living_process_is_adopted_and_the_kernel_tells_of_its_end(bench: Bench) -> None:
    pid = orphan(bench, "while [ ! -e go ]; do sleep 0.05; done; exit 7")
    (known,) = bench.successor().known()["attempts"]
    assert (known["pid"], known["end"], bench.attempts.live()) == (pid, None, 1)
    (bench.folder / "go").touch()
    end = bench.end()
    assert end.items() >= {"reason": "exit", "exit": 7, "detail": "its keeper died meanwhile"}.items()
    assert set(end["usage"]) == {"seconds"}  # the rest is told to its parent only
    assert 0 <= end["usage"]["seconds"] < DEADLINE


def test_an_adopted_end_of_which_the_kernel_says_nothing_is_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "zombie_status", lambda zombie: None)
    monkeypatch.setattr(kernel, "wait_status", lambda fd: None)
    pid = orphan(bench, "sleep 600")
    bench.successor()
    os.kill(pid, signal.SIGKILL)
    assert bench.end()["reason"] == "host-lost"


def test_what_an_adopted_one_leaves_behind_is_ended_first(bench: Bench) -> None:
    orphan(bench, f"{ESCAPED} while [ ! -e go ]; do sleep 0.05; done; exit 3", grace=0.1)
    left = bench.pid("pid")
    bench.successor()
    (bench.folder / "go").touch()
    end = bench.end()
    assert is_gone(left)
    assert end["exit"] == 3
    assert end["detail"].startswith("its keeper died meanwhile; ended ")


def test_nobody_is_taken_for_a_part_of_a_session_that_is_no_more(bench: Bench) -> None:
    """The number of a session goes to others once nobody is in it."""
    bench.start("true")
    attempt = bench.attempts._all["0.1"]
    bench.run(lambda: attempt.main_end)
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    attempt.session = other.pid
    assert together.members([attempt]) == [[]]
    assert other.poll() is None
    other.kill()
    other.wait()


def test_what_is_in_no_record_is_found_by_its_mark(bench: Bench) -> None:
    pid = orphan(bench, "exec sleep 600")
    forget_everything(bench)
    assert bench.successor().known()["attempts"] == []
    bench.attempts.find([("0.1", "/nowhere")])
    bench.attempts.find([("0.1", "/nowhere")])
    assert [(one["on"], one["pid"], one["end"]) for one in bench.news] == [("started", pid, None)]
    assert [one["pid"] for one in bench.successor().known()["attempts"]] == [pid]
    bench.attempts.stop({"0.1": 0})
    assert bench.end()["reason"] == "cancelled"


def test_what_is_in_no_record_and_left_something_is_cleared_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.1)
    pid = orphan(bench, "(trap '' TERM; echo up > up; while :; do sleep 0.05; done) & echo $! > pid; wait")
    left = bench.pid("pid")
    bench.run((bench.folder / "up").exists)
    os.kill(pid, signal.SIGKILL)
    bench.run(lambda: is_gone(pid))
    forget_everything(bench)
    bench.successor().find([("0.1", "/nowhere")])
    end = bench.end()
    assert is_gone(left)
    assert (end["reason"], "usage" in end) == ("host-lost", False)


def test_the_end_of_what_was_found_by_its_mark_is_not_believed(bench: Bench) -> None:
    """It may be a daemon that the job left behind, which does not end as the job did."""
    pid = orphan(bench, "setsid sh -c 'echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done' & sleep 600")
    bench.pid("pid")
    os.kill(pid, signal.SIGKILL)
    bench.run(lambda: is_gone(pid))
    forget_everything(bench)
    bench.successor().find([("0.1", "/nowhere")])
    assert bench.attempts.live() == 1
    (bench.folder / "go").touch()
    assert bench.end()["reason"] == "host-lost"


def test_what_is_in_no_record_and_ran_is_lost(bench: Bench) -> None:
    pid = orphan(bench, "true")
    bench.run(lambda: is_gone(pid))
    forget_everything(bench)
    bench.successor().find([("0.1", str(bench.folder / "0.1.out"))])
    assert bench.end()["reason"] == "host-lost"


def test_what_is_in_no_record_and_left_no_trace_never_ran(bench: Bench) -> None:
    bench.attempts.find([("0.1", str(bench.folder / "0.1.out"))])
    assert bench.news == [{"on": "unseen", "tag": "0.1"}]
    assert bench.attempts.known()["attempts"] == []


def forget_everything(bench: Bench) -> None:
    for path in Path(bench.where.state).glob("journal.*"):
        path.unlink()


def test_an_adopted_one_is_cancelled_with_all_that_it_left(bench: Bench) -> None:
    pid = orphan(bench, f"{ESCAPED} sleep 600")
    escaped = bench.pid("pid")
    bench.successor().stop({"0.1": 0.2})
    assert bench.end()["reason"] == "cancelled"
    assert is_gone(pid)
    assert is_gone(escaped)


def test_what_ended_meanwhile_is_lost(bench: Bench) -> None:
    pid = orphan(bench, "true")
    bench.run(lambda: tree.stat(pid) is None)
    (known,) = bench.successor().known()["attempts"]
    assert known["end"]["reason"] == "host-lost"


def test_a_start_that_was_cut_off_before_it_is_no_start(bench: Bench) -> None:
    bench.attempts._journal.begin("0.1", 1.0, str(bench.folder / "never"))
    assert bench.successor().known()["attempts"] == []
    assert bench.successor().known()["attempts"] == []


def test_a_start_that_was_cut_off_after_it_is_found_by_its_mark(bench: Bench) -> None:
    bench.start("sleep 600")
    pid = bench.attempts._all["0.1"].pid
    journal = Path(bench.where.state, "journal.1")
    journal.write_text("".join(line for line in journal.read_text().splitlines(True) if not line.startswith("S ")))
    bench.run(lambda: tree.settled_environment(pid) != [b""])
    assert bench.successor().known()["attempts"][0]["pid"] == pid


def test_after_a_reboot_nothing_is_adopted(bench: Bench) -> None:
    bench.start("exec sleep 600")
    pid = bench.attempts._all["0.1"].pid
    journal = Path(bench.where.state, "journal.1")
    journal.write_text(journal.read_text().replace(bench.attempts._boot, "another"))
    assert bench.successor().live() == 0
    os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)


# Grants


def grant(bench: Bench, *tags: str, script: str = "true", **more: Any) -> None:
    argv = ["/bin/sh", "-c", script]
    outs = {tag: str(bench.folder / f"{tag}.out") for tag in tags}
    bench.attempts.grant([Start(tag, argv, str(bench.folder), {}, out, out, **more) for tag, out in outs.items()])


def test_who_is_granted_starts_in_the_slot_of_one_that_ends_and_is_told_of_with_its_end(bench: Bench) -> None:
    bench.start("true", slot=7)
    grant(bench, "1.1", "2.1", script="echo $SJS_SLOT")
    assert bench.attempts.known()["granted"] == ["1.1", "2.1"]
    bench.end("2.1")
    told = [(one["on"], one["tag"], one.get("next"), one.get("slot")) for one in bench.news]
    assert told == [
        ("started", "0.1", None, 7),
        ("ended", "0.1", "1.1", 7),
        ("started", "1.1", None, 7),
        ("ended", "1.1", "2.1", 7),
        ("started", "2.1", None, 7),
        ("ended", "2.1", None, 7),
    ]
    assert (bench.folder / "2.1.out").read_text() == "7\n"


TOLD = "while [ ! -e go ]; do sleep 0.02; done;"

INHERITED = {
    "true": True,
    "touch 0.1.dir/found": False,
    "chmod 750 0.1.dir": False,
    "rmdir 0.1.dir; mkdir elsewhere; ln -s elsewhere 0.1.dir": False,
    "mv 0.1.dir elsewhere; touch 0.1.dir": False,
}


@pytest.mark.parametrize(("script", "inherits"), INHERITED.items())
def test_who_starts_in_its_place_takes_its_folder_if_that_is_as_it_was(
    bench: Bench, script: str, inherits: bool
) -> None:
    first, second = bench.folder / "0.1.dir", bench.folder / "1.1.dir"
    bench.start(f"{TOLD} {script}", slot=0, folder=str(first))
    made = first.stat().st_ino
    look = f"stat -c '%i %a' {second}; ls -A {second}; touch {second}/x"
    grant(bench, "1.1", script=look, folder=str(second))
    (bench.folder / "go").touch()
    bench.end("1.1")
    number, mode = (bench.folder / "1.1.out").read_text().split()
    assert ((int(number) == made), mode) == (inherits, "700")
    assert second.is_dir()
    assert not second.is_symlink()
    assert (first.is_dir() and not first.is_symlink()) == (script.startswith("touch"))


@pytest.mark.parametrize(("script", "stays"), {"true": False, "touch $PWD/1.1.dir/artifacts/it": True}.items())
def test_a_folder_for_artifacts_is_in_its_own_and_stays_if_it_is_used(bench: Bench, script: str, stays: bool) -> None:
    """Also in one that it has taken over; and nobody takes over one that has such a folder."""
    first, second, third = (bench.folder / f"{number}.1.dir" for number in range(3))
    bench.start(TOLD, slot=0, folder=str(first))
    made = first.stat().st_ino
    look = f"stat -c '%i %a' {second} {second}/artifacts; ls -A {second}/artifacts; {script}"
    grant(bench, "1.1", script=look, folder=str(second), artifacts=str(second / "artifacts"))
    grant(bench, "2.1", script=f"ls -A {third}", folder=str(third))
    (bench.folder / "go").touch()
    bench.end("2.1")
    number, mode, _, inner = (bench.folder / "1.1.out").read_text().split()
    assert (int(number), mode, inner) == (made, "700", "700")
    assert not (bench.folder / "2.1.out").exists()
    assert (second / "artifacts" / "it").exists() == second.exists() == stays


def test_no_folder_is_inherited_while_a_stranger_may_be_in_it(bench: Bench) -> None:
    """He dropped every mark of his job, so nobody ended him with it."""
    first, second = bench.folder / "0.1.dir", bench.folder / "1.1.dir"
    stranger = "env -u SJS_JOB setsid sh -c 'echo $$ > pid; cd 0.1.dir; exec sleep 600' & "
    bench.start(f"{stranger} while [ ! -s pid ]; do sleep 0.02; done; {TOLD}", slot=0, folder=str(first))
    made = first.stat().st_ino
    grant(bench, "1.1", script=f"stat -c %i {second}", folder=str(second))
    (bench.folder / "go").touch()
    bench.end("1.1")
    assert int((bench.folder / "1.1.out").read_text()) != made
    os.kill(bench.pid("pid"), signal.SIGKILL)


def test_nobody_starts_where_what_an_attempt_left_behind_still_is(bench: Bench) -> None:
    bench.start(f"{ESCAPED}exit 0", slot=0, grace=0.3)
    grant(bench, "1.1")
    bench.run(lambda: bench.attempts._live["0.1"].main_end is not None)
    assert "1.1" not in bench.attempts._all
    escaped = bench.pid("pid")
    bench.end("1.1")
    assert is_gone(escaped)


def test_the_place_of_what_is_no_job_is_nobodys(bench: Bench) -> None:
    grant(bench, "1.1")
    bench.start("true", tag="hook")
    bench.end("hook")
    assert bench.attempts.known()["granted"] == ["1.1"]


def test_a_place_that_is_offered_is_the_first_ones_or_nobodys(bench: Bench) -> None:
    grant(bench, "1.1")
    bench.attempts.offer([4, 5])
    placed, started, unused = bench.news
    assert placed == {"on": "placed", "tag": "1.1", "slot": 4}
    assert (started["on"], started["slot"]) == ("started", 4)
    assert unused == {"on": "unused", "slot": 5}
    bench.end("1.1")


def test_what_is_taken_back_never_starts(bench: Bench) -> None:
    bench.start("true", slot=0)
    grant(bench, "1.1", "2.1")
    bench.attempts.take_back()
    assert bench.news[-1] == {"on": "revoked", "tags": ["1.1", "2.1"]}
    bench.end()
    assert "1.1" not in bench.attempts._all
    assert "next" not in bench.news[-1]


def test_who_can_not_be_started_leaves_the_place_to_the_next(bench: Bench) -> None:
    bench.start("true", slot=0)
    nowhere = str(bench.folder / "nowhere")
    out = str(bench.folder / "1.1.out")
    bench.attempts.grant([Start("1.1", ["/bin/true"], nowhere, {}, out, out)])
    grant(bench, "2.1")
    assert bench.end("1.1")["reason"] == "spawn-error"
    assert bench.end("2.1")["exit"] == 0


def test_where_the_machine_can_start_nothing_all_are_given_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start("true", slot=0)
    grant(bench, "1.1", "2.1")
    monkeypatch.setattr(os, "posix_spawn", no_memory)
    bench.run(lambda: bench.news[-1]["on"] == "revoked")
    assert [(one["on"], one.get("tag"), one.get("tags")) for one in bench.news[-2:]] == [
        ("refused", "1.1", None),
        ("revoked", None, ["2.1"]),
    ]


def no_memory(*args: Any, **more: Any) -> int:
    raise OSError(errno.ENOMEM, "no memory")


def test_a_keeper_that_is_replaced_leaves_them_to_the_next(bench: Bench) -> None:
    bench.start("sleep 600", slot=3)
    grant(bench, "1.1")
    successor = bench.successor(bench.attempts.hand_over(), bench.grants.hand_over())
    assert successor.known()["granted"] == ["1.1"]
    successor.stop({"0.1": 5.0})
    bench.end("1.1")
    assert bench.news[-1]["slot"] == 3


def test_how_ended() -> None:
    assert [how_ended(9), how_ended(3 << 8)] == ["signal 9", "exit 3"]
