"""Each verb of a queue, of one whose jobs Slurm runs: over ssh, with nodes that are not the login node."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.live.machine import until
from tests.rig.lab import USER
from tests.slurm.person import Person, folder, person


@pytest.fixture(scope="module")
def anna() -> Iterator[Person]:
    with person(nodes=2, default_max_jobs=50) as found:
        yield found


@pytest.fixture(autouse=True)
def afterwards(anna: Person) -> Iterator[None]:
    """Nothing of a test is in the next one's way."""
    yield
    anna.slurm.set("PartitionName=main", "State=UP")
    anna.types("cancel all")
    anna.until_in_slurm(0)


def test_a_job_runs_on_a_node_as_it_was_told_to(anna: Person) -> None:
    told = "-n lr/1 --tag k=v --env A='a b' --cwd sub -c 2 --mem 100M -t 5m --priority -3 --partition main"
    (anna.root / "sub").mkdir()
    os.chown(anna.root / "sub", 2001, 2001)
    script = "echo $A; pwd; hostname; env | sort; scontrol show job $SLURM_JOB_ID; echo bad >&2; exit 3"
    (job,) = anna.ids(f"{told} --slurm=--exclusive --command '{script}'")
    assert anna.types(f"wait {job}").status == 3
    assert anna.state(job) == ("failed", "exit")
    out = anna.well(f"logs {job}")
    assert out.splitlines()[:3] == ["a b", "/home/worker/project/sub", "h2"]
    for said in (f"SJS_JOB_ID={job}", "SJS_ATTEMPT=1", "JobName=lr/1", "CPUs/Task=2", "MinMemoryNode=100M", "Nice=3"):
        assert re.search(rf"\b{re.escape(said)}\b", out), (said, out)
    assert "Partition=main" in out and "OverSubscribe=NO" in out and "Requeue=0" in out
    assert anna.well(f"logs {job} --stderr") == "bad\n"
    found = anna.job(job)
    assert (found["name"], found["tags"], found["exit"]) == ("lr/1", {"k": "v"}, 3)
    assert [one["id"] for one in anna.table("list --all --tag k=v")] == [job]
    detail = anna.well(f"details {job}")
    assert "exit status 3" in detail


def test_what_waits_there_is_said_with_slurms_reason(anna: Person) -> None:
    anna.slurm.set("PartitionName=main", "State=DOWN")
    first, second = anna.ids("--command 'sleep 600' --command 'sleep 601'")
    anna.until_in_slurm(2, "PENDING")
    assert anna.states([first, second]) == ["queued", "queued"]
    status = json.loads(anna.well("status"))
    assert status["jobs_running"] == 0
    assert [one["job"] for one in json.loads(status["jobs_queued"])] == ["sleep 600", "sleep 601"]
    until(lambda: "PartitionDown" in anna.well(f"why {first}"), "the reason")
    assert anna.well(f"pause {first}") == "no job to pause\n"
    anna.slurm.set("PartitionName=main", "State=UP")
    anna.until_runs(first)
    anna.until_runs(second)
    assert json.loads(anna.well("status"))["jobs_running"] == 2
    anna.well(f"cancel {first} {second}")
    assert [anna.end(job) for job in (first, second)] == [("cancelled", "cancelled")] * 2
    anna.until_in_slurm(0)


def test_what_all_users_have_in_slurm_is_counted_by_what_they_ask_for(anna: Person) -> None:
    anna.slurm.set("PartitionName=main", "State=DOWN")
    anna.ids("-c 2 --mem 100M --partition main --command-file " + str(anna.file(*["true"] * 30)))
    anna.slurm.ask(
        "sbatch", "--cpus-per-task=2", "--mem=100M", "--array=1-3", "--chdir=/", "--output=/dev/null", "--wrap=:"
    )
    anna.slurm.ask("sbatch", "--partition=short", "--chdir=/", "--output=/dev/null", "--wrap=sleep 600")
    anna.until_in_slurm(33, "PENDING")
    anna.until_in_slurm(1, "RUNNING")
    assert [line.split() for line in anna.well("queue").splitlines()] == [
        ["PARTITION", "JOBS", "MINE", "RUNNING", "CPU", "MEMORY"],
        ["main", "33", "30", "0", "2", "100M"],
        ["short", "1", "0", "1", "1", "-"],
    ]
    assert [row["partition"] for row in anna.table("queue")] == ["main", "short"]
    anna.slurm.ask("scancel", "--user=root")


def test_hold_takes_back_what_waits_there_and_release_hands_it_in_again(anna: Person) -> None:
    left = folder(anna.slurm.login, "held")
    anna.slurm.set("PartitionName=main", "State=DOWN")
    jobs = anna.ids("--command-file " + str(anna.file(*(f"echo x >> {left}/{one}" for one in range(6)))))
    anna.until_in_slurm(6, "PENDING")
    anna.well(f"hold {jobs[1]} {jobs[3]}")
    assert anna.states(jobs) == ["queued", "held", "queued", "held", "queued", "queued"]
    anna.until_in_slurm(4, "PENDING")
    anna.well(f"cancel {jobs[4]}")
    anna.until_in_slurm(3, "PENDING")
    anna.slurm.set("PartitionName=main", "State=UP")
    assert [anna.end(jobs[one]) for one in (0, 2, 5)] == [("succeeded", "exit")] * 3
    assert sorted(anna.outs(left)) == ["0", "2", "5"]
    anna.well("release all")
    assert [anna.end(jobs[one]) for one in (1, 3)] == [("succeeded", "exit")] * 2
    assert anna.outs(left) == dict.fromkeys("01235", "x\n"), "each once, and who was cancelled never"


def test_a_queue_that_is_paused_takes_back_what_waits_there(anna: Person) -> None:
    left = folder(anna.slurm.login, "paused")
    anna.slurm.set("PartitionName=main", "State=DOWN")
    jobs = anna.ids("--command-file " + str(anna.file(*(f"echo x >> {left}/{one}" for one in range(3)))))
    anna.until_in_slurm(3, "PENDING")
    before = anna.slurm.count()["scancel"]
    anna.well("pause")
    anna.slurm.set("PartitionName=main", "State=UP")
    anna.until_in_slurm(0)
    assert anna.states(jobs) == ["queued"] * 3 and anna.outs(left) == {}
    assert anna.slurm.count()["scancel"] == before + 1, "for all of them"
    anna.well("resume")
    assert anna.types(f"wait {jobs[0]}-{jobs[-1]}").status == 0
    assert anna.outs(left) == dict.fromkeys("012", "x\n")


def test_what_a_job_prints_is_followed_and_its_end_is_that_of_the_command(anna: Person) -> None:
    script = "echo begun; until test -e go; do sleep 0.1; done; echo over; exit 5"
    (job,) = anna.ids(f"--command '{script}'")
    anna.until_runs(job)
    done = anna.types(f"logs {job} -f", leave_after="begun")
    assert (done.out, done.status) == ("begun\n", 130)
    (anna.root / "go").touch()
    done = anna.types("job --follow --command 'echo begun; exit 5'")
    assert (done.out, done.status) == ("begun\n", 5)
    assert anna.end(job) == ("failed", "exit")
    assert anna.well(f"logs {job}") == "begun\nover\n"


def test_what_runs_is_signalled_and_ended_and_tried_again(anna: Person) -> None:
    trap = 'trap "echo told; exit 7" TERM; trap "echo one" USR1; echo ready; while :; do sleep 0.1; done'
    (job,) = anna.ids(f"--command '{trap}'")
    anna.until_runs(job)
    until(lambda: anna.well(f"logs {job}") == "ready\n", "the traps")
    anna.well(f"cancel {job} --signal USR1")
    until(lambda: anna.well(f"logs {job}") == "ready\none\n", "the signal")
    anna.well(f"cancel {job}")
    assert anna.end(job) == ("cancelled", "cancelled")
    assert anna.well(f"logs {job}") == "ready\none\ntold\n"
    (again,) = anna.ids("--retries 2 --command 'echo $SJS_ATTEMPT; test $SJS_ATTEMPT = 3'")
    assert anna.end(again) == ("succeeded", "exit")
    assert anna.job(again)["attempt"] == 3
    anna.well(f"retry {job}")
    anna.until_runs(job)
    anna.well(f"cancel {job} --grace 1")
    assert anna.end(job)[0] == "cancelled"


def test_jobs_wait_for_others_and_for_times_and_end_at_their_limits(anna: Person) -> None:
    (late,) = anna.ids("-t 1 --command 'sleep 600'")
    first, second = anna.ids("--hold --command 'exit 2' --command true")
    (after,) = anna.ids(f"-d afternotok:{first} --command true")
    (never,) = anna.ids(f"-d afterok:{first} --command true")
    (soon,) = anna.ids("--in 2 --command true")
    anna.well(f"release {first} {second}")
    assert anna.end(late) == ("timeout", "timeout")
    assert [anna.end(job) for job in (after, never, soon)] == [
        ("succeeded", "exit"),
        ("cancelled", "dependency"),
        ("succeeded", "exit"),
    ]


def test_a_drained_queue_hands_in_nothing_new(anna: Person) -> None:
    anna.well("drain")
    (job,) = anna.ids("--command true")
    assert "undrain" in anna.well(f"why {job}")
    assert anna.in_slurm("PENDING", "RUNNING") == []
    anna.well("undrain")
    assert anna.end(job) == ("succeeded", "exit")


def test_a_maximum_is_how_many_slurm_gets_at_a_time(anna: Person) -> None:
    anna.slurm.set("PartitionName=main", "State=DOWN")
    anna.well("configure --max-jobs-running 3")
    jobs = anna.ids("--command-file " + str(anna.file(*["true"] * 8)))
    anna.until_in_slurm(3, "PENDING")
    anna.well("configure --max-jobs-running 50")
    anna.until_in_slurm(8, "PENDING")
    anna.slurm.set("PartitionName=main", "State=UP")
    assert anna.types(f"wait {jobs[0]}-{jobs[-1]}").status == 0


def test_a_sweep_is_made_waited_for_and_looked_at(anna: Person) -> None:
    words = "sweep -n lr -p n 1 2 3 4 --wait -- sh -c 'echo loss=0.$1; echo $1 > $SJS_JOB_DIR/kept' sh {n}"
    done = anna.types(words)
    assert done.status == 0, done
    (best, *_) = anna.table("results lr --best min:loss")
    assert best["metrics"] == {"loss": 0.1}, best
    jobs = [one["id"] for one in anna.table("list --all --sweep lr")]
    assert len(jobs) == 4
    anna.well(f"fetch {jobs[0]} --to here")
    assert any(path.read_text() == "loss=0.1\n" for path in (anna.home / "here").rglob("*") if path.is_file())
    rows = anna.table("history --sweep lr")
    assert [one["state"] for one in rows] == ["succeeded"] * 4


def test_what_slurm_refuses_fails_in_one_line(anna: Person) -> None:
    before = anna.slurm.count()["sbatch"], len(anna.table("list --all"))
    for _ in range(2):
        done = anna.types("job --partition nowhere --command true")
        assert (done.status, done.err.count("\n")) == (1, 1), done
        assert "Slurm takes no such job: invalid partition specified: nowhere" in done.err
    assert (anna.slurm.count()["sbatch"], len(anna.table("list --all"))) == (before[0] + 1, before[1])
    done = anna.types("job --slurm=--constraint=big --partition main --command true")
    assert (done.status, "Invalid feature specification" in done.err) == (1, True), done
    done = anna.types("job -G 0.5 --command true")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "Slurm gives whole GPUs" in done.err


def test_a_project_may_lie_where_slurm_would_put_something_in_for_a_name(anna: Person) -> None:
    """`%j` in the name of what a job prints to is the job's number."""
    lab, login = anna.slurm.lab, anna.slurm.login
    login.call("mkdir", f"/home/{USER}/a b%j'$x")
    lab.config([login], type="slurm", project_root=f"/home/{USER}/a b%j'$x")
    assert anna.types("job --wait --command 'pwd > said'").status == 0
    assert (login.home / "a b%j'$x" / "said").read_text() == f"/home/{USER}/a b%j'$x\n"
    anna.well("stop")
    lab.config([login], type="slurm", default_max_jobs=50)


def test_what_runs_runs_on_without_a_manager(anna: Person) -> None:
    (job,) = anna.ids("--command 'until test -e over; do sleep 0.1; done'")
    anna.until_runs(job)
    anna.well("stop --force")
    assert anna.job(job)["state"] == "running", "the records are there without it"
    (anna.root / "over").touch()
    anna.until_in_slurm(0)
    anna.well("start")
    assert anna.end(job) == ("succeeded", "exit")
