"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import hanging, pythons

# A shared machine may pause for longer than an example, or ten of them, may take; the run has its limit in setup.cfg.
settings.register_profile("sjs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sjs")

# Each test's commands are its own, unless it is about the process that would carry them out (tests/link).
os.environ.setdefault("SJS_NO_LINK", "1")

# A shell has what it runs in the background ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def interrupts_are_for_the_next_one_too() -> Iterator[None]:
    """A command that leaves at Ctrl-C hears no second one: run in this process, nor would all that come after."""
    before = signal.getsignal(signal.SIGINT)
    yield
    if signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)


STEP = 500
"""After so many tests it is said how many there were."""


def pytest_report_header() -> str:
    return pythons.report()


class Messenger:
    """Tells of each failure when it comes: a run of many minutes that is cut off has said by then what was wrong."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line("")
            self._terminal.write_sep("-", f"{report.when} of {report.nodeid}")
            self._terminal.write_line(report.longreprtext)


class Tally:
    """Where nobody looks on: what went well is a number now and then, and no lines of dots that hide the rest."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._done = 0

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        is_well = report.when == "call" and report.passed and not hasattr(report, "wasxfail")
        return ("passed", "", "PASSED") if is_well else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._done += 1
            if self._done % STEP == 0:
                self._terminal.write_line(f"{self._done} tests are done")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(hanging.of(config))
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:  # only who runs the tests for a person has one to tell it on
        config.pluginmanager.register(Messenger(terminal))
        if not terminal.isatty:
            config.pluginmanager.register(Tally(terminal))


HERE = Path(__file__).parent

LONGEST_FIRST = ("torture", "rig", "live", "slurm", "scripts", "docs", "api", "gateway", "kube", "terminal", "worker")
"""Folders whose files take longest: begun last, one of them would keep a whole run waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(HERE).parts[0]
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=turn)
