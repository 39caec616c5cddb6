"""Handing in a few jobs of a sweep to one machine, by the outbox: whatever dies, they are there once or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import Full, NoQueue, NoSpace, Refused, SjsError, Stopping, TooLarge, Unreachable
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.protocols import Target

NOT_HERE = (NoQueue, Stopping, Full, NoSpace, TooLarge)
"""Why a machine does not take jobs that another may."""


class NotTaken(Exception):
    """The machine has not taken them and never will; `error` says why."""

    def __init__(self, error: SjsError) -> None:
        super().__init__(str(error))
        self.error = error


class Posting:
    """Jobs for one target, written down before the first byte leaves. Until it is settled it can be tried again; what
    is closed unsettled, the next command sees through."""

    def __init__(self, outbox: Outbox, head: Head, name: str, start: int, specs: Sequence[Spec]) -> None:
        self._entry = outbox.begin(head)
        self._entry.add(name, start, specs)
        self._entry.seal()
        self._share = self._entry.pending[start]
        self._specs = specs
        self._was_tried = False
        self._closing = threading.Lock()  # who leaves closes what another thread may be about to settle
        self._is_closed = False

    @property
    def count(self) -> int:
        """How many jobs."""
        return self._share.count

    def attempt(self, target: Target) -> Accepted:
        """Have them taken. NotTaken: others may have them; Unreachable: they may be there, so it is still open."""
        head = self._entry.head
        key = f"{head.key}/{self._share.part}"
        again, self._was_tried = self._was_tried, True
        try:
            target.post(key, self._specs, again=again, envs=head.envs, via=head.via)
            accepted = target.collect()
        except NOT_HERE as error:
            self._settle(error)
            raise NotTaken(error) from None
        except Refused as error:
            self._settle(error)
            raise
        except Unreachable as error:
            with self._closing:
                if not self._is_closed:
                    self._entry.try_later(f"{target.name}: {error.message}")
            raise
        self._settle(accepted)
        return accepted

    def close(self) -> None:
        """Leave what is unsettled to the next command."""
        with self._closing:
            self._close()

    def _settle(self, said: Accepted | SjsError) -> None:
        with self._closing:
            if self._is_closed:  # the next command asks again, by the key
                return
            if isinstance(said, SjsError):
                self._entry.refuse(self._share, said)
            else:
                self._entry.take(self._share, said)
            self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._entry.__exit__(None, None, None)
