"""Slurm's hands: nothing is lost and nothing runs twice, whatever Slurm does and whoever dies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import Result
from sjs.daemon.slurm.handing import SLOWEST
from sjs.daemon.slurm.looking import Looking
from tests.daemon.slurm.pretended import Queue


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path)


def handed(queue: Queue, *tags: str) -> None:
    queue.order(*tags)
    queue.run(2.0)
    assert queue.slurm.count("sbatch") == 1


def test_jobs_of_one_shape_go_together_and_no_more_than_an_array_holds(queue: Queue) -> None:
    queue.order(*(f"{number}.1" for number in range(2_500)))
    queue.order("2500.1", mem=5 << 20, timeout=90.0, slurm={"name": "n", "cpus": 2, "gpus": 2000, "priority": -3})
    queue.order("2501.1", slurm={"native": {"partition": "p", "options": ["--exclusive"]}})
    queue.run(2.0)
    calls = [argv for argv in queue.slurm.asked if argv[0] == "sbatch"]
    arrays = [next(one for one in argv if one.startswith("--array=")) for argv in calls]
    assert arrays == ["--array=0-999", "--array=0-999", "--array=0-499", "--array=0", "--array=0"]
    told = {"--job-name=n", "--cpus-per-task=2", "--mem=5M", "--gres=gpu:2", "--time=3", "--nice=3"}
    assert told <= set(calls[3])
    assert calls[4][2:5] == ["--job-name=sjs", "--partition=p", "--exclusive"]
    assert all("--no-requeue" in argv for argv in calls)


def test_a_life(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1", "1.1")
    assert queue.told("seen")[0]["jobs"][0][2:] == ["PENDING", "Priority", ""]
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.run(3.0)
    (started,) = queue.told("started")
    assert (started["tag"], started["pid"], started["place"]["id"]) == ("0.1", os.getpid(), "1_0")
    queue.slurm.end("1", 0, reason="exit", exit=3)
    queue.run(5.0)
    assert queue.ends() == {"0.1": {"reason": "exit", "exit": 3, "at": queue.ends()["0.1"]["at"]}}
    queue.hands.forget(["0.1"])
    assert queue.hands.live() == 1
    assert [one["tag"] for one in queue.hands.known()["attempts"]] == ["1.1"]


@pytest.mark.parametrize("fault", ["taken, and killed", "killed", "Socket timed out on send/recv operation"])
def test_who_is_not_sure_looks_first(queue: Queue, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.slurm.faults = [fault]
    queue.order("0.1")
    queue.run(60.0)
    taken = fault.startswith("taken")
    assert queue.slurm.count("sbatch") == (1 if taken else 2)
    comments = {job[2] for job in queue.slurm.jobs.values()}
    assert (len(queue.slurm.jobs), len(comments)) == (1, 1)
    assert queue.slurm.begin("1", 0, monkeypatch)


def test_a_job_that_was_handed_in_twice_after_all_runs_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1")
    queue.slurm.jobs["7", 0] = list(queue.slurm.jobs["1", 0])
    assert queue.slurm.begin("7", 0, monkeypatch)
    assert not queue.slurm.begin("1", 0, monkeypatch)
    queue.slurm.end("7", 0, reason="exit", exit=0)
    queue.slurm.end("1", 0, "FAILED")
    queue.run(5.0)
    assert [one["place"]["id"] for one in queue.told("ended")] == ["7_0"]


def test_a_controller_that_is_down_is_asked_again_after_longer_and_longer_pauses(queue: Queue) -> None:
    handed(queue, "0.1")
    queue.slurm.is_down = True
    queue.order("1.1")
    queue.run(600.0)
    assert 10 <= queue.slurm.count("sbatch") <= 600 / SLOWEST + 10
    assert queue.told("trouble")[-1]["detail"].endswith("Unable to contact slurm controller (connect failure)")
    assert (queue.ends(), queue.hands.live()) == ({}, 2)
    queue.slurm.is_down = False
    queue.run(SLOWEST)
    assert len(queue.slurm.jobs) == 2
    assert queue.told("trouble")[-1]["detail"] == ""


def test_what_is_ordered_while_nobody_answers_survives_a_successor(queue: Queue) -> None:
    queue.slurm.is_down = True
    queue.order("0.1")
    queue.run(1.0)
    record = queue.hands.hand_over()
    assert [one["tag"] for one in record["ordered"]] == ["0.1"]
    queue.restart()
    queue.hands.find([["0.1", "out", None, None, 0]])
    assert queue.told("unseen") == [{"on": "unseen", "tag": "0.1"}]


def test_who_is_refused_for_good_ends_with_slurms_words(queue: Queue) -> None:
    queue.slurm.faults = ["Invalid partition name specified"]
    queue.order("0.1", "1.1")
    queue.run(5.0)
    assert queue.slurm.count("sbatch") == 1
    assert {end["reason"] for end in queue.ends().values()} == {"spawn-error"}
    assert queue.ends()["1.1"]["detail"].endswith("Invalid partition name specified")
    queue.order("2.1", slurm={"gpus": 500})
    assert "whole GPUs" in queue.ends()["2.1"]["detail"]


def test_fewer_are_handed_in_where_so_many_are_too_many(queue: Queue) -> None:
    queue.slurm.faults = ["Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"]
    queue.order(*(f"{number}.1" for number in range(10)))
    queue.run(30.0)
    assert sorted(len([1 for one, _ in queue.slurm.jobs if one == array]) for array in "12") == [5, 5]
    assert queue.hands.live() == 10


def test_one_that_is_over_a_limit_is_in_nobodys_way(queue: Queue) -> None:
    queue.slurm.faults = ["Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"]
    queue.order("0.1")
    queue.order("1.1", slurm={"cpus": 2})
    queue.run(3.0)
    assert [job[0] for job in queue.slurm.jobs.values()] == ["PENDING", "PENDING"]
    asked = [argv[2:4] for argv in queue.slurm.asked if argv[0] == "sbatch"]
    assert asked == [["--job-name=sjs", "--array=0"], ["--job-name=sjs", "--cpus-per-task=2"], asked[0]]


def test_arrays_grow_again_once_a_limit_lets_them(queue: Queue) -> None:
    queue.slurm.faults = ["Job violates accounting/QOS policy (job submit limit)"] * 2
    queue.order(*(f"{number}.1" for number in range(100)))
    queue.run(10.0)
    queue.order(*(f"{number}.1" for number in range(100, 200)))
    queue.run(3.0)
    asked = [
        next(one for one in argv if one.startswith("--array=")) for argv in queue.slurm.asked if argv[0] == "sbatch"
    ]
    assert asked == [f"--array=0-{count - 1}" for count in (100, 50, 50, 25, 25, 100)]


@pytest.mark.parametrize("before_sbatch", [True, False])
def test_a_keeper_that_dies_over_it(queue: Queue, before_sbatch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if before_sbatch:
        queue.slurm.faults = ["killed"]
        queue.order("0.1", "1.1")
        queue.run(0.5)
    else:
        handed(queue, "0.1", "1.1")
        (chunk,) = queue.hands._files.found()
        os.unlink(os.path.join(chunk.path, "given"))
    queue.restart()
    assert {one["tag"] for one in queue.hands.known()["attempts"]} == {"0.1", "1.1"}
    queue.run(60.0)
    assert queue.slurm.count("sbatch") == 1 + before_sbatch
    assert len(queue.slurm.jobs) == 2
    assert queue.slurm.begin("1", 1, monkeypatch)
    queue.slurm.end("1", 1, reason="exit", exit=0)
    queue.restart()
    queue.run(0.0)
    told = {one["tag"]: one["end"] for one in queue.hands.known()["attempts"]}
    assert (told["0.1"], told["1.1"]["exit"]) == (None, 0)


def test_what_waits_is_taken_back_and_never_begins(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1", "1.1", "2.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.hands.withdraw(["0.1", "1.1", "9.1"])
    assert queue.told("withdrawn") == [{"on": "withdrawn", "tags": ["1.1"]}]
    queue.run(1.0)
    assert ["scancel", "--quiet", "1_[1]"] in queue.slurm.asked
    assert not queue.slurm.begin("1", 1, monkeypatch)
    queue.restart()
    assert {one["tag"] for one in queue.hands.known()["attempts"]} == {"0.1", "2.1"}
    queue.order("1.1")
    queue.run(2.0)
    assert queue.slurm.begin("2", 0, monkeypatch)
    queue.run(2.0)
    assert {one["tag"] for one in queue.told("started")} == {"0.1", "1.1"}


def test_who_is_taken_back_on_the_way_does_not_stay_in_slurm(queue: Queue) -> None:
    queue.order("0.1", "1.1")
    while not queue.slurm.count("sbatch"):
        queue.now += 0.05
        queue.hands.on_time(queue.now)
    queue.hands.withdraw(["0.1", "1.1"])  # before sbatch has ended
    queue.run(5.0)
    assert ["scancel", "--quiet", "1_[0-1]"] in queue.slurm.asked
    assert (queue.hands.live(), queue.hands._files.found(), queue.hands.next_time()) == (0, [], None)


def test_what_waits_is_cancelled_at_once_and_what_runs_after_its_grace(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed(queue, "0.1", "1.1")
    queue.order("2.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.hands.stop({"0.1": 3.0, "1.1": 3.0, "2.1": 3.0})
    assert {tag: end["reason"] for tag, end in queue.ends().items()} == {"1.1": "cancelled", "2.1": "cancelled"}
    queue.run(2.0)
    assert ["scancel", "--quiet", "--full", "--signal=TERM", "1_[0]"] in queue.slurm.asked
    assert not any("--batch" in argv for argv in queue.slurm.asked)
    queue.run(2.0)
    assert ["scancel", "--quiet", "--batch", "--signal=63", "1_[0]"] in queue.slurm.asked
    queue.slurm.end("1", 0, reason="signal", signal=9)
    queue.run(2.0)
    assert queue.ends()["0.1"]["reason"] == "cancelled"


def test_what_slurm_does_not_answer_for_is_not_gone(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1", "1.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.slurm.is_down = True
    queue.run(10 * Looking.LOST)
    assert (queue.ends(), queue.told("withdrawn")) == ({}, [])


def test_what_slurm_has_forgotten_is_handed_in_again_or_lost(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1", "1.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.run(2.0)
    queue.slurm.jobs.clear()
    queue.run(Looking.LOST / 2)
    assert queue.ends() == {}
    queue.run(Looking.LOST)
    assert queue.told("withdrawn") == [{"on": "withdrawn", "tags": ["1.1"], "unasked": True}]
    assert queue.ends()["0.1"]["reason"] == "host-lost"


def test_what_slurm_forgets_to_have_started_it_starts_again_in_vain(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed(queue, "0.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    assert not queue.slurm.begin("1", 0, monkeypatch)
    queue.slurm.status = f"{words.AGAIN}:0"
    queue.slurm.end("1", 0, "FAILED")
    queue.run(Looking.LOST / 2)
    assert queue.ends() == {}
    queue.slurm.end("1", 0, "FAILED", reason="exit", exit=0)
    queue.run(Looking.LOST)
    assert queue.ends()["0.1"]["exit"] == 0


@pytest.mark.parametrize("state", ["REQUEUE_HOLD", "PENDING"])
def test_what_an_administrator_takes_back_is_lost_and_not_begun_again(
    queue: Queue, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed(queue, "0.1", "1.1")
    for number in (0, 1):
        assert queue.slurm.begin("1", number, monkeypatch)
    queue.run(2.0)
    queue.slurm.jobs["1", 0][0] = queue.slurm.jobs["1", 1][0] = state
    queue.run(Looking.LOST / 2)
    assert queue.ends() == {}, "a controller that had forgotten that it runs says the same"
    queue.slurm.jobs["1", 1][0] = "RUNNING"
    queue.run(2 * Looking.LOST)
    assert {tag: end["reason"] for tag, end in queue.ends().items()} == {"0.1": "host-lost"}
    assert ["scancel", "--quiet", "1_[0]"] in queue.slurm.asked


def test_what_was_ended_to_be_taken_back_is_lost_at_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.slurm.end("1", 0, "PENDING", reason="signal", signal=15, told=True)
    queue.run(Looking.LOST / 4)
    assert queue.ends()["0.1"]["reason"] == "host-lost"


def test_who_slurm_says_runs_is_not_gone(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not in the queue that was told of, and is there when it is asked about."""
    handed(queue, "0.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.run(2.0)
    monkeypatch.setattr(queue.slurm, "squeue", lambda argv: Result(0, "garbage\n", ""))
    queue.run(2 * Looking.LOST)
    assert queue.ends() == {}


def test_somebody_cancels_it_in_slurm_while_it_waits(queue: Queue) -> None:
    handed(queue, "0.1", "1.1")
    job = queue.slurm.jobs["1", 0]
    queue.slurm.jobs = {("1", words.REST): ["CANCELLED", *job[1:]]}
    queue.run(10.0)
    assert {end["detail"] for end in queue.ends().values()} == {"cancelled in Slurm"}


@pytest.mark.parametrize(
    ("own", "state", "status", "reason"),
    [
        ({"reason": "signal", "signal": 15, "told": True}, "TIMEOUT", "0:0", "timeout"),
        ({"reason": "signal", "signal": 9}, "OUT_OF_MEMORY", "0:125", "oom"),
        ({}, "NODE_FAIL", "0:0", "host-lost"),
        ({}, "FAILED", "0:9", "signal"),
    ],
)
def test_slurms_word_counts_where_ours_is_not_all(
    queue: Queue, own: dict[str, object], state: str, status: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed(queue, "0.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.slurm.status = status
    queue.slurm.end("1", 0, state, **own)
    queue.run(20.0)
    assert queue.ends()["0.1"]["reason"] == reason


def test_a_node_that_sees_no_folder_of_ours(queue: Queue) -> None:
    handed(queue, "0.1")
    (chunk,) = queue.hands._files.found()
    Path(chunk.output).write_text("/usr/bin/python3: can't open file\n")
    queue.slurm.status = "2:0"
    queue.slurm.end("1", 0, "FAILED")
    queue.run(20.0)
    assert queue.ends()["0.1"]["reason"] == "spawn-error"
    assert "can't open file" in queue.ends()["0.1"]["detail"]


def test_slurm_is_asked_seldom_while_nothing_happens_and_never_without_jobs(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed(queue, "0.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.run(60.0)
    before = queue.slurm.count("squeue")
    queue.run(3_600.0)
    assert queue.slurm.count("squeue") - before <= 61
    queue.hands.attend(True)
    before = queue.slurm.count("squeue")
    queue.run(600.0)
    assert queue.slurm.count("squeue") - before <= 65
    queue.slurm.end("1", 0, reason="exit", exit=0)
    queue.run(60.0)
    queue.hands.forget(["0.1"])
    asked = len(queue.slurm.asked)
    queue.run(3_600.0)
    assert (len(queue.slurm.asked), queue.hands.next_time(), queue.hands.live()) == (asked, None, 0)
    assert queue.hands._files.found() == []


def test_who_may_not_suspend_hears_that_it_did_not(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    handed(queue, "0.1", "1.1")
    assert queue.slurm.begin("1", 0, monkeypatch)
    queue.run(3.0)
    queue.slurm.may_suspend = False
    queue.hands.pause(["0.1", "1.1"])
    queue.run(1.0)
    assert ["scontrol", "suspend", "1_[0]"] in queue.slurm.asked
    assert queue.told("not paused") == [{"on": "not paused", "tags": ["0.1"], "still": True}]
    queue.slurm.may_suspend = True
    queue.hands.resume(["0.1"])
    queue.run(1.0)
    assert ["scontrol", "resume", "1_[0]"] in queue.slurm.asked
    assert len(queue.told("not paused")) == 1
