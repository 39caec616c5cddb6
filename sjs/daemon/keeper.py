"""The keeper: the only process that starts, signals and reaps jobs. Small, single-threaded, without a database.

It starts the manager and restarts it when it dies; takes its orders over a socketpair; remembers every start and end
until the manager says that it has stored it. A manager that is killed therefore loses nothing: its successor is told
all at once (`hello`). The keeper ends when a manager that was stopped on purpose is gone and the last job has ended.

Orders: start, stop, forget, hold (keep the door's bytes alive), ready, bye.   News: hello, started, ended, stop.
To people who wait at the socket: ready, running, stopped, failed.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any, Dict, List, Optional

from sjs.daemon import kernel, places
from sjs.daemon.attempt import Attempts, how_ended
from sjs.daemon.lines import LineSocket
from sjs.daemon.notes import note
from sjs.daemon.places import Places
from sjs.daemon.spawn import Start

CALM = 10.0
"""Seconds over which deaths of the manager are counted."""

LAZY = 0.005
"""Seconds that news of a start may wait for company: most short jobs have ended by then, and the manager wakes once."""

PATIENCE = 5
"""Deaths within CALM after which restarts slow down."""

PATIENT = 2.0
"""Seconds for which a half-started job may hold a dead keeper's lock. Who holds it longer is a keeper."""

MAX_WAITING = 64
"""People at the socket. One more is hung up on."""

MAX_WISH = 4096
"""Bytes that one of them may say at a time."""


def main(arguments: List[str]) -> int:
    """`keep FD ROOT PIPE STATE MAX`: become the keeper of a queue, and report at FD how that went.

    -FD: this was the manager, whose keeper has died; FD is its lock, to be let go once the keeper's is held.
    """
    report_fd, root, pipe, state, maximum = int(arguments[0]), *arguments[1:5]
    os.set_inheritable(abs(report_fd), False)
    where = Places(root, pipe, state)
    umask = os.umask(0o077)
    lock = places.take_lock(where.keeper_lock, PATIENT if report_fd < 0 else places.LOOK)
    if lock is None:
        holder = places.holder(where.keeper_lock)
        if report_fd < 0:
            note(f"{holder} was quicker")
        else:
            os.write(report_fd, f"busy {holder}\n".encode())
        return 0
    keeper = Keeper(where, umask, maximum)
    if report_fd < 0:
        os.close(-report_fd)
    else:
        os.set_inheritable(report_fd, False)
        keeper.report_to(report_fd)
    keeper.start_manager()
    gc.freeze()  # what is here stays; a forked child need not look at it again
    keeper.run()
    return 0


class Keeper:
    """One queue's keeper."""

    def __init__(self, where: Places, umask: int, maximum: str) -> None:
        self._where = where
        self._maximum = maximum
        self._selector = selectors.DefaultSelector()
        self._wakeup = self._listen_to_signals()
        self._listener = self._listen_at(where)
        self._waiting: List[LineSocket] = []
        self._manager: Optional[LineSocket] = None
        self._manager_pid = 0
        self._manager_ready = False
        self._restart_at: Optional[float] = None
        self._tell_at: Optional[float] = None
        self._deaths: List[float] = []
        self._stop_wanted = False
        self._next_maximum: Optional[str] = None  # set when a manager is wanted after the one that is about to stop
        self._door = -1
        self._report_fd = -1
        if not kernel.become_subreaper():
            note("this kernel gives no subreaper: processes that leave their job's session can not be found again")
        self._attempts = Attempts(where, umask, self._selector, self._tell)

    def report_to(self, fd: int) -> None:
        """Where to say, once, how the start went."""
        self._report_fd = fd

    def run(self) -> None:
        """Until nobody needs a keeper any more."""
        while not self._done():
            ready = self._selector.select(self._patience())
            self.turn([key.data for key, _ in ready], time.monotonic())

    def turn(self, ready: List[Any], now: float) -> None:
        """One round: ended processes, then orders, then time."""
        self._drain_wakeup()
        for pid, status, usage in _reaped():
            if pid == self._manager_pid:
                self._manager_ended(status, now)
            else:
                self._attempts.reaped(pid, status, usage)
        self._attempts.settle(self._manager_pid)
        if self._listener in ready:
            self._welcome()
        if self._manager in ready:
            self._hear_manager()
        self._hear_waiting()
        self._attempts.on_time(now)
        if self._restart_at is not None and now >= self._restart_at:
            self.start_manager()
        for link in self._waiting:
            link.flush()
        if self._manager is not None and (self._tell_at is None or now >= self._tell_at):
            self._tell_at = None
            self._manager.flush()

    def start_manager(self) -> None:
        """Start a manager at the other end of a new socketpair, and tell it all that is known."""
        self._restart_at = None
        self._stop_wanted = False
        self._forget_stop()
        ours, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        self._manager_pid = os.fork()
        if self._manager_pid == 0:
            self._become_manager(theirs.fileno())
        theirs.close()
        self._manager_ready = False
        self._manager = LineSocket(ours, self._selector)
        self._manager.send({"on": "hello", **self._attempts.known()})
        self._manager.flush()

    def _become_manager(self, fd: int) -> None:
        where = self._where
        try:
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            program = [sys.executable, "-I", "-S", os.path.dirname(os.path.abspath(__file__)), "serve"]
            os.execv(sys.executable, [*program, str(fd), where.root, where.pipe, where.state, self._maximum])
        finally:
            os._exit(127)

    def _manager_ended(self, status: int, now: float) -> None:
        """It may have died in the middle of a word; what it said before that is read first, and obeyed."""
        self._manager_pid = 0
        self._hear_manager()
        if self._manager is not None:
            self._manager.close()
            self._manager = None
            self._tell_at = None
        if not self._stop_wanted:
            self._plan_restart(status, now)
            return
        self._end_service()
        if self._next_maximum is not None:
            self._maximum, self._next_maximum = self._next_maximum, None
            self.start_manager()

    def _plan_restart(self, status: int, now: float) -> None:
        how = how_ended(status)
        if not self._manager_ready and self._report_fd >= 0:
            self._report(f"failed {how}")
            self._end_service()
            return
        self._deaths = [one for one in self._deaths if one > now - CALM] + [now]
        delay = 0.0 if len(self._deaths) <= PATIENCE else min(10.0, 0.1 * 2 ** (len(self._deaths) - PATIENCE))
        note(f"the manager ended by itself ({how}); starting it again" + (f" in {delay:g} s" if delay else ""))
        self._restart_at = now + delay

    def _end_service(self) -> None:
        """Nobody reads the door from now on, and clients can tell."""
        self._let_go_of_door()
        self._restart_at = None
        self._say({"event": "stopped", "running": self._attempts.live()})

    def _done(self) -> bool:
        return (
            self._manager_pid == 0
            and self._restart_at is None
            and self._attempts.live() == 0
            and not any(link.pending for link in self._waiting)
        )

    def _patience(self) -> Optional[float]:
        times = [one for one in (self._restart_at, self._tell_at, self._attempts.next_time()) if one is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _hear_manager(self) -> None:
        if self._manager is None:
            return
        for order in self._manager.receive():
            self._obey(order)

    def _obey(self, order: Dict[str, Any]) -> None:
        verb = order["do"]
        if verb == "start":
            self._attempts.start(Start(**{name: order[name] for name in Start._fields}))
        elif verb == "stop":
            self._attempts.stop(order["tag"], order["grace"])
        elif verb == "forget":
            self._attempts.forget(order["tags"])
        elif verb == "hold":
            self._hold_door()
        elif verb == "ready":
            self._manager_ready = True
            self._maximum = "-"  # it is in the queue's own record now; a restart keeps what was set since
            self._report(f"ready {self._manager_pid}")
            self._say({"event": "ready", "pid": self._manager_pid})
        elif verb == "bye":
            self._stop_wanted = True
            self._mark_as_stopped()

    def _hold_door(self) -> None:
        self._let_go_of_door()
        try:
            self._door = os.open(self._where.door, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:  # removed this moment; the manager will make it again, and say so again
            note(f"the door could not be held: {error}")

    def _let_go_of_door(self) -> None:
        if self._door >= 0:
            os.close(self._door)
            self._door = -1

    def _mark_as_stopped(self) -> None:
        try:
            with open(self._where.stopped, "w", encoding="ascii") as mark:
                mark.write("stopped on purpose\n")
        except OSError as error:
            note(f"that it was stopped on purpose could not be written down: {error}")

    def _forget_stop(self) -> None:
        try:
            os.unlink(self._where.stopped)
        except OSError:
            return  # it was not stopped on purpose

    def _tell(self, news: Dict[str, Any]) -> None:
        """To the manager; without one, its successor is told by `hello`."""
        if self._manager is not None:
            lazy = news["on"] == "started" and (self._tell_at is not None or not self._manager.pending)
            self._tell_at = (self._tell_at or time.monotonic() + LAZY) if lazy else None
            self._manager.send(news)

    def _welcome(self) -> None:
        connection, _ = self._listener.accept()
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(LineSocket(connection, self._selector, MAX_WISH))
        else:
            connection.close()

    def _hear_waiting(self) -> None:
        for link in self._waiting:
            for wish in link.receive():
                if wish.get("do") == "stop":
                    self._ask_manager_to_stop()
                elif wish.get("do") == "start":
                    self._start_if_none(link, str(wish.get("max", "-")))
        self._waiting = [link for link in self._waiting if not link.closed]

    def _start_if_none(self, link: LineSocket, maximum: str) -> None:
        maximum = maximum if maximum.isdigit() else "-"
        if self._manager_pid and self._stop_wanted:
            self._next_maximum = maximum
            return
        if self._manager_pid:
            link.send({"event": "running", "pid": self._manager_pid, "host": os.uname().nodename})
            return
        self._maximum = maximum
        self.start_manager()

    def _ask_manager_to_stop(self) -> None:
        if self._manager is not None:
            self._manager.send({"on": "stop"})
        else:
            self._end_service()

    def _say(self, event: Dict[str, Any]) -> None:
        for link in self._waiting:
            link.send(event)

    def _report(self, text: str) -> None:
        if self._report_fd >= 0:
            try:
                os.write(self._report_fd, f"{text}\n".encode())
            except BrokenPipeError:
                note(f"nobody waited for the start to finish: {text}")
            os.close(self._report_fd)
            self._report_fd = -1

    def _listen_to_signals(self) -> int:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        self._selector.register(reading, selectors.EVENT_READ, None)
        return reading

    def _drain_wakeup(self) -> None:
        try:
            numbers = os.read(self._wakeup, 4096)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers:
            self._ask_manager_to_stop()

    def _listen_at(self, where: Places) -> socket.socket:
        """Listen in the state folder, whose path may be longer than a socket's name can be."""
        folder = os.open(where.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if os.path.lexists(where.keeper_socket):
                os.unlink(where.keeper_socket)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(where.keeper_socket)}")
        finally:
            os.close(folder)
        listener.listen(16)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, listener)
        return listener


def _reaped() -> Any:
    """Every child that has ended: (pid, status, usage). One SIGCHLD may stand for many, so until none is left."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status, usage
