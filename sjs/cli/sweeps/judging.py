"""While somebody waits for a sweep: has those ended that are clearly behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from sjs.core.stopping import Rule
from sjs.results.judge import Judge, Named
from sjs.routing import Fleet


class Judging:
    """A stop rule at work, or none, for as long as this is entered."""

    def __init__(self, fleet: Fleet, sweep: str, rule: Rule | None, say: Callable[[str], None]) -> None:
        """`fleet`: targets that nobody else speaks to; `say`: takes lines for the person, from any thread."""
        self._fleet = fleet
        self._judge = None if rule is None else Judge(Named(sweep), rule)
        self._say = say

    @property
    def ended(self) -> int:
        """How many jobs it has ended so far."""
        return 0 if self._judge is None else self._judge.ended

    def __enter__(self) -> Judging:
        if self._judge is not None:
            threading.Thread(target=self._follow, args=(self._judge,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._judge is not None:
            self._judge.stop()
        self._fleet.__exit__(kind, value, at)

    def _follow(self, judge: Judge) -> None:
        for answers in self._fleet.stream(judge.watch):
            for answer in answers:
                if answer.error is not None:
                    self._say(f"[{answer.name}] nobody is judged there any more: {answer.error}")
                elif answer.value is not None:
                    self._say(f"[{answer.name}] job {answer.value.job} is being ended: {answer.value.why}")
