"""In the keeper: what is done to several attempts at once. One look at all processes serves all of them.

A look costs as much as there are processes. With one for each attempt, to end a thousand cost a thousand times that.
"""

from __future__ import annotations

import signal
from typing import List, Sequence, Tuple

from sjs.daemon.keeper import ending, tree
from sjs.daemon.keeper.attempt import Attempt


def members(attempts: Sequence[Attempt]) -> List[List[tree.Process]]:
    """The living processes of each, parents before children."""
    found = tree.members_of([one.identity() for one in attempts])
    for attempt, processes in zip(attempts, found):
        attempt.seen = frozenset(one.birth for one in processes)
    return found


def gone(attempts: Sequence[Attempt]) -> List[Attempt]:
    """Those of which nothing is left. Of an adopted one we are not told of orphans, so it takes a look."""
    adopted = [one for one in attempts if one.adopted]
    alive = {one.tag for one, processes in zip(adopted, members(adopted)) if processes}
    return [one for one in attempts if (one.tag not in alive if one.adopted else one.is_empty())]


def ask_to_end(attempts: Sequence[Attempt]) -> List[int]:
    """TERM to every living process of them, and wake the stopped ones so that they notice; how many of each."""
    found = members(attempts)
    for attempt, processes in zip(attempts, found):
        ending.ask_to_end(processes, signal.SIGTERM)
        if attempt.has_child and attempt.pid not in [one.pid for one in processes]:
            ending.send(attempt.pid, signal.SIGTERM)  # forked this moment, not yet in a session of its own
    return [len(processes) for processes in found]


def kill(attempts: Sequence[Attempt]) -> None:
    """KILL to all of them."""
    if not attempts:
        return
    ending.cut(lambda: _all(attempts))
    for attempt in attempts:
        if attempt.has_child:
            ending.send(attempt.pid, signal.SIGKILL)


def pause(attempts: Sequence[Attempt]) -> None:
    """STOP to all of them."""
    ending.pause(lambda: _all(attempts))


def send(wanted: Sequence[Tuple[Attempt, int, bool]]) -> None:
    """To each attempt a signal, for its whole tree or for its main process only."""
    for (attempt, number, whole), processes in zip(wanted, members([attempt for attempt, _, _ in wanted])):
        for one in processes:
            if whole or one.pid == attempt.pid:
                ending.send(one.pid, number)


def _all(attempts: Sequence[Attempt]) -> List[tree.Process]:
    return [one for processes in members(attempts) for one in processes]
