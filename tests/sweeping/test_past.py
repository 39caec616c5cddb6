from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from sjs.answers import Filter, Members, SweepCounts
from sjs.core.job import End, Job, Spec, Task
from sjs.errors import Conflict, LinkLost, NoQueue, Refused, SjsError
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.routing import Answer, Fleet
from sjs.sweeping.past import describe, looked_up, new_key


class Queue:
    """One that says of a sweep what it is told to, look after look."""

    def __init__(self, *looks: Mapping[str, list[str]], error: SjsError | None = None) -> None:
        self.looks = list(looks)
        self.error = error

    def sweeps(self, name: str) -> list[SweepCounts]:
        if self.error is not None:
            raise self.error
        now = self.looks[0] if len(self.looks) == 1 else self.looks.pop(0)
        return [SweepCounts(name, {state: len(settings) for state, settings in now.items()})]

    def list(self, states: tuple[str, ...], only: Filter) -> Iterator[Job]:
        assert (states, only) == (("cancelled",), Filter(sweep="s"))
        for number, setting in enumerate(self.looks[0].get("cancelled", ())):
            detail = "behind: loss 0.9 at step 5, median 0.4" if setting == "worst" else ""
            task = Task("s", 1, (("x", setting),))
            yield Job(number, Spec("x", task=task), "cancelled", 1.0, end=End("cancelled", detail=detail))

    def members(self, name: str, states: tuple[str, ...]) -> Iterator[Members]:
        for state, settings in self.looks[0].items():
            if state in states:
                yield Members([], settings)


class Both:
    """Two queues as a fleet."""

    def __init__(self, **queues: Queue) -> None:
        self._queues = queues

    def told(self, work: Callable[[Any], object]) -> list[Answer[object]]:
        return [self._answer(name, queue, work) for name, queue in self._queues.items()]

    def _answer(self, name: str, queue: Queue, work: Callable[[Any], object]) -> Answer[object]:
        try:
            return Answer(name, work(queue))
        except SjsError as error:
            return Answer(name, error=error)


def fleet(**queues: Queue) -> Fleet:
    return cast("Fleet", Both(**queues))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "sjs"


def test_what_has_succeeded_or_may_yet_is_present() -> None:
    past = looked_up(
        fleet(m=Queue({"succeeded": ["a", "b"], "failed": ["c"]}), n=Queue({"queued": ["d"], "moving": ["e"]})), "s"
    )
    assert past.present == {"a": 1, "b": 1, "d": 1, "e": 1}
    assert past.all_counts == {"succeeded": 2, "failed": 1, "queued": 1, "moving": 1}


def test_what_a_stop_rule_has_ended_is_done_and_what_a_person_has_is_not() -> None:
    past = looked_up(fleet(m=Queue({"cancelled": ["worst", "other"]})), "s")
    assert past.present == {Task("s", 1, (("x", "worst"),)).setting: 1}


def test_who_never_had_a_queue_has_nothing_and_who_does_not_say_may_have_it() -> None:
    assert looked_up(fleet(m=Queue(error=NoQueue("none"))), "s").present == {}
    with pytest.raises(LinkLost, match="n may have jobs of this sweep and does not say: gone"):
        looked_up(fleet(m=Queue({}), n=Queue(error=LinkLost("gone"))), "s")


def test_a_job_that_moves_between_two_looks_is_seen() -> None:
    here = Queue({"moved": ["a"]})
    there = Queue({}, {"queued": ["a"]})
    assert looked_up(fleet(n=there, m=here), "s").present == {"a": 1}
    restless = Queue(*({"queued": ["x"] * count} for count in range(9)))
    with pytest.raises(Refused, match="are being moved or handed in"):
        looked_up(fleet(m=restless), "s")


def promise(state: Path, key: str) -> Any:
    entry = Outbox(str(state / "outbox")).begin(Head(key, False, "", {}, 1.0))
    entry.add("m", 0, [Spec("x", task=Task("s", 1, (("x", "1"),)))])
    entry.seal()
    return entry


def test_what_is_still_on_the_way_is_present(state: Path) -> None:
    for sweep in ("s", "other", "s.s"):
        with promise(state, new_key(sweep)):
            pass  # who promised it has gone
    assert looked_up(fleet(m=Queue({})), "s").present == {Task("s", 1, (("x", "1"),)).setting: 1}
    assert len(os.listdir(state / "outbox")) == 3


def test_while_somebody_is_at_it_nobody_else_is(state: Path) -> None:
    with promise(state, new_key("s")):
        with pytest.raises(Conflict, match="another command is handing in jobs of sweep s"):
            looked_up(fleet(m=Queue({})), "s")
        assert looked_up(fleet(m=Queue({})), "other").present == {}


def test_numbers_are_told_in_the_order_of_a_life() -> None:
    assert describe({"succeeded": 3, "queued": 1}) == "4 jobs: 1 queued, 3 succeeded"
