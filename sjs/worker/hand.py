"""One item, from the moment it is claimed: its command is run, the claim renewed, and what came of it told."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
from queue import Empty, SimpleQueue
from typing import Any, Callable, Dict, Optional

from sjs.errors import Refused, UsageError
from sjs.values import dataclass
from sjs.worker.commands import Commands, Ended
from sjs.worker.connection import Away
from sjs.worker.filling import fill
from sjs.worker.lease import Pauses
from sjs.worker.notices import notice
from sjs.worker.order import Order
from sjs.worker.results import result_in
from sjs.worker.stages import Claim, Stages, Void, clock

DONE, FAILED, FREE, VOID, UNTOLD = "done", "failed", "free", "void", "untold"
"""What becomes of an item: it was finished; it was given back, or sent elsewhere, as failed; it was given back as if
nothing had been; it is not ours any more; nobody could be told."""

END = object()


class Unusable(Refused):
    """No item can be worked on here, whichever it is: the disk is full, or cannot be written."""


@dataclass(frozen=True)
class Tools:
    """What all items of a worker share. `is_leaving`: whether it has been told to end."""

    order: Order
    stages: Stages
    commands: Commands
    folder: str
    is_leaving: Callable[[], bool]


class Hand:
    """Sees one item through. `end` may be called by any thread; all else is for one."""

    def __init__(self, tools: Tools, claim: Claim) -> None:
        self._tools = tools
        self._claim = claim
        self._lease = claim.lease
        self._pauses = Pauses(random.random())
        self._inbox: SimpleQueue[Ended | object] = SimpleQueue()
        self._key = 0
        self._fate = ""
        self._is_lost = False
        self._kill_at: Optional[float] = None
        self._began = clock()

    def end(self) -> None:
        """End the command, and give the item back."""
        self._inbox.put(END)

    def work(self) -> str:
        """What became of it."""
        order, claim = self._tools.order, self._claim
        if not self._is_ours():
            return self._say(VOID, "came too late, and is not begun")
        beside = {
            "item": str(claim.number),
            "stage": order.stage,
            "pipeline": order.pipeline,
            "file": str(claim.item.get("file") or ""),
        }
        try:
            argv = fill(order.argv, claim.item.get("command"), claim.number, beside)
        except UsageError as error:
            return self._failed(str(error))
        folder = ""
        try:
            folder = tempfile.mkdtemp(dir=self._tools.folder)
            stdin = self._written(folder, beside["pipeline"])
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._told(lambda: self._tools.stages.release(self._claim), FREE, "given back")
            raise Unusable(f"{self._tools.folder}: {error.strerror}", "no item can be worked on here") from None
        try:
            return self._run(argv, stdin, os.path.join(folder, "result"), beside)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what is left goes with the folder of all

    def _is_ours(self) -> bool:
        """Whether a command may begin. The claim may have waited there, or its answer here, for longer than it lasts:
        then only the gateway knows."""
        if clock() >= self._lease.renewal:
            self._renew(self._tools.order.lease)
        return not self._is_lost and not self._lease.is_over(clock())

    def _written(self, folder: str, pipeline: str) -> str:
        """The file that the command is to read."""
        path = os.path.join(folder, "item")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as target:
            json.dump({**self._claim.item, "pipeline": pipeline}, target)
        return path

    def _run(self, argv: Any, stdin: str, result: str, beside: Dict[str, str]) -> str:
        env = {
            "SJS_ITEM": beside["item"],
            "SJS_STAGE": beside["stage"],
            "SJS_PIPELINE": beside["pipeline"],
            "SJS_RESULT_FILE": result,
        }
        self._key = self._tools.commands.start(argv, env, stdin, self._inbox.put)
        ended = self._until_ended()
        if self._fate == VOID:
            return self._say(VOID, "not ours any more, and ended")
        if self._fate == FREE or not ended.is_known or self._is_swept_along(ended):
            return self._told(lambda: self._tools.stages.release(self._claim), FREE, "given back")
        if not ended.is_well:
            return self._failed(str(ended))
        return self._finished(result)

    def _is_swept_along(self, ended: Ended) -> bool:
        """Whether it failed because it was told to end with the worker, as a job's processes are all at once."""
        if not self._tools.is_leaving() or ended.is_well:
            return False
        return ended.signal == signal.SIGTERM or self._tools.order.farewell is not None

    def _until_ended(self) -> Ended:
        """Renew the claim until the command has ended; end it where the claim is lost."""
        while True:
            now = clock()
            if not self._fate and self._lease.is_over(now):
                self._end_command(VOID, "its time is over, and nobody has answered")
            try:
                said = self._inbox.get(timeout=self._until_next(now))
            except Empty:
                self._on_time(clock())
                continue
            if isinstance(said, Ended):
                return said
            if not self._fate:
                self._end_command(FREE, "to be given back")

    def _until_next(self, now: float) -> Optional[float]:
        due = self._kill_at if self._fate else min(self._lease.renewal, self._lease.end)
        return None if due is None else max(0.0, due - now)

    def _on_time(self, now: float) -> None:
        if self._fate:
            self._kill_at = None
            self._tools.commands.signal(self._key, signal.SIGKILL)
        elif self._lease.renewal <= now < self._lease.end:
            self._renew(self._lease.end - now)
            if self._is_lost:
                self._end_command(VOID, "somebody else's by now")

    def _renew(self, within: float) -> None:
        try:
            self._tools.stages.renew(self._claim, within)
            self._pauses.over()
        except Void:
            self._is_lost = True
        except (Away, Refused, UsageError) as error:
            self._lease.failed(clock(), self._pause(error))

    def _end_command(self, fate: str, why: str) -> None:
        self._fate = fate
        self._notice(f"{why}: ending its command")
        self._kill_at = clock() + self._tools.order.grace
        self._tools.commands.signal(self._key, signal.SIGTERM)

    def _finished(self, path: str) -> str:
        try:
            result = result_in(path)
        except UsageError as error:
            return self._failed(str(error))
        try:
            return self._told(lambda: self._tools.stages.finish(self._claim, result), DONE, "done")
        except Refused as error:
            return self._failed(f"what it has left is not taken: {error}")

    def _failed(self, why: str) -> str:
        """Tell that it has failed."""
        order, stages = self._tools.order, self._tools.stages
        try:
            if order.on_failure:
                call = lambda: stages.finish(self._claim, {"failed": why}, order.on_failure)  # noqa: E731
                return self._told(call, FAILED, f"failed, and sent to {order.on_failure}: {why}")
            return self._told(lambda: stages.release(self._claim, why), FAILED, f"failed: {why}")
        except Refused as error:
            return self._say(UNTOLD, f"failed: {why}; and nobody is told: {error}")

    def _told(self, call: Callable[[], None], fate: str, how: str) -> str:
        """Have the gateway know, as long as it may be ours; Refused where it does not want to."""
        while True:
            try:
                call()
                return self._say(fate, how)
            except Void:
                return self._say(VOID, f"{how}, but not ours any more: nothing is told")
            except (Away, UsageError) as error:
                pause = self._pause(error)
                if self._lease.is_over(clock() + pause) or self._is_hurried(pause):
                    return self._say(UNTOLD, f"{how}, but nobody could be told: {error}")

    def _pause(self, error: Exception) -> float:
        """How long to wait after a call that came to nothing."""
        return self._pauses.next(getattr(error, "pause", None), self._lease.end - clock())

    def _is_hurried(self, pause: float) -> bool:
        """Wait; whether the worker has been told to end at once meanwhile."""
        try:
            self._inbox.get(timeout=pause)
        except Empty:
            return False
        return True

    def _say(self, fate: str, how: str) -> str:
        if fate not in (DONE, FREE) or not self._tools.order.quiet:
            self._notice(f"{how} after {clock() - self._began:.1f} s")
        return fate

    def _notice(self, text: str) -> None:
        notice(f"item {self._claim.number}: {text}")
