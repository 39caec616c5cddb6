"""In the manager: what a person has shut. It stays so over restarts, until a person opens it again."""

from __future__ import annotations

from typing import List

from sjs.daemon.queue.store import Store

DRAINED = "drained"
PAUSED = "paused"


class Gates:
    """Whether new jobs may start. `drained`: what runs goes on; `paused`: that stands still, too."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.drained = store.meta(DRAINED) == "1"
        self.paused = store.meta(PAUSED) == "1"

    @property
    def reasons(self) -> List[str]:
        """Why nothing starts."""
        drained = ["the manager is drained; undrain it"] if self.drained else []
        return drained + (["the manager is paused; resume it"] if self.paused else [])

    def drain(self, on: bool) -> None:
        self.drained = on
        self._store.set_meta(DRAINED, str(int(on)))

    def pause(self, on: bool) -> None:
        self.paused = on
        self._store.set_meta(PAUSED, str(int(on)))
