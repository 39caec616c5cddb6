"""In the manager: a person's commands for the starts and ends of jobs, and for which of those they are still to run.

What is owed is written down in the same transaction as the start or the end, and struck when the command has ended: so
it runs at least once, whoever dies meanwhile. `hook_runs` has it run.
"""

from __future__ import annotations

import json
from typing import Any, Collection, Dict, Iterable, List, NamedTuple

from sjs import spec_json
from sjs.daemon.queue.store import Store

ON_START = "on_start"
ON_FINISH = "on_finish"
TIMEOUT = "hook_timeout"

USUAL = {ON_START: "", ON_FINISH: "", TIMEOUT: 60.0}
"""What there is where nobody said otherwise: no commands, and for each a minute."""


class Owed(NamedTuple):
    """One run of a command."""

    number: int
    event: str
    job: int


class HookList:
    """The commands of one queue, and what is owed. As durable as the turn in which it changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.said: Dict[str, Any] = {**USUAL, **json.loads(store.meta("hooks") or "{}")}
        self.is_owed = True
        """Whether there may be something to run that does not run yet."""

    def say(self, body: Dict[str, Any]) -> None:
        """Take a person's word, which was checked. A command that is empty is run no more, also where it was owed."""
        self.said = {**self.said, **body}
        self._store.set_meta("hooks", json.dumps(self.said))
        for event in (ON_START, ON_FINISH):
            if not self.said[event]:
                self._store.drop_hooks_of(event)

    def owe(self, event: str, jobs: Iterable[int]) -> None:
        """These jobs have just started, or ended."""
        if self.said[event]:
            self._store.add_hooks(event, jobs)
            self.is_owed = True

    def first(self, count: int, running: Collection[int]) -> List[Owed]:
        """The first ones besides those that run."""
        found = [Owed(*row) for row in self._store.hooks(count + len(running))]
        rest = [one for one in found if one.number not in running]
        self.is_owed = len(rest) >= count
        return rest[:count]

    def strike(self, number: int) -> None:
        """Nothing more is to be done for this one."""
        self._store.drop_hook(number)


def checked(body: Dict[str, Any]) -> Dict[str, Any]:
    """What of it is about hooks; null is what is usual."""
    return {key: USUAL[key] if body[key] is None else _CHECKS[key](key, body[key]) for key in USUAL if key in body}


_CHECKS = {
    ON_START: spec_json.check_text,
    ON_FINISH: spec_json.check_text,
    TIMEOUT: spec_json.seconds(0.1, 86_400.0),
}
