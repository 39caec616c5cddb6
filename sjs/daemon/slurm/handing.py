"""Handing jobs in: what is ordered is gathered, written down in chunks, and handed in chunk by chunk, each surely once.

When nobody knows whether a chunk was taken, it is looked for in Slurm's queue by its key, and handed in again only
where it is not there. A controller that does not answer is asked again, after longer and longer pauses.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Deque, Dict, List, Mapping, Optional, Protocol, Set, Tuple

from sjs.daemon.ground.notes import note
from sjs.daemon.ground.starting import Start
from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import Calling, Result
from sjs.daemon.slurm.chunks import Chunk, Chunks
from sjs.daemon.slurm.shape import chunks

GATHER = 0.1
"""Seconds for which more is waited for after the last order, …"""

LONGEST = 1.0
"""… and after the first."""

FIRST, SLOWEST = 1.0, 60.0
"""Seconds until something is tried again: the first pause, and the longest that it doubles to."""

SETTLE = 5.0
"""Seconds in which a controller that has heard of a chunk has it in its queue."""

MOST = 1000
"""Jobs of one chunk."""

_GIVEN = re.compile(r"^(\d+)(?:;\S+)?$", re.MULTILINE)


class Wanted(Protocol):
    """Whoever knows of all jobs, and hears what becomes of chunks."""

    def written(self, chunk: Chunk) -> None:
        """It is written down, and is about to be handed in."""

    def taken(self, chunk: Chunk, array: str) -> None:
        """Slurm has it, under this number."""

    def refused(self, chunk: Chunk, detail: str) -> None:
        """Slurm will never take it."""

    def smaller(self, chunk: Chunk) -> List[Start]:
        """It was too large: what of it is still wanted is to be handed in otherwise."""

    def numbers(self, chunk: Chunk) -> List[int]:
        """Which of its jobs are still wanted."""

    def trouble(self, why: str) -> None:
        """Why nothing can be handed in; nothing, once that is over."""


class Handing:
    """What is on its way to Slurm."""

    def __init__(
        self,
        files: Chunks,
        calls: Calling,
        umask: int,
        prefix: str,
        wanted: Wanted,
    ) -> None:
        self._files = files
        self._calls = calls
        self._umask = umask
        self._prefix = prefix
        self._wanted = wanted
        self.ordered: Dict[str, Start] = {}
        self._first_at = self._last_at = 0.0
        self._line: Deque[Chunk] = deque()
        self._unsure: Dict[str, Tuple[Chunk, float]] = {}
        self._in: Dict[str, Tuple[str, float]] = {}
        self._handing: Optional[Chunk] = None
        self._largest = 0  # not known yet
        self._most = 0  # less for a while, where there is a limit
        self._asks = False
        self._pause = 0.0
        self._not_before = 0.0
        self._now = 0.0
        self._trouble = ""

    def order(self, wanted: Start, now: float) -> None:
        """Have it handed in together with others."""
        if not self.ordered:
            self._first_at = now
        self._last_at = now
        self.ordered[wanted.tag] = wanted

    def forget(self, tags: Set[str]) -> List[Start]:
        """Those of them that are not written down yet are not wanted any more."""
        return [self.ordered.pop(tag) for tag in list(self.ordered) if tag in tags]

    def resume(self, chunk: Chunk) -> None:
        """An earlier keeper has written it down, and perhaps handed it in."""
        given = chunk.given()
        if given:
            self._in[chunk.name] = given, 0.0
        else:
            self._unsure[chunk.name] = chunk, 0.0

    def drop(self, name: str) -> None:
        """Nobody wants it any more."""
        self._line = deque(one for one in self._line if one.name != name)
        self._unsure.pop(name, None)
        self._in.pop(name, None)

    def is_in(self, name: str, by: float) -> bool:
        """Whether Slurm had it by then."""
        return name in self._in and self._in[name][1] <= by

    def array(self, name: str) -> str:
        """The number that Slurm has given it; nothing, where it is not known."""
        return self._in[name][0] if name in self._in else ""

    def turn(self, now: float) -> None:
        """Do what can be done now."""
        self._now = now
        if now < self._not_before:
            return
        if self.ordered and not self._largest:
            self._ask_limits()
        elif self.ordered and now >= min(self._last_at + GATHER, self._first_at + LONGEST):
            self._write_down()
        if self._line and self._handing is None:
            self._hand_in(self._line.popleft())

    def next_time(self) -> Optional[float]:
        """When there is something to do, as far as that waits for a time."""
        if self._line and self._handing is None:
            return self._not_before
        if self.ordered and not self._asks:
            return max(self._not_before, min(self._last_at + GATHER, self._first_at + LONGEST))
        return None

    def seen(self, seen: Optional[Mapping[Tuple[str, int], words.Seen]], asked_at: float) -> None:
        """What Slurm has in its queue, by chunk and number; None where it does not answer."""
        if seen is None or not self._unsure:
            return
        arrays = {name: one.id for (name, _), one in seen.items() if one.is_alive}  # a refused one leaves a dead record
        for name, (chunk, since) in list(self._unsure.items()):
            begun = [mark.id.partition("_")[0] for mark in map(chunk.start_of, _begun(chunk)) if mark and mark.host]
            array = arrays.get(name) or next(iter(begun), "")
            if array:
                del self._unsure[name]
                self._is_taken(chunk, array)
            elif asked_at >= since + SETTLE:
                del self._unsure[name]
                note(f"Slurm has not taken chunk {name}; it is handed in again")
                self._line.appendleft(chunk)

    def _ask_limits(self) -> None:
        if not self._asks:
            self._asks = True
            self._calls.run(["scontrol", "show", "config"], self._told_limits)

    def _told_limits(self, result: Result) -> None:
        self._asks = False
        if result.status != 0:
            self._later(words.complaint(result.err))
            return
        size = words.settings(result.out).get("MaxArraySize", "")
        self._most = self._largest = max(1, min(MOST, int(size) - 1)) if size.isdigit() else MOST
        self._is_well()

    def _write_down(self) -> None:
        wanted, self.ordered = self.ordered, {}
        for shape, starts in chunks(wanted.values(), self._most):
            try:
                chunk = self._files.make(shape, starts, self._umask)
            except OSError as error:
                self.ordered.update((one.tag, one) for one in starts)
                self._later(f"{error.filename or 'a chunk'} cannot be written: {error.strerror}")
                continue
            self._wanted.written(chunk)
            self._line.append(chunk)

    def _hand_in(self, chunk: Chunk) -> None:
        numbers = self._wanted.numbers(chunk)
        if not numbers:
            return
        self._handing = chunk
        argv = ["sbatch", "--parsable", *chunk.shape]
        argv += [f"--array={words.expression(numbers)}", f"--comment={self._prefix}{chunk.name}", "--no-requeue"]
        argv += [
            "--export=ALL",
            "--input=/dev/null",
            f"--output={words.filename(chunk.output)}",
            "--open-mode=append",
            chunk.script,
        ]
        self._calls.run(argv, self._answered)

    def _answered(self, result: Result) -> None:
        chunk, self._handing = self._handing, None
        assert chunk is not None
        given = _GIVEN.search(result.out)
        if result.status == 0 and given:
            self._is_taken(chunk, given[1])
            self._most = min(self._largest, 2 * self._most)
            self._is_well()
            return
        said = words.complaint(result.err)
        meaning = words.UNSURE if result.status in (None, 0) else words.refusal(result.err)
        if meaning == words.UNSURE:
            note(f"nobody knows whether Slurm took chunk {chunk.name}: {said}")
            self._unsure[chunk.name] = chunk, self._now
            self._later(said)
        elif meaning == words.NOW:
            self._wanted.refused(chunk, said)
        elif words.is_limit(result.err) and len(self._wanted.numbers(chunk)) > 1:
            self._most = max(1, len(self._wanted.numbers(chunk)) // 2)
            self.ordered = {**{one.tag: one for one in self._wanted.smaller(chunk)}, **self.ordered}
            self._later(said)
        else:  # others may be within its limit, or have a partition that takes them
            (self._line.append if words.is_its_own(result.err) else self._line.appendleft)(chunk)
            self._later(said)

    def _is_taken(self, chunk: Chunk, array: str) -> None:
        self._in[chunk.name] = array, self._now
        try:
            chunk.keep_given(array)
        except OSError as error:  # it is looked for by its key, should this keeper die
            note(f"that Slurm took chunk {chunk.name} could not be written: {error}")
        self._wanted.taken(chunk, array)

    def _later(self, why: str) -> None:
        self._pause = min(SLOWEST, max(FIRST, 2 * self._pause))
        self._not_before = self._now + self._pause
        if why != self._trouble:
            note(f"nothing can be handed to Slurm now: {why}; it is tried again")
            self._trouble = why
            self._wanted.trouble(why)

    def _is_well(self) -> None:
        self._pause = self._not_before = 0.0
        if self._trouble:
            note("Slurm takes jobs again")
            self._trouble = ""
            self._wanted.trouble("")


def _begun(chunk: Chunk) -> List[int]:
    return [number for number, what in chunk.marks() if what == "start"]
