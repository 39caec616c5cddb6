"""Jobs handed in, asked about and waited for by Python code, on real queues."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import sjs
from sjs.targets import reading
from sjs.targets.daemon_client import DaemonTarget
from tests.live.machine import DEADLINE, ENVIRONMENT, SUBMIT, Machine, sessions, until


def test_a_job_from_its_handing_in_to_its_end(fleet: sjs.Fleet, home: Path) -> None:
    job = fleet.any.submit("echo out; echo err >&2; exit 3", name="three", tags={"kind": "test"})
    assert job.target in ("a", "b")
    assert job.wait(DEADLINE) == "failed"
    assert (job.state, job.exit_code, job.done()) == ("failed", 3, True)
    assert (job.stdout(), job.stderr(), job.output("err")) == ("out\n", "err\n", b"err\n")
    assert (job.record.spec.name, job.record.spec.tags, job.record.via) == ("three", (("kind", "test"),), "any")
    assert job.details().job == job.record
    assert job.why()
    assert not os.listdir(home / ".local/state/sjs/outbox")


def test_words_meet_no_shell_and_end_by_signals_are_told(fleet: sjs.Fleet) -> None:
    job = fleet["a"].submit(["printf", "%s", "$HOME 'x'"])
    other = fleet["a"].submit("kill -9 $$")
    assert (job.wait(DEADLINE), job.stdout()) == ("succeeded", "$HOME 'x'")
    assert (other.wait(DEADLINE), other.exit_code) == ("failed", 137)


def test_many_jobs_are_in_their_order_wherever_they_are(fleet: sjs.Fleet) -> None:
    for view in (fleet.any, fleet["any:@both"], fleet["b"]):
        jobs = view.map_commands(f"echo {number}" for number in range(20))
        ended = concurrent.futures.wait([job.future() for job in jobs], DEADLINE)
        assert not ended.not_done
        assert [job.stdout() for job in jobs] == [f"{number}\n" for number in range(20)]
    assert {job.target for job in fleet.all.list(newest=40)} == {"a", "b"}


def test_each_of_several_gets_a_job_and_tells_how_it_is(fleet: sjs.Fleet) -> None:
    jobs = fleet.all.each("pwd")
    assert [(job.target, job.wait(DEADLINE)) for job in jobs] == [("a", "succeeded"), ("b", "succeeded")]
    status = fleet["@both"].status()
    assert [answer.get().report.max_running for answer in status.values()] == [2, 2]
    with pytest.raises(sjs.UsageError, match="each"):
        fleet.all.submit("true")


def test_what_waits_can_be_held_released_cancelled_and_run_again(fleet: sjs.Fleet) -> None:
    job = fleet["a"].submit("true", hold=True)
    assert (job.state, job.done(), job.exit_code) == ("held", False, None)
    with pytest.raises(TimeoutError, match="0.01 seconds"):
        job.wait(0.01)
    later = fleet["any"].submit("true", after=job)  # goes where the other is
    assert later.target == "a"
    assert job.release()
    assert later.wait(DEADLINE) == "succeeded"
    assert not job.hold()
    assert job.retry()
    assert job.wait(DEADLINE) == "succeeded"
    endless = fleet["a"].map_commands(["sleep 1000"] * 3, grace=1)
    until(lambda: endless[0].state == "running", "the job runs")
    assert endless[0].pause()
    assert endless[0].resume()
    assert endless[0].signal(15)
    assert endless[0].wait(DEADLINE) == "failed"
    assert fleet.cancel([*endless, job]) == endless[1:]
    assert {one.wait(DEADLINE) for one in endless[1:]} == {"cancelled"}
    assert not job.cancel()


def test_what_a_job_prints_comes_line_by_line_until_it_ends(fleet: sjs.Fleet, home: Path) -> None:
    os.mkfifo(home / "go")
    job = fleet["a"].submit(f"echo one; cat {home}/go; printf last")
    lines = job.logs(follow=True)
    assert next(lines) == "one\n"
    (home / "go").write_text("two\n")
    assert list(lines) == ["two\n", "last"]
    assert list(job.logs()) == ["one\n", "two\n", "last"]


def test_a_task_awaits_jobs_while_others_go_on(fleet: sjs.Fleet, home: Path) -> None:
    os.mkfifo(home / "gate")

    async def together() -> list[str]:
        first = await asyncio.to_thread(fleet["a"].submit, f"cat {home}/gate")
        waiting = asyncio.ensure_future(first.wait_async())
        other = await asyncio.to_thread(fleet["b"].submit, "exit 1")
        found = [await other]
        assert not waiting.done()
        (home / "gate").write_text("")
        return [*found, await waiting, await first]

    assert asyncio.run(asyncio.wait_for(together(), DEADLINE)) == ["failed", "succeeded", "succeeded"]


def test_a_job_that_moves_is_waited_for_where_it_is(fleet: sjs.Fleet, config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    (tmp_path / "config.yaml").chmod(0o600)
    blocks = fleet["a"].map_commands(["sleep 1000"] * 2)
    fleet["b"].drain()
    job = fleet.any.submit("echo moved")
    waiting, place = job.future(), (job.target, job.id)
    fleet["b"].drain(False)
    fleet["a"].drain()
    moved = subprocess.run([*SUBMIT, "all", "rebalance"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert moved.returncode == 0, moved.stderr
    assert waiting.result(DEADLINE).state == "succeeded"
    assert (place[0], job.target, job.stdout()) == ("a", "b", "moved\n")
    assert fleet["a"].job(place[1]).record.id == job.id  # who comes later finds it, too
    fleet["a"].drain(False)
    fleet.cancel(blocks, grace=0)


def test_what_came_out_of_a_sweep_is_one_table(fleet: sjs.Fleet, machines: dict[str, Machine]) -> None:
    for number, (machine, loss) in enumerate(zip(machines.values(), ("0.5", "0.25"), strict=True), 1):
        with machine.client() as client:
            task = {"sweep": "losses", "number": number, "values": {"lr": f"0.{number}"}}
            client.ask("submit", key=None, jobs=[{"command": f"echo loss={loss}", "task": task}])
    for job in fleet.all.list(sweep="losses"):
        assert job.wait(DEADLINE) == "succeeded"
    rows = fleet.all.results("losses", best="min:loss")
    assert [(row.target, row.values, row.metrics) for row in rows] == [
        ("b", {"lr": "0.2"}, {"loss": 0.25}),
        ("a", {"lr": "0.1"}, {"loss": 0.5}),
    ]


def test_how_a_target_is_set_can_be_changed(fleet: sjs.Fleet) -> None:
    answer = fleet["a"].configure(3, low_water="1M", hook_timeout="5m")["a"].get()
    assert (answer.old, answer.new, answer.settings["hook_timeout"]) == (2, 3, 300)
    fleet["a"].configure(2, low_water=0)
    with pytest.raises(TypeError, match="no such setting: color"):
        fleet["a"].configure(color=1)  # type: ignore[call-arg]
    with sjs.connect({"managers": {"gone": {"transport": "local", "root": "/no/such"}}}) as other:
        (gone,) = other.all.status().values()
        assert isinstance(gone.error, sjs.Unreachable)
        with pytest.raises(sjs.Unreachable):
            other.all.list()
        with pytest.raises(sjs.SjsError):
            other.any.submit("true")


def test_many_threads_share_a_fleet_and_few_sessions(fleet: sjs.Fleet, machines: dict[str, Machine]) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        jobs = list(threads.map(lambda number: fleet.any.submit(f"echo {number}"), range(32)))
        assert {*threads.map(lambda job: job.wait(DEADLINE), jobs)} == {"succeeded"}
        assert [*threads.map(lambda job: job.stdout(), jobs)] == [f"{number}\n" for number in range(32)]
    for machine in machines.values():
        pipes = len(sessions(machine.manager_pid))
        assert 1 <= pipes / 2 <= 4  # one that hands in, one that asks, one that waits, and one that may start managers


def test_who_waits_is_told_when_the_fleet_is_closed(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """And the thread that has waited for him ends, though nothing happens at the manager."""
    asks, changes, before = threading.Semaphore(0), DaemonTarget.changes, threading.enumerate()

    def told(client: DaemonTarget, *args: Any) -> str:
        asks.release()
        return changes(client, *args)

    monkeypatch.setattr(DaemonTarget, "changes", told)
    monkeypatch.setattr(reading, "SLICE", 10 * DEADLINE)
    with sjs.connect(config) as fleet:
        job = fleet["a"].submit("sleep 1000")
        until(lambda: job.state == "running", "that it runs")
        future = job.future()
        for _ in ("how it is", "what is otherwise"):
            assert asks.acquire(timeout=DEADLINE)
        (waits,) = [one for one in threading.enumerate() if one.name == "sjs a" and one not in before]
    waits.join(DEADLINE)
    assert not waits.is_alive()
    with pytest.raises(sjs.SjsError, match="closed"):
        future.result(DEADLINE)
    with pytest.raises(sjs.UsageError, match="closed"):
        _ = job.state
    with sjs.connect(config) as fleet:
        assert fleet["a"].job(job.id).cancel(0)


def test_a_job_that_ended_before_it_was_waited_for_is_told_at_once(fleet: sjs.Fleet) -> None:
    endless = fleet["a"].submit("sleep 1000")
    waiting = endless.future()  # so that the thread sleeps at the manager
    done = fleet["a"].submit("true")
    until(lambda: fleet["a"].job(done.id).done(), "its end")
    assert fleet["a"].job(done.id).wait(DEADLINE) == "succeeded"
    assert endless.cancel(0)
    assert waiting.result(DEADLINE).state == "cancelled"


def test_what_is_wrong_is_said_before_anything_is_sent(fleet: sjs.Fleet) -> None:
    for options, message in (
        ({"mem": "much"}, "no size"),
        ({"backoff": 3}, "for retries"),
        ({"at": 5.0, "delay": 5}, "one of them"),
        ({"nice": 77}, "from 0 to 19"),
        ({"env": {"SJS_JOB_ID": "1"}}, "can not be set"),
    ):
        with pytest.raises(sjs.UsageError, match=message):
            fleet.any.submit("true", **options)
    with pytest.raises(TypeError, match="memory"):
        fleet.any.submit("true", memory=3)  # type: ignore[call-arg]
    with pytest.raises(sjs.UsageError, match="no command"):
        fleet.any.submit(" ")
    with pytest.raises(sjs.UsageError, match="nowhere"):
        fleet["nowhere"]


def test_a_key_names_a_handing_in(fleet: sjs.Fleet) -> None:
    for view in (fleet.any, fleet["b"]):
        word = f"key-{view.names}"
        first = view.submit("true", key=word)
        again = view.submit("true", key=word)
        assert (first.target, first.id) == (again.target, again.id)
        with pytest.raises(sjs.errors.Conflict):
            view.submit("false", key=word)


def test_a_job_runs_in_a_copy_of_a_folder(fleet: sjs.Fleet, tmp_path: Path) -> None:
    (tmp_path / "said").write_text("then")
    job = fleet["a"].submit("cat said", snapshot=tmp_path)
    (tmp_path / "said").write_text("now")
    assert (job.wait(DEADLINE), job.stdout()) == ("succeeded", "then")


def test_a_program_ends_though_a_fleet_is_open_and_a_job_awaited(config: dict[str, Any]) -> None:
    script = (
        f"import sjs; fleet = sjs.connect({config!r}); job = fleet['a'].submit('sleep 1000');"
        "job.future(); print(job.id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (0, "")
    with sjs.connect(config) as fleet:
        assert fleet["a"].job(int(done.stdout)).cancel(0)


def test_all_that_the_package_names_is_there() -> None:
    assert all(getattr(sjs, name) is not None for name in sjs.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        sjs.nonsense  # type: ignore[attr-defined]  # noqa: B018
