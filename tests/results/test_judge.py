"""Who is ended for being behind, and who is not, over machines that say what they like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from sjs.answers import Cancelled, Filter, Members
from sjs.core import stopping
from sjs.core.job import Job, Range, Spec, Task, contains
from sjs.core.metrics import Values
from sjs.errors import LinkLost, NoManager, NotReached, Refused, Unreachable
from sjs.results import judge
from sjs.results.judge import Judge, Named, Stopped
from sjs.wire import MAX_ID


class Pretended:
    """A target whose jobs below `strange` are of the sweep s, and its machine, which says what it is told to."""

    def __init__(self, *said: list[Values] | Exception, strange: int = 9) -> None:
        self.name = "m"
        self.machine: Any = self
        self.said = iter(said)
        self.judge: Judge | None = None
        self.strange = strange
        self.asked: list[Any] = []
        self.ended: list[tuple[int, str | None]] = []
        self.counted: list[int] = []
        self.states: dict[int, str] = {}

    def members(self, sweep: str) -> Iterator[Members]:
        return iter([Members([(3, 4), (6, 6)], [])] if self.strange else [])

    def list(self, jobs: Sequence[Range] = (), newest: int = 0, only: Filter | None = None) -> list[Job]:
        if newest:
            return [Job(41, Spec("x"), "running", 1.0)]
        assert only == Filter(sweep="s")
        task = Spec("x", task=Task("s", 1))
        found = [number for number in range(self.strange) if contains(jobs, number)]
        return [Job(number, task, self.states.get(number, "running"), 1.0) for number in found]

    def series(self, metric: str, jobs: Sequence[Range], timeout: float, pattern: str | None) -> Sequence[Values]:
        self.asked.append((metric, jobs, pattern))
        said = next(self.said, None)
        if said is None:
            assert self.judge is not None
            self.judge.stop()
            return []
        if isinstance(said, Exception):
            raise said
        return said

    def cancel(self, jobs: Sequence[Range], note: str | None = None) -> Cancelled:
        ((job, _),) = jobs
        self.ended.append((job, note))
        assert self.judge is not None
        self.counted.append(self.judge.ended)
        return Cancelled([], [] if job == 8 else jobs, [])

    def close(self) -> None:
        self.asked.append("closed")


def values(job: int, loss: float, first: int = 0, count: int = 5, attempt: int = 1, stream: str = "out") -> Values:
    return Values(job, attempt, stream, first, [loss] * count)


def judged(target: Pretended, pattern: str | None = None) -> list[Stopped]:
    target.judge = Judge(Named("s"), stopping.parse("median:loss"), pattern)
    return list(target.judge.watch(target))  # type: ignore[arg-type]


GOOD = [values(job, 0.1) for job in (0, 1, 2)]


def test_who_is_behind_is_ended_once_with_a_note() -> None:
    target = Pretended([*GOOD, values(3, 0.9)], [values(3, 0.9, 5)], [values(0, 0.2, 5)])
    (stopped,) = judged(target, "(?P<loss>x)")
    assert (stopped.target, stopped.job, stopped.why.step) == ("m", 3, 5)
    assert target.ended == [(3, "behind: loss 0.9 at step 5, median 0.1")]
    assert target.asked[0] == ("loss", [(3, MAX_ID)], "(?P<loss>x)")
    assert target.counted == [1], "who sees the end before its answer finds it counted"


def test_others_are_let_alone_and_count_for_nothing() -> None:
    target = Pretended([*GOOD[:2], values(9, 0.0), values(10, 9.0), values(3, 0.9)])
    assert judged(target) == [] == target.ended, "of the sweep, two others have got as far"


def test_who_has_ended_counts_and_is_not_ended_again() -> None:
    target = Pretended([*GOOD, values(3, 0.9), values(8, 0.9)])
    target.states = dict.fromkeys((0, 1, 2, 3), "succeeded")
    assert judged(target) == [], "job 8 had just ended when it was to be"
    assert [job for job, _ in target.ended] == [8]
    assert target.judge is not None and target.judge.ended == 0


def test_only_the_newest_attempt_and_one_output_count() -> None:
    target = Pretended(
        [*GOOD, values(3, 0.9, count=4), values(3, 0.0, stream="err")],
        [values(3, 0.1, attempt=2)],
        [values(3, 0.9, 4, 1)],
    )
    assert judged(target) == []
    behind = Pretended([*GOOD, values(3, 0.9, stream="err"), values(3, 0.0, 0, 1)])
    assert [one.job for one in judged(behind)] == [3]


def test_a_link_that_breaks_is_made_again_and_what_comes_again_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "PAUSE", 0.0)
    again = [*GOOD, values(3, 0.9, count=3)]
    lost = [LinkLost("gone"), NoManager("not yet"), NotReached("away")]
    target = Pretended(again, lost[0], again, *lost, [values(3, 0.9, 3, 2)])
    assert [one.job for one in judged(target)] == [3]
    assert target.asked.count("closed") == 4


class Later(Named):
    """Knows of the job 3 when it is asked another time."""

    settles = 60.0

    def __init__(self) -> None:
        super().__init__("s")
        self.asked: list[Sequence[int]] = []

    def known(self, target: Any, jobs: Sequence[int]) -> Mapping[int, bool]:
        self.asked.append(jobs)
        found = super().known(target, jobs)
        return {job: may_end for job, may_end in found.items() if job != 3 or len(self.asked) > 1}


def test_a_job_that_is_known_to_be_meant_a_moment_later_is_judged_by_all_that_it_has_printed() -> None:
    """What it had printed was passed over, so it is asked for anew; who stays unknown is asked about again, too."""
    roster = Later()
    target = Pretended([*GOOD, values(3, 0.9), values(9, 0.0)], [], [*GOOD, values(3, 0.9)])
    target.judge = Judge(roster, stopping.parse("median:loss"))
    assert [one.job for one in target.judge.watch(target)] == [3]  # type: ignore[arg-type]
    assert target.asked.count("closed") == 1
    assert roster.asked[1] == [3, 9] and roster.asked[2] == [9]


def test_only_so_many_values_of_a_job_count() -> None:
    target = Pretended([*GOOD, values(3, 0.9, count=2), values(3, 0.9, 2, 3)])
    target.judge = Judge(Named("s"), stopping.parse("median:loss"), most=4)
    assert list(target.judge.watch(target)) == []  # type: ignore[arg-type]


def test_what_does_not_mend_itself_is_an_error() -> None:
    for error in (Unreachable("nobody trusts that machine"), Refused("no such errand")):
        with pytest.raises(type(error)):
            judged(Pretended(error))


def test_where_the_sweep_has_no_job_yet_the_next_ones_are_watched() -> None:
    target = Pretended([], strange=0)
    assert judged(target) == []
    assert target.asked[0] == ("loss", [(42, MAX_ID)], None)
