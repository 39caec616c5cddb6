"""In the keeper: jobs that it may start without asking, each in the place of one that ends.

So a slot that becomes free waits for nobody: neither for the manager nor for its disk. They are the manager's word,
durable before it was given, and outlive it; this process they do not outlive, and then nobody has started them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, Iterable, List, Optional

from sjs.daemon.ground.starting import Start


class Grants:
    """The jobs, in their order. `record`: what an earlier keeper handed over."""

    def __init__(self, record: Iterable[Dict[str, Any]] = ()) -> None:
        self._waiting: Deque[Start] = deque(Start(**one) for one in record)
        self._most = len(self._waiting)

    def hand_over(self) -> List[Dict[str, Any]]:
        """For the record that a successor reads."""
        return [one._asdict() for one in self._waiting]

    @property
    def tags(self) -> List[str]:
        """Whose they are."""
        return [one.tag for one in self._waiting]

    @property
    def are_plenty(self) -> bool:
        """Whether the manager need not hurry with more."""
        return 2 * len(self._waiting) > self._most

    def add(self, wanted: Iterable[Start]) -> None:
        """These may start behind the others."""
        self._waiting.extend(wanted)
        self._most = len(self._waiting)

    def next(self, slot: int) -> Optional[Start]:
        """Who starts in the place that has become free. Any can: who runs and who is granted all need the same."""
        if slot < 0 or not self._waiting:
            return None
        return self._waiting.popleft()._replace(slot=slot)

    def take_back(self) -> List[str]:
        """None of them may start any more; which these were."""
        tags = self.tags
        self._waiting.clear()
        return tags
