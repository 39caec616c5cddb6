"""In `ask`, when no manager owns the queue: its records, read in place under the manager's lock."""

from __future__ import annotations

import os
from typing import Any, Dict

from sjs.daemon.asking.replies import Answering
from sjs.daemon.ground import clock, journal, places
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.queue.database import Damaged, StorageError
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.errors import NoManager, SjsError, Stopped, Stopping

ANSWERED = ("list", "details", "output", "wait", "lookup", "environment", "submit", "decline")
"""`submit` only says whether the jobs were taken while there was a manager; `decline` alone changes something."""


class Records(Answering):
    """Answers what can be read."""

    def __init__(self, where: Places) -> None:
        self._lock = places.take_lock(where.manager_lock, places.FOREVER)
        self._where = where
        try:
            self._open()
        except (StorageError, Damaged) as error:
            raise _unreadable(where, error) from None
        super().__init__(self._handlers.hello(records=True), self._reply)

    def _open(self) -> None:
        self._store = Store(self._where.database)
        ledger = self._ledger = Ledger(self._store)
        self._handlers = Handlers(self._where, ledger, self._store, None)
        self._handlers.condition.stopping = True
        _take_in_ends(ledger, self._where.state)

    def no_more(self) -> None:
        """The client has nothing more to ask."""
        self._store.close()
        super().no_more()

    def _reply(self, request: Dict[str, Any]) -> Dict[str, Any]:
        if request.get("op") not in ANSWERED:
            raise self._nobody()
        try:
            reply = self._handlers.handle(request, None, clock.look())
            self._ledger.commit()
            return reply
        except NoManager:  # it would have to wait for something to happen
            raise self._nobody() from None
        except Stopping:
            nobody = self._nobody()
            raise Stopping(nobody.message, "start it") from None
        except StorageError as error:
            raise _unreadable(self._where, error) from None

    def _nobody(self) -> NoManager:
        hint = "start it; its records can be read meanwhile"
        if os.path.exists(self._where.stopped):
            return Stopped(f"the manager of {self._where.door} was stopped on purpose", hint)
        return NoManager(f"the manager of {self._where.door} is not running", hint)


def _unreadable(where: Places, error: Exception) -> SjsError:
    return SjsError(f"{where.database} cannot be read: {error}", "start its manager, which mends what can be mended")


def _take_in_ends(ledger: Ledger, state: str) -> None:
    """Store what the keeper has written down since there was a manager: the next one then hears nothing new."""
    for _, entry in journal.read(state).values():
        if entry.end is not None:
            ledger.on_started(entry.tag, entry.pid, entry.at)
            ledger.on_ended(entry.tag, entry.end)
    ledger.commit()
