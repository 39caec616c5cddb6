"""A whole worker: its slots, its signals, and how it ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import threading
import traceback
from collections import Counter
from typing import Any, Callable, List, Optional, Set

from sjs.errors import SjsError
from sjs.worker.claiming import Claiming
from sjs.worker.commands import Commands
from sjs.worker.connection import Gateway, place_of
from sjs.worker.hand import DONE, FREE, Hand, Tools, Unusable
from sjs.worker.notices import notice
from sjs.worker.order import Order
from sjs.worker.stages import Stages, clock

WELL, SOME_FAILED, BROKEN = 0, 1, 70

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def work(order: Order, token: str) -> int:
    """Work until it is over; the exit status. UsageError for what cannot be worked with."""
    gateway = Gateway(place_of(order.url, order.plain), token, order.authorities)
    folder = tempfile.mkdtemp(prefix="sjs-worker-")
    try:
        return _Worker(order, gateway, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the warden does it again, after the last command


class _Worker:
    def __init__(self, order: Order, gateway: Gateway, folder: str) -> None:
        self._order = order
        self._gateway = gateway
        self._commands = Commands(folder)
        stages = Stages(gateway, order)
        self._claiming = Claiming(order, stages)
        self._tools = Tools(order, stages, self._commands, folder, lambda: self._told > 0)
        self._trouble: Optional[SjsError] = None
        self._told = 0
        self._signal = 0
        self._hurry_at: Optional[float] = None
        self._is_leaving = self._is_hurried = self._is_broken = False
        self._over = 0
        self._lock = threading.Lock()
        self._hands: Set[Hand] = set()
        self._fates: Counter[str] = Counter()
        self._waking, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        before = [(number, signal.getsignal(number)) for number in ENDING]
        for number, how in before:
            if how != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        try:
            self._until_over([self._claiming.work, *[self._slot] * self._order.slots])
        finally:
            signal.set_wakeup_fd(-1)
            for number, how in before:
                signal.signal(number, how)
            self._commands.close()
            self._gateway.close()
        return self._status()

    def _until_over(self, works: List[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=self._carried, args=(one,), daemon=True) for one in works]
        for one in threads:
            one.start()
        poll = select.poll()
        poll.register(self._waking, select.POLLIN)
        poll.register(self._commands.fileno(), select.POLLIN)
        while self._over < len(threads):
            ready = [fd for fd, _ in poll.poll(self._patience())]
            if self._waking in ready:
                os.read(self._waking, 1 << 12)
            if self._commands.fileno() in ready and not self._commands.read():
                poll.unregister(self._commands.fileno())
                self._is_broken = True
                notice("what its commands run in is gone, and they with it")
            self._act()
        for one in threads:
            one.join()

    def _on_signal(self, number: int, frame: Any) -> None:
        self._told += 1
        self._signal = number

    def _patience(self) -> Optional[float]:
        """Milliseconds until the commands have had their time."""
        return None if self._hurry_at is None or self._is_hurried else max(0.0, self._hurry_at - clock()) * 1000

    def _act(self) -> None:
        """Do what was told by signals."""
        if self._told or self._is_broken or self._trouble:
            self._claiming.stop()
            self._gateway.hang_up()
        if self._told and not self._is_leaving:
            self._leave()
        is_late = self._hurry_at is not None and clock() >= self._hurry_at
        if not self._is_hurried and (self._told > 1 or is_late):
            with self._lock:
                self._is_hurried = True
                hands = list(self._hands)
            for hand in hands:
                hand.end()

    def _leave(self) -> None:
        self._is_leaving = True
        if self._order.farewell is not None:
            self._hurry_at = clock() + self._order.farewell
        with self._lock:
            busy = len(self._hands)
        if busy:
            notice(f"no more items; {busy} to be finished first, unless told again")

    def _slot(self) -> None:
        for claim in iter(self._claiming.items.get, None):
            hand = Hand(self._tools, claim)
            with self._lock:
                self._hands.add(hand)
                if self._is_hurried:
                    hand.end()
            try:
                fate = hand.work()
            except Unusable as error:
                fate = FREE
                self._stop_for(error)
            finally:
                with self._lock:
                    self._hands.discard(hand)
                self._claiming.freed()
            with self._lock:
                self._fates[fate] += 1

    def _stop_for(self, trouble: SjsError) -> None:
        """Claim no more: the next item would have the same trouble. What runs here may end."""
        self._trouble = trouble
        self._claiming.stop()
        os.write(self._wake, b"\0")

    def _carried(self, one: Callable[[], None]) -> None:
        """A thread's work. What goes wrong in one, against all thought, ends the worker, and is seen."""
        try:
            one()
        except BaseException:  # noqa: BLE001 (a thread has nobody else to tell)
            traceback.print_exc()
            self._is_broken = True
        finally:
            with self._lock:
                self._over += 1
            os.write(self._wake, b"\0")

    def _status(self) -> int:
        trouble = self._claiming.trouble or self._trouble
        if trouble is not None:
            raise trouble
        if self._is_broken:
            return BROKEN
        if self._fates[FREE]:
            return 128 + self._signal
        return WELL if set(self._fates) <= {DONE} else SOME_FAILED
