"""Which jobs of a sweep are clearly behind the others. Pure.

    median:loss            median:max:acc            median:loss,after=10,others=5

The median rule: a job that has printed N values is behind if the best of them is worse than the median of what the
others had on average by their own Nth value. Of an even number of others, the worse of the two in the middle counts.
Who is the best of all at its step is never behind, for nobody's average is better than his best. Jobs that have ended,
or were stopped, count as far as they came: so what is decided depends on which others have come so far by then, and on
no other order.
"""

from __future__ import annotations

import math
from array import array
from typing import Dict, Generic, Hashable, List, NamedTuple, Optional, Sequence, TypeVar

from sjs.core import aims
from sjs.core.aims import Aim
from sjs.core.metrics import Number
from sjs.errors import BadRequest

AFTER = 5
OTHERS = 3
MAX_STEPS = 10_000
"""Values of one job; it has shown by then what it is worth."""

BEHIND = "behind: "
"""So begins what the record of such a job says of its end."""

Key = TypeVar("Key", bound=Hashable)


class Rule(NamedTuple):
    """Nobody is behind before `after` values, nor before `others` have got as far."""

    aim: Aim
    after: int = AFTER
    others: int = OTHERS


class Behind(NamedTuple):
    """Why a job is."""

    rule: Rule
    step: int
    best: float
    median: float

    def __str__(self) -> str:
        return f"{BEHIND}{self.rule.aim.metric} {self.best:.4g} at step {self.step}, median {self.median:.4g}"


def parse(text: str) -> Rule:
    """The rule that somebody wrote; BadRequest says what is wrong with it."""
    kind, _, rest = text.partition(":")
    metric, *options = rest.split(",")
    if kind != "median" or not metric:
        raise BadRequest(f"no stop rule: {text!r:.80}", "for example median:loss, or median:max:acc,after=10,others=5")
    said: Dict[str, int] = {}
    for option in options:
        name, _, count = option.strip().partition("=")
        if name not in ("after", "others") or not (count.isascii() and count.isdigit() and int(count[:9]) > 0):
            hint = "after=N: values of a job before it can be behind; others=N: jobs that got as far"
            raise BadRequest(f"a stop rule has no option {option!r:.40}", hint)
        said[name] = int(count[:9])
    return Rule(aims.parse(metric, least_by_default=True), **said)


class _Runner:
    """How far a job has come: the best that it had, and its average at each step, as costs."""

    def __init__(self) -> None:
        self.best = math.inf
        self.averages = array("d")
        self._worst = -math.inf
        self._sum = 0.0

    def take(self, cost: float) -> None:
        self.best, self._worst = min(self.best, cost), max(self._worst, cost)
        self._sum += cost
        average = self._sum / (len(self.averages) + 1)
        # Rounding must not make it better than the best, or the best of all could be behind.
        self.averages.append(min(max(average, self.best), self._worst))


class Race(Generic[Key]):
    """The values of a sweep's jobs, as they come."""

    def __init__(self, rule: Rule, most: int = MAX_STEPS) -> None:
        """`most`: so many values of a job count."""
        self.rule = rule
        self._most = most
        self._runners: Dict[Key, _Runner] = {}

    def take(self, job: Key, first: int, values: Sequence[Number]) -> None:
        """Values of a job, of which the first is its `first`th, from 0 on. Those that are known already are no news."""
        runner = self._runners.setdefault(job, _Runner())
        known = max(0, len(runner.averages) - first)
        for value in values[known : known + self._most - len(runner.averages)]:
            runner.take(self.rule.aim.cost(value))

    def forget(self, job: Key) -> None:
        """It begins anew, and what it had does not count."""
        self._runners.pop(job, None)

    def behind(self, job: Key) -> Optional[Behind]:
        """Why the job is behind; None as long as it is not, or nobody can tell."""
        runner = self._runners.get(job)
        step = 0 if runner is None else len(runner.averages)
        if runner is None or step < self.rule.after:
            return None
        others = self._others(job, step)
        if len(others) < self.rule.others:
            return None
        median = others[len(others) // 2]
        if runner.best <= median:
            return None
        sign = -1 if self.rule.aim.most else 1
        return Behind(self.rule, step, sign * runner.best, sign * median)

    def _others(self, job: Key, step: int) -> List[float]:
        found = [
            one.averages[step - 1] for key, one in self._runners.items() if key != job and len(one.averages) >= step
        ]
        return sorted(found)
