"""The keeper: the only process that starts, signals and reaps jobs. Small, single-threaded, without a database.

It starts the manager and restarts it when it dies; takes its orders over a socketpair; remembers every start and end
until the manager says that it has stored it. A manager that is killed therefore loses nothing: its successor is told
all at once (`hello`). The keeper ends when a manager that was stopped on purpose is gone and the last job has ended.
It is replaced in place, with jobs running: the same process executes other code, which reads what this one left.

Orders: start, grant (who may start when a place becomes free), offer (places that are free already), revoke (all that
        may start, and have not),
        withdraw (these that Slurm has, if they have not begun), find (an attempt in no record), stop, signal, pause,
        resume, forget, hold (keep the door's bytes alive), attend (somebody waits, or nobody does), ready, rest (until
        somebody comes), bye.
News:   hello, go (what was `ready` may be made durable), started, ended (`next`: who starts in its place), refused,
        placed (who starts in a place that was offered), unused (nobody does), revoked, unseen, stop,
        leave (for another manager); of jobs that Slurm has: withdrawn, seen (what it says), not paused,
        trouble (if it takes none).
To people who wait at the socket: ready, running, stopped, failed, upgrading, upgraded, unchanged.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from itertools import groupby
from operator import itemgetter
from typing import Any, Dict, List, Optional, Sequence

from sjs import __version__
from sjs.daemon.ground import kernel
from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.notes import last_line, note
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS, Program
from sjs.daemon.ground.starting import Start
from sjs.daemon.keeper import handover
from sjs.daemon.keeper.children import Wakeup, reaped
from sjs.daemon.keeper.ending import how_ended
from sjs.daemon.keeper.grants import Grants
from sjs.daemon.keeper.hands import hands_of
from sjs.daemon.keeper.lobby import Lobby, Wish
from sjs.daemon.keeper.manager_process import ManagerProcess, Restarts
from sjs.daemon.keeper.service import Service
from sjs.daemon.keeper.upgrade import Upgrade

LAZY = 0.005
"""Seconds that news of a start may wait for company: most short jobs have ended by then, and the manager wakes once."""

LAZIER = 0.025
"""The same where this process has enough to start without the manager; then also for news of ends."""


class Keeper:
    """One queue's keeper. `record`: what it begins with; that of a keeper before it in this process has more."""

    def __init__(self, where: Places, record: Dict[str, Any]) -> None:
        self._where = where
        self._record = record
        self._maximum = str(record["maximum"])
        self._program = Program(**record["program"]) if "program" in record else OURS
        self._selector = selectors.DefaultSelector()
        self._wakeup = Wakeup(self._selector)
        if not kernel.become_subreaper():
            note("this kernel gives no subreaper: processes that leave their job's session can not be found again")
        kernel.be_prompt()
        self._manager = ManagerProcess(self._selector, record.get("manager"))
        self._grants = Grants(record.get("granted", ()))
        handed_over = record.get("attempts")
        self._attempts = hands_of(where, record["umask"], self._selector, self._tell, self._grants, handed_over)
        self._lobby = Lobby(where, self._selector, record.get("lobby"))
        self._service = Service(where, record.get("service"))
        self._restarts = Restarts()
        self._restart_at: Optional[float] = None
        self._stop_wanted = False
        self._next_maximum: Optional[str] = None  # set when a manager is wanted after the one that is about to stop
        self._upgrade: Optional[Upgrade] = None
        self._report_fd = -1

    def report_to(self, fd: int) -> None:
        """Where to say, once, how the start went."""
        self._report_fd = fd

    def say_replaced(self, by_new: bool) -> None:
        """Tell who waits how the replacement of this process went."""
        if by_new:
            note(f"the keeper goes on as sjs {__version__}")
            self._lobby.say({"event": "upgraded", "version": __version__, "pid": os.getpid()})
        else:
            self._lobby.say({"event": "unchanged", "detail": "the new keeper could not go on; only the manager is new"})

    def run(self) -> None:
        """Until nobody needs a keeper any more."""
        self.turn([], time.monotonic())  # what ended before this code ran is told by no signal
        while not self._done():
            ready = self._selector.select(self._patience())
            self.turn([key.data for key, _ in ready], time.monotonic())

    def turn(self, ready: List[Any], now: float) -> None:
        """One round: ended processes, then orders, then time."""
        if signal.SIGTERM in self._wakeup.numbers():
            self._ask_manager_to_stop()
        for pid, status, usage in reaped():
            if pid == self._manager.pid:
                self._manager_ended(how_ended(status), now)
            else:
                self._attempts.reaped(pid, status, usage)
        self._attempts.settle((self._manager.pid,))
        if self._manager.is_ready(ready):
            self._hear_manager()
        for link, wish in self._lobby.collect(ready, now):
            self._grant(link, wish, now)
        self._attempts.on_time(now)
        self._on_time(now)
        self._lobby.flush()
        self._manager.flush(now)
        if self._upgrade is not None and self._upgrade.phase == "done":
            self._replace()

    def start_manager(self, now: float) -> None:
        """Start a manager, and tell it all that is known."""
        self._restart_at = None
        self._stop_wanted = False
        self._service.forget_stop()
        program = self._program if self._upgrade is None else self._upgrade.program_for(self._program)
        try:
            self._manager.start(program, self._where, self._maximum)
        except OSError as error:
            self._go_on_without(str(error), now)
            return
        self._manager.send({"on": "hello", "go": True, "umask": self._record["umask"], **self._attempts.known()})

    # The manager

    def _manager_ended(self, how: str, now: float) -> None:
        """It may have died in the middle of a word; what it said before that is read first, and obeyed."""
        self._hear_manager()
        self._manager.bury()
        if not self._stop_wanted:
            self._go_on_without(how, now)
            return
        self._end_service()
        if self._next_maximum is not None:
            self._maximum, self._next_maximum = self._next_maximum, None
            self.start_manager(now)

    def _go_on_without(self, how: str, now: float) -> None:
        """Nobody wanted the manager's end, or an upgrade did. Start the next one, now or later."""
        if self._report_fd >= 0:  # the first of all was never ready
            self._report(f"failed {how}")
            self._end_service()
        elif not os.path.isdir(self._where.state):
            note(f"{self._where.state} is gone, so no manager is started again")
            self._end_service()
        elif self._upgrade is not None and self._upgrade.phase != "back":
            self._upgrade.manager_ended(how, last_line(self._where.log), now)
            self.start_manager(now)
        else:
            delay = self._restarts.delay(now)
            pause = f" in {delay:g} s" if delay else ""
            note(f"the manager ended by itself ({how}); starting it again{pause}")
            self._restart_at = now + delay

    def _end_service(self) -> None:
        """Nobody reads the door from now on, and clients can tell."""
        self._service.end()
        self._restart_at = None
        self._keep_as_is("somebody stopped the manager meanwhile")
        self._lobby.say({"event": "stopped", "running": self._attempts.live()})

    def _hear_manager(self) -> None:
        for verb, orders in groupby(self._manager.hear(), key=itemgetter("do")):
            self._obey(verb, list(orders))

    def _obey(self, verb: str, orders: Sequence[Dict[str, Any]]) -> None:
        """One order, or several of a kind: who looks for processes looks once for all of them."""
        if verb == "start":
            for order in orders:
                self._attempts.start(_start(order))
        elif verb == "grant":
            self._attempts.grant([_start(one) for order in orders for one in order["starts"]])
        elif verb == "offer":
            self._attempts.offer([slot for order in orders for slot in order["slots"]])
        elif verb == "revoke":
            self._attempts.take_back()
        elif verb == "find":
            self._attempts.find([one for order in orders for one in order["attempts"]])
        elif verb == "stop":
            self._attempts.stop({order["tag"]: order["grace"] for order in orders})
        elif verb == "signal":
            self._attempts.signal([(order["tag"], order["signal"], order["tree"]) for order in orders])
        elif verb == "pause":
            self._attempts.pause([order["tag"] for order in orders])
        elif verb == "resume":
            self._attempts.resume([order["tag"] for order in orders])
        elif verb == "withdraw":
            self._attempts.withdraw([tag for order in orders for tag in order["tags"]])
        elif verb == "attend":
            self._attempts.attend(orders[-1]["awaited"])
        elif verb == "forget":
            self._attempts.forget([tag for order in orders for tag in order["tags"]])
        elif verb == "hold":
            self._service.begin()
        elif verb == "ready":
            self._manager_is_ready()
        elif verb == "rest":
            self._stop_wanted = True
        elif verb == "bye":
            self._stop_wanted = True
            self._service.mark_as_stopped()

    def _manager_is_ready(self) -> None:
        self._manager.ready = True
        self._maximum = "-"  # it is in the queue's own record now; a restart keeps what was set since
        self._manager.send({"on": "go"})
        self._report(f"ready {self._manager.pid}")
        self._lobby.say({"event": "ready", "pid": self._manager.pid})
        if self._upgrade is not None:
            self._upgrade.manager_is_ready()
            if self._upgrade.stop_wanted and self._upgrade.phase != "leaving":
                self._manager.send({"on": "stop"})
            if self._upgrade.phase == "back":
                self._keep_as_is(self._upgrade.why_not)

    def _tell(self, news: Dict[str, Any]) -> None:
        is_ahead = self._grants.are_plenty
        if news["on"] == "started" or ("next" in news and is_ahead):
            self._manager.send(news, time.monotonic() + (LAZIER if is_ahead else LAZY))
        else:
            self._manager.send(news)

    # People at the socket

    def _grant(self, link: LineSocket, wish: Wish, now: float) -> None:
        verb = wish.get("do")
        if verb == "stop":
            self._ask_manager_to_stop()
        elif verb == "start":
            self._start_if_none(link, str(wish.get("max", "-")), now)
        elif verb == "upgrade":
            self._begin_upgrade(link, wish, now)

    def _start_if_none(self, link: LineSocket, maximum: str, now: float) -> None:
        maximum = maximum if len(maximum) < 64 and set(maximum) <= set("0123456789,-") else "-"
        if self._manager.pid and self._stop_wanted:
            self._next_maximum = maximum
        elif self._manager.pid:
            link.send({"event": "running", "pid": self._manager.pid, "host": os.uname().nodename})
        else:
            self._maximum = maximum
            self.start_manager(now)

    def _ask_manager_to_stop(self) -> None:
        if self._upgrade is not None:
            self._upgrade.stop_wanted = True
        elif self._manager.pid:
            self._manager.send({"on": "stop"})
        else:
            self._end_service()

    # The upgrade

    def _begin_upgrade(self, link: LineSocket, wish: Wish, now: float) -> None:
        refusal = self._why_no_upgrade(wish)
        if refusal:
            link.send({"event": "unchanged", "detail": refusal})
            return
        link.send({"event": "upgrading"})
        self._upgrade = Upgrade(Program(wish["python"], wish["folder"]), now)
        if self._manager.pid:
            self._manager.send({"on": "leave"})
        elif self._restart_at is not None:
            self._go_on_without("", now)
        else:
            self._upgrade.phase = "done"  # only jobs are left here

    def _why_no_upgrade(self, wish: Wish) -> str:
        reads = wish.get("reads")
        if not isinstance(reads, int) or reads < handover.VERSION:
            return (
                f"the running keeper is newer: that code cannot read what it would leave (version {handover.VERSION})"
            )
        if not (isinstance(wish.get("python"), str) and isinstance(wish.get("folder"), str)):
            return "the wish names no program"
        if self._upgrade is not None:
            return "another upgrade is under way"
        if self._report_fd >= 0 or self._stop_wanted and self._manager.pid:
            return "the manager is about to start, or to stop; try again in a moment"
        return ""

    def _replace(self) -> None:
        """Execute the code of the upgrade. Where that cannot be, its manager goes on under this keeper."""
        assert self._upgrade is not None
        back, self._program = OURS, self._upgrade.program
        names = (self._where.root, self._where.pipe, self._where.state, self._maximum)
        note(f"the keeper executes {self._program.folder}")
        try:
            handover.execute(self._program, self._hand_over(), *names, *back)
        except OSError as error:
            self._keep_as_is(f"the keeper could not be replaced: {error}; only the manager is new")

    def _hand_over(self) -> Dict[str, Any]:
        """All that is only in this process's memory."""
        return {
            "program": self._program._asdict(),
            "maximum": self._maximum,
            "umask": self._record["umask"],
            "lock": self._record["lock"],
            "attempts": self._attempts.hand_over(),
            "granted": self._grants.hand_over(),
            "lobby": self._lobby.hand_over(),
            "manager": self._manager.hand_over(),
            "service": self._service.hand_over(),
        }

    def _keep_as_is(self, why: str) -> None:
        """The upgrade, if there is one, has come to an end, and not to a good one."""
        if self._upgrade is not None:
            self._upgrade = None
            note(f"no upgrade: {why}")
            self._lobby.say({"event": "unchanged", "detail": why})
            self._lobby.flush()

    # How the start went, once

    def _report(self, text: str) -> None:
        if self._report_fd >= 0:
            report(self._report_fd, text)
            os.close(self._report_fd)
            self._report_fd = -1

    # Time

    def _done(self) -> bool:
        return (
            self._manager.pid == 0
            and self._restart_at is None
            and self._attempts.live() == 0
            and not self._lobby.pending
        )

    def _patience(self) -> Optional[float]:
        upgrade = None if self._upgrade is None else self._upgrade.until
        parts = (self._attempts.next_time(), self._manager.next_time(), self._lobby.next_time())
        times = [one for one in (self._restart_at, upgrade, *parts) if one is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _on_time(self, now: float) -> None:
        if self._restart_at is not None and now >= self._restart_at:
            self.start_manager(now)
        if self._upgrade is not None and self._upgrade.is_late(now):
            note("the manager is killed, for the upgrade: it took too long")
            self._manager.kill()


def report(fd: int, text: str) -> None:
    """How a start went, to whoever waits for it."""
    try:
        os.write(fd, f"{text}\n".encode())
    except BrokenPipeError:
        note(f"nobody waited for the start to finish: {text}")


def _start(order: Dict[str, Any]) -> Start:
    return Start(**{name: order[name] for name in Start._fields if name in order})
