"""For how long a connection may be about to ask something. uvicorn waits for ever for the rest of a request's head, and
for the rest of a body that was answered before its end."""

from __future__ import annotations

import asyncio
from typing import Any


def patient(kind: Any, seconds: float) -> Any:
    """One of uvicorn's protocols, which closes connections whose next request has not begun so long after its first
    byte, or, of the first, after they were made. It is what `uvicorn.Config(http=…)` takes."""

    class Patient(kind):  # type: ignore[misc]
        late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.wait_for_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is None or self.cycle.response_complete:
                self.wait_for_head()
            else:
                self.wait_no_more()

        def connection_lost(self, exc: Exception | None) -> None:
            self.wait_no_more()
            super().connection_lost(exc)

        def wait_for_head(self) -> None:
            if self.late is None:
                self.late = asyncio.get_running_loop().call_later(seconds, self.give_up)

        def wait_no_more(self) -> None:
            if self.late is not None:
                self.late.cancel()
                self.late = None

        def give_up(self) -> None:
            self.late = None
            self.transport.abort()

    return Patient
