"""The standard library's own tests of executors, on ours.

They come with Debian's libpython3.11-testsuite, which `scripts/test` unpacks; where they are not, or of another version
than this Python, nothing is tried. Most of them wait for sleeping jobs, so they are tried side by side.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sjs
from sjs.api.calls import RemoteTraceback
from tests.live.machine import Machine, running

ROOT = Path(__file__).resolve().parents[2]
FILE = "usr/lib/python{}.{}/test/test_concurrent_futures.py".format(*sys.version_info)
PLACES = [ROOT / ".venv-test/testsuite" / FILE, Path("/") / FILE]

SLOW = {
    *("test_timeout", "test_map_timeout", "test_first_exception", "test_hang_issue12364"),
    *("test_first_completed", "test_first_exception_some_already_complete"),
}
"""They sleep for long, have fifty jobs, or count on a call to be faster than others sleep: tried with
SJS_STDLIB_LONG=1."""

CLASSES = {
    "ExecutorTest": {
        "test_max_workers_negative": "there are no workers to count: the machines have slots",
    },
    "ProcessPoolExecutorTest": {
        "test_max_workers_too_large": "Windows only",
        "test_max_workers_negative": "as above",
        "test_killed_child": "looks for the pool's processes; a killed job is one call's end, not the pool's",
        "test_ressources_gced_in_workers": "asks a manager of multiprocessing, which jobs elsewhere do not reach",
        "test_saturation": "a semaphore of multiprocessing is inherited by forks alone",
        "test_idle_process_reuse_one": "a job is a process of its own",
        "test_idle_process_reuse_multiple": "a job is a process of its own",
        "test_max_tasks_per_child": "a job is a process of its own",
        "test_max_tasks_per_child_defaults_to_spawn_context": "a job is a process of its own",
        "test_max_tasks_early_shutdown": "a job is a process of its own",
    },
    "ExecutorShutdownTest": {
        "test_interpreter_shutdown": "builds its executor from its name; test_executor.py has ours",
        "test_submit_after_interpreter_shutdown": "builds its executor from its name",
        "test_cancel_futures": "takes it that one starts before the last is submitted; test_executor.py has ours",
        "test_hang_gh83386": "builds its executor from its name; test_executor.py has ours",
    },
    "WaitTests": {},
    "AsCompletedTests": {},
    "ExecutorDeadlockTest": {
        "test_shutdown_deadlock_pickle": "looks at the pool's manager thread",
    },
}
"""What is tried, and of that what does not apply, and why. Left out as a whole: tests of threads and processes as
workers, of initializers (a job begins anew each time) and of `Future` itself, which ours is."""


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    path = next((path for path in PLACES if path.exists()), None)
    if path is None:
        pytest.skip(f"no {FILE}")
    spec = importlib.util.spec_from_file_location("stdlib_futures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def executor_type(home: Path, theirs: ModuleType) -> Iterator[Callable[..., sjs.Executor]]:
    """Makes executors on a queue with many slots; what their tests define travels by value."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(theirs)
    with running(home / "wide", slots=16) as machine, _fleet(machine) as fleet:
        yield lambda max_workers=0, mp_context=None: sjs.Executor(fleet["wide"], python=sys.executable)
    cloudpickle.unregister_pickle_by_value(theirs)


def _fleet(machine: Machine) -> sjs.Fleet:
    return sjs.connect({"managers": {"wide": {"transport": "local", "root": str(machine.root)}}})


def _plain(theirs: ModuleType) -> Callable[..., None]:
    """A function of theirs without its class, which would bring all of `unittest` along."""
    found: Callable[..., None] = vars(theirs.ProcessPoolExecutorTest)["_test_traceback"].__func__
    return found


def cases(theirs: ModuleType, executor_type: Callable[..., Any]) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    is_long = bool(os.environ.get("SJS_STDLIB_LONG"))
    for name, left_out in CLASSES.items():
        tests = getattr(theirs, name)
        assert set(left_out) <= set(dir(tests)), "left out, and not there"

        def setup(self: Any) -> None:
            self.executor = executor_type()

        def teardown(self: Any) -> None:
            self.executor.shutdown()

        more = {
            "setUp": setup,
            "tearDown": teardown,
            "executor_type": staticmethod(executor_type),
            "worker_count": 5,
            "get_context": lambda self: None,
            "_test_traceback": staticmethod(partial(_plain(theirs), None)),
        }
        case = type(name, (tests, unittest.TestCase), more)
        wanted = {one for one in dir(tests) if one.startswith("test_")} - set(left_out)
        if name == "ProcessPoolExecutorTest":
            wanted -= set(dir(theirs.ExecutorTest))
        found += [case(one) for one in sorted(wanted) if is_long or one not in SLOW]
    return found


def test_they_succeed(theirs: ModuleType, executor_type: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # What is a broken pool there is one call without an answer here.
    monkeypatch.setattr(theirs, "BrokenProcessPool", sjs.CallFailed)
    monkeypatch.setattr(futures.process, "_RemoteTraceback", RemoteTraceback)
    tried = cases(theirs, executor_type)
    assert len(tried) >= 32
    outcomes: list[unittest.TestResult] = []
    began = time.monotonic()
    with futures.ThreadPoolExecutor(8) as threads:
        outcomes += threads.map(lambda case: case.run(), tried)
    print(f"{len(tried)} of their tests in {time.monotonic() - began:.0f} s")
    wrong = [text for outcome in outcomes for _, text in (*outcome.failures, *outcome.errors)]
    assert not wrong, "\n".join(wrong)
