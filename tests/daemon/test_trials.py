"""What Slurm would never take is refused when it is handed in, and who hands in does not wait for long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground import kind
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.desk import Ask
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.manager.hooks import Hooks
from sjs.daemon.manager.trials import AGAIN, FRESH, MOST, PATIENCE, Trials
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from tests.daemon.queues import Queue


class Desk:
    """What the loop does with requests that may have to wait: `done` are those that went on, and why not."""

    def __init__(self, folder: Path, of: str = kind.SLURM) -> None:
        self.path = folder / "trial.json"
        self.ordered: list[dict[str, Any]] = []
        store = Store(":memory:")
        store.begin_as(of)
        ledger = Ledger(store)
        ledger.configure(5_000)
        waits = Waits()
        where = Places("/nowhere", "jobs.pipe", "/nowhere/state")
        self.queue = Queue(store, ledger, waits, Handlers(where, ledger, store, waits))
        self.hooks = Hooks("/", str(folder / "log"), "1", self.ordered.append)
        self.trials = Trials(str(self.path), ledger, store, self.hooks)
        self.now = 100.0
        self.done: list[tuple[str, str]] = []

    def submit(self, name: str, *native: dict[str, Any] | None, **more: Any) -> None:
        """Ask for a job for each of these things that are said to Slurm."""
        jobs = [{"command": "true", "name": name, **({"native": {"slurm": one}} if one else {})} for one in native]
        self._handle([Ask(None, {"op": "submit", "jobs": jobs, **more})])

    def _handle(self, asks: list[Ask]) -> None:
        for ask in asks:
            if not self.trials.must_wait(ask, self.now):
                refusal = self.trials.refusal(ask, self.now)
                self.done.append((ask.request["jobs"][0]["name"], "" if refusal is None else refusal.message))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self._handle(self.trials.late(self.now))

    def answers(self, **said: Any) -> None:
        """The process that asks Slurm ends."""
        if said:
            self.path.write_text(json.dumps(said))
        tag = self.ordered[-1]["tag"]
        assert self.hooks.ended(tag) is self.trials
        self._handle(self.trials.has_answered(self.now))

    @property
    def asked(self) -> list[list[str]]:
        """What sbatch was to be told."""
        return [one["argv"][one["argv"].index("trial") + 1 :] for one in self.ordered]


GPU = {"partition": "gpu"}
YES = {"known": True, "refused": ""}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_slurm_is_asked_once_for_all_jobs_that_say_the_same(desk: Desk) -> None:
    desk.submit("a", None, GPU, GPU)
    assert (desk.done, desk.asked) == ([], [["--job-name=sjs", "--partition=gpu"]])
    desk.answers(**YES)
    desk.submit("b", GPU)
    desk.submit("c", None)
    assert desk.done == [("a", ""), ("b", ""), ("c", "")]
    assert len(desk.asked) == 1 and desk.trials.next_time() is None


def test_what_it_would_never_take_is_refused_and_asked_again_later(desk: Desk) -> None:
    desk.submit("a", GPU)
    desk.answers(known=True, refused="invalid partition specified: gpu")
    desk.submit("b", GPU)
    why = "Slurm takes no such job: invalid partition specified: gpu"
    assert desk.done == [("a", why), ("b", why)]
    assert len(desk.asked) == 1
    desk.passes(FRESH)
    desk.submit("c", GPU)
    desk.answers(**YES)
    assert desk.done[2:] == [("c", "")], "somebody has made that partition"


def test_who_comes_later_stays_behind_and_each_thing_is_asked_about(desk: Desk) -> None:
    desk.submit("a", GPU, {"account": "x"})
    desk.submit("b", None)
    desk.answers(**YES)
    desk.submit("c", GPU)
    assert (desk.done, desk.asked[1:]) == ([], [["--job-name=sjs", "--account=x"]])
    desk.answers(known=True, refused="Invalid account")
    assert desk.done == [("a", "Slurm takes no such job: Invalid account"), ("b", ""), ("c", "")]


def test_nobody_waits_for_long_nor_again_while_slurm_is_silent(desk: Desk) -> None:
    desk.submit("a", GPU)
    assert desk.trials.next_time() == desk.now + PATIENCE
    desk.passes(PATIENCE / 2)
    assert desk.done == [] and desk.trials.is_awaited
    desk.passes(PATIENCE / 2)
    desk.submit("b", GPU)
    desk.submit("c", {"qos": "q"})
    assert desk.done == [("a", ""), ("b", ""), ("c", "")], "the process has not ended yet"
    desk.answers(known=False, refused="")
    desk.submit("d", GPU)
    desk.passes(AGAIN)
    desk.submit("e", GPU)
    desk.answers()  # it was killed, and has left nothing
    assert desk.done[3:] == [("d", ""), ("e", "")]
    assert len(desk.asked) == 2


def test_a_late_answer_counts_for_those_who_come_then(desk: Desk) -> None:
    desk.submit("a", GPU)
    desk.passes(PATIENCE)
    desk.answers(**YES)
    desk.submit("b", GPU)
    assert (desk.done, len(desk.asked)) == ([("a", ""), ("b", "")], 1)


def test_what_was_taken_before_is_not_refused(desk: Desk) -> None:
    desk.queue.ask("submit", jobs=[{"command": "true", "native": {"slurm": GPU}}], key="k/0")
    desk.submit("a", GPU)
    desk.answers(known=True, refused="no")
    desk.submit("b", GPU, key="k/0")
    desk.submit("c", GPU, key="k/1")
    assert [name for name, why in desk.done if why] == ["a", "c"]


def test_a_request_can_not_have_slurm_asked_for_ever(desk: Desk) -> None:
    desk.submit("a", *({"partition": f"p{number}"} for number in range(3 * MOST)))
    for _ in range(MOST):
        desk.answers(**YES)
    assert (desk.done, len(desk.asked)) == ([("a", "")], MOST)


@pytest.mark.parametrize(
    "jobs",
    [None, [3], [{"native": 3}], [{"native": {"slurm": GPU}, "command": 3}], [{"native": {"slurm": GPU}, "gpus": 0.5}]],
)
def test_nothing_is_asked_of_what_is_refused_anyway(desk: Desk, jobs: Any) -> None:
    assert not desk.trials.must_wait(Ask(None, {"op": "submit", "jobs": jobs}), desk.now)


def test_nothing_is_asked_where_jobs_run_here(tmp_path: Path) -> None:
    machine = Desk(tmp_path, "")
    machine.submit("a", GPU)
    assert (machine.done, machine.asked) == ([("a", "")], [])
