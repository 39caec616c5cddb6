"""Python functions as jobs of real queues."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import sjs
from sjs.api import calls, watching
from sjs.api.calls import RemoteTraceback
from sjs.extras import how_to_get
from sjs.targets import daemon_client
from sjs.targets.session import Session
from tests import pythons
from tests.live.machine import DEADLINE, ENVIRONMENT, Machine, until

HERE = sys.modules[__name__]


@pytest.fixture(autouse=True)
def by_value() -> Iterator[None]:
    """What is defined here travels as what somebody types in a program of his own."""
    cloudpickle.register_pickle_by_value(HERE)
    yield
    cloudpickle.unregister_pickle_by_value(HERE)


@pytest.fixture
def executor(fleet: sjs.Fleet) -> Iterator[sjs.Executor]:
    with sjs.Executor(fleet, python=sys.executable) as executor:
        yield executor


def shout(word: str, times: int = 1) -> str:
    print(word)
    return word.upper() * times


def stumble() -> None:
    raise LookupError("nothing there")


class Stubborn(Exception):
    def __init__(self, one: int, two: int) -> None:  # which pickle cannot make anew
        super().__init__("stubborn")


def refuse() -> None:
    raise Stubborn(1, 2)


def write_down(path: str, number: int) -> int:
    """So that a test knows how often it ran."""
    with open(path, "a") as log:
        log.write(f"{number}\n")
    return number


def wait_at(gate: str) -> str:
    return Path(gate).read_text()


def test_values_and_exceptions_come_back(executor: sjs.Executor) -> None:
    call = executor.submit(shout, "ho", times=2)
    other = executor.submit(stumble)
    assert call.result(DEADLINE) == "HOHO"
    error = other.exception(DEADLINE)
    assert isinstance(error, LookupError) and error.args == ("nothing there",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in stumble" in str(error.__cause__)
    assert call.job is not None and other.job is not None
    assert (call.job.state, call.job.stdout(), call.job.record.spec.name) == ("succeeded", "ho\n", "shout")
    assert other.job.state == "failed"
    assert "LookupError: nothing there" in other.job.stderr()


def test_what_cannot_travel_is_said(executor: sjs.Executor) -> None:
    for given, what in (
        (executor.submit(shout, threading.Lock()), TypeError),  # type: ignore[arg-type]
        (executor.submit(threading.Lock), TypeError),
    ):
        assert isinstance(given.exception(DEADLINE), what)
    error = executor.submit(refuse).exception(DEADLINE)
    assert isinstance(error, sjs.CallFailed)
    assert "Stubborn, which cannot be sent as it is" in error.message


def test_a_job_that_ends_without_an_answer_says_how(executor: sjs.Executor) -> None:
    for function, said in (
        (partial(os._exit, 7), "exit status 7"),
        (partial(os.kill, 0, 9), "signal 9"),
    ):
        error = executor.submit(function).exception(DEADLINE)
        assert isinstance(error, sjs.CallFailed)
        assert said in error.message and "logs" in error.hint and error.job is not None
    endless = executor.submit(wait_at, "/dev/fd/0/no")
    assert isinstance(endless.exception(DEADLINE), NotADirectoryError | FileNotFoundError)


def test_options_are_those_of_jobs(fleet: sjs.Fleet, home: Path) -> None:
    def second_time() -> str:
        if os.environ["SJS_ATTEMPT"] == "1":
            raise OSError("not yet")
        return os.environ["GREETING"] + os.getcwd()

    with sjs.Executor(
        fleet["b"], python=sys.executable, retries=1, env={"GREETING": "hi "}, name="again", tags={"k": "v"}
    ) as executor:
        call = executor.submit(second_time)
        assert call.result(DEADLINE) == f"hi {home}/b"
    assert call.job is not None
    assert (call.job.target, call.job.record.attempt, call.job.record.spec.name) == ("b", 2, "again")
    with sjs.Executor(fleet["a"], python=[sys.executable, "-X", "dev"], timeout=0.5, grace=0) as executor:
        error = executor.submit(wait_at, _fifo(home / "never")).exception(DEADLINE)
    assert "timeout" in str(error)
    with sjs.Executor(fleet["a"], python="no-such-python") as executor:
        error = executor.submit(abs, 1).exception(DEADLINE)
    assert "no-such-python" in str(error)
    with pytest.raises(sjs.UsageError, match="key"):
        sjs.Executor(fleet, key="x")
    with pytest.raises(sjs.UsageError, match="not one target"):
        sjs.Executor(fleet.all)


def test_what_is_large_travels_as_a_file_and_the_folder_is_the_same(
    fleet: sjs.Fleet, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "helper.py").write_text("FOUND = 'brought along'\n")

    def look(data: bytes) -> tuple[int, str, bytes]:
        return len(data), os.getcwd(), data[:300_000]

    def use(data: bytes) -> tuple[int, str]:
        import helper  # type: ignore[import-not-found]

        return len(data), helper.FOUND

    data = os.urandom(1 << 20)
    with sjs.Executor(fleet["a"], python=sys.executable) as executor:
        small, large = executor.submit(look, b"x"), executor.submit(look, data)
        assert small.result(DEADLINE) == (1, f"{home}/a", b"x")
        assert large.result(DEADLINE) == (1 << 20, f"{home}/a", data[:300_000])
        missing = executor.submit(use, b"x").exception(DEADLINE)
    assert isinstance(missing, ModuleNotFoundError)
    with sjs.Executor(fleet["a"], python=sys.executable, snapshot=tmp_path) as executor:
        assert executor.submit(use, b"x").result(DEADLINE) == (1, "brought along")
        assert executor.submit(use, data).result(DEADLINE) == (1 << 20, "brought along")


def test_a_module_that_is_not_there_is_told_with_what_helps(executor: sjs.Executor, tmp_path: Path) -> None:
    (tmp_path / "only_here.py").write_text("def f():\n    return 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import only_here  # type: ignore[import-not-found]

        error = executor.submit(only_here.f).exception(DEADLINE)
    finally:
        sys.path.remove(str(tmp_path))
    assert isinstance(error, sjs.CallFailed)
    assert "only_here" in error.message and "snapshot=True" in error.message


@contextlib.contextmanager
def no_waiting(executor: sjs.Executor) -> Iterator[None]:
    """A test that fails must not wait for calls that wait for it."""
    try:
        yield
    except BaseException:
        executor._cancel(list(executor._calls), running=True)
        raise


def test_queued_calls_can_be_cancelled_and_running_ones_only_if_asked(fleet: sjs.Fleet, home: Path) -> None:
    gates = [_fifo(home / f"gate-{number}") for number in range(2)]
    log = home / "cancelled-ran"
    with sjs.Executor(fleet["a"], python=sys.executable) as executor, no_waiting(executor):
        holding = [executor.submit(wait_at, gate) for gate in gates]
        until(lambda: all(call.running() for call in holding), "both slots are taken")
        queued = [executor.submit(write_down, str(log), number) for number in range(5)]
        assert not holding[0].cancel()
        assert queued[1].cancel() and queued[1].cancelled()
        assert holding[1].cancel(running=True) and holding[1].cancelled()
        with pytest.raises(futures.CancelledError):
            queued[1].result()
        assert not futures.wait([queued[1]], DEADLINE).not_done and not futures.wait([holding[1]], DEADLINE).not_done
        Path(gates[0]).write_text("open")
        assert holding[0].result(DEADLINE) == "open"
        assert sorted(call.result(DEADLINE) for call in queued if not call.cancelled()) == [0, 2, 3, 4]
        held = executor.submit(wait_at, gates[1])
        until(lambda: held.job is not None, "it is handed in")
        assert held.job is not None and held.job.cancel(grace=0)  # as anybody could
        with pytest.raises(futures.CancelledError):
            held.result(DEADLINE)
        assert not queued[0].cancel() and not queued[0].running()
    assert sorted(log.read_text().split()) == ["0", "2", "3", "4"]


def test_shutdown_cancels_what_has_not_started(fleet: sjs.Fleet, home: Path) -> None:
    gate = _fifo(home / "last")
    executor = sjs.Executor(fleet["b"], python=sys.executable, slots=2)
    first = executor.submit(wait_at, gate)
    until(first.running, "the first runs")
    rest = [executor.submit(abs, number) for number in range(20)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(call.cancelled() for call in rest)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    Path(gate).write_text("done")
    executor.shutdown()
    assert first.result(0) == "done"


def test_many_small_calls_take_few_round_trips(fleet: sjs.Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    count = int(os.environ.get("SJS_CALLS", "0"))
    # In the short form their Python is none, and they have no answer: its start is what takes long.
    python, calls_made = ([sys.executable, "-I", "-S"], count) if count else (["true"], 300)
    asked: Counter[str] = Counter()
    post = Session.post

    def counting(session: Session, op: str, *rest: Any, **fields: Any) -> int:
        asked[op] += 1
        return post(session, op, *rest, **fields)

    monkeypatch.setattr(Session, "post", counting)
    with sjs.Executor(fleet["a"], python=python) as executor:
        begun = [executor.submit(abs, -number) for number in range(calls_made)]
        assert len(list(futures.as_completed(begun, DEADLINE + count))) == calls_made
    print(f"{calls_made} calls: {sum(asked.values())} requests, {dict(asked)}")
    if count:
        assert [call.result() for call in begun] == list(range(count))
    assert all(call.job is not None and call.job.record.end is not None for call in begun)
    assert sum(asked.values()) < calls_made
    assert asked["submit"] < calls_made / 4


def test_map_keeps_the_order_and_makes_of_many_calls_one_job(fleet: sjs.Fleet) -> None:
    before = len(fleet.all.list())
    with sjs.Executor(fleet, python=sys.executable) as executor:
        assert list(executor.map(math.gcd, range(20), range(100, 120), chunksize=7)) == [
            math.gcd(number, number + 100) for number in range(20)
        ]
    assert len(fleet.all.list()) == before + 3


def test_a_task_awaits_calls(executor: sjs.Executor) -> None:
    async def both() -> list[str]:
        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(executor, shout, "a")
        return [await first, await asyncio.wrap_future(executor.submit(shout, "b"))]

    assert asyncio.run(asyncio.wait_for(both(), DEADLINE)) == ["A", "B"]


def test_what_was_submitted_is_handed_in_though_the_program_ends(
    fleet: sjs.Fleet, config: dict[str, Any], home: Path
) -> None:
    script = (
        f"import sjs; fleet = sjs.connect({config!r}); executor = sjs.Executor(fleet['a'], name='left', hold=True)\n"
        "for number in range(30): executor.submit(print, number)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (0, "")
    left = fleet["a"].list("held", name="left")
    assert len(left) == 30
    fleet.cancel(left)


def test_a_manager_that_is_killed_runs_no_call_twice(
    fleet: sjs.Fleet, machines: dict[str, Machine], home: Path
) -> None:
    log = str(home / "killed")
    with sjs.Executor(fleet, python=sys.executable) as executor:
        begun = [executor.submit(write_down, log, number) for number in range(16)]
        assert begun[0].result(DEADLINE) == 0
        for machine in machines.values():
            machine.kill_manager()
        assert [call.result(DEADLINE) for call in begun] == list(range(16))
    assert sorted(map(int, Path(log).read_text().split())) == list(range(16))


def test_who_waits_bears_with_a_machine_that_is_away(
    config: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daemon_client, "PATIENCE", 0.0)
    monkeypatch.setattr(watching, "AGAIN", 0.01)
    gate = _fifo(home / "tunnel")
    with (
        sjs.connect(config) as fleet,
        sjs.Executor(fleet["a"], python=sys.executable) as executor,
        no_waiting(executor),
    ):
        call, other = executor.submit(wait_at, gate), executor.submit(wait_at, "/no/such")
        assert isinstance(other.exception(DEADLINE), FileNotFoundError)  # so it was heard
        assert _cut_links() > 0
        until(lambda: "asked again" in caplog.text, "the thread that waits has noticed")
        Path(gate).write_text("light")
        assert call.result(DEADLINE) == "light"
    with (
        sjs.connect(config, patience=0) as fleet,
        sjs.Executor(fleet["a"], python=sys.executable) as executor,
        no_waiting(executor),
    ):
        gate = _fifo(home / "dark")
        call, other = executor.submit(wait_at, gate), executor.submit(wait_at, "/no/such")
        assert isinstance(other.exception(DEADLINE), FileNotFoundError)
        assert _cut_links() > 0
        assert isinstance(call.exception(DEADLINE), sjs.errors.LinkLost)
        Path(gate).write_text("")


def _cut_links() -> int:
    """Kill the programs at the other ends of our sessions."""
    found = 0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"sjs/daemon" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                found += 1
    return found


def test_another_python_there_is_told_of_where_it_matters(fleet: sjs.Fleet) -> None:
    there = {version[:2]: path for version, path in pythons.found().items()}
    wanted = {version: there[version] for version in {min(there), max(there), sys.version_info[:2]}}
    executors = {version: sjs.Executor(fleet, python=[path, "-I", "-S"]) for version, path in wanted.items()}
    by_name = [executor.submit(math.hypot, 3, 4) for executor in executors.values()]
    by_value = {version: executor.submit(lambda: 1) for version, executor in executors.items()}
    assert {call.result(DEADLINE) for call in by_name} == {5}
    for version, call in by_value.items():
        if version == sys.version_info[:2]:
            assert call.result(DEADLINE) == 1  # without any package there
        else:
            assert "is of Python" in str(call.exception(DEADLINE))


def test_who_has_no_cloudpickle_is_told_what_to_install(fleet: sjs.Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls._cloudpickle.cache_clear()
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    try:
        with pytest.raises(sjs.UsageError, match="cloudpickle, which is not here") as caught:
            sjs.Executor(fleet)
        assert caught.value.hint == how_to_get("functions")
    finally:
        calls._cloudpickle.cache_clear()


def _fifo(path: Path) -> str:
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path)
    return str(path)
