"""The log: one JSON object a line, written by a thread of its own, so that who reads it slowly holds up nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from time import time
from typing import Any

from sjs.compact import to_json
from sjs.errors import SjsError
from sjs.gateway.identity.guard import REQUEST, Scope
from sjs.gateway.identity.tokens import Token

MOST = 10_000
"""Lines that wait to be written; more are counted, and not kept."""

Line = tuple[str, float, Mapping[str, Any]]

_SECRET = re.compile(
    r"(sjs_[0-9a-f]{16}_)[0-9a-f]+|(?<=\.)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])|(?<=://)[^/\s@]*:[^/\s@]*@"
)
"""Of a token all but its public id; what signs a link; passwords in URLs."""

_SYSLOG = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def scrubbed(text: str) -> str:
    """The text without what is secret."""
    return _SECRET.sub(lambda found: f"{found[1] or ''}…", text)


def line(level: str, now: float, said: Mapping[str, Any], for_journal: bool) -> bytes:
    """A line of the log; its strings have no secrets."""
    at = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = {key: scrubbed(value) if isinstance(value, str) else value for key, value in said.items()}
    text = to_json({"time": at, "level": level, **shown})
    return f"{f'<{_SYSLOG.get(level, 6)}>' if for_journal else ''}{text}\n".encode()


class Lines:
    """Takes lines from any thread. Once it is closed it writes no more."""

    def __init__(self, fd: int, for_journal: bool = False) -> None:
        self._fd = fd
        self._for_journal = for_journal
        self._waiting: deque[Line] = deque()
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="sjs log", daemon=True)
        self._thread.start()

    def put(self, level: str, **said: Any) -> None:
        """Have it written."""
        self.put_all([(level, time(), said)])

    def put_all(self, lines: Sequence[Line]) -> None:
        """Have these written: level, time, and what each says."""
        with self._changed:
            kept = lines[: MOST - len(self._waiting)]
            self._dropped += len(lines) - len(kept)
            if kept and not self._waiting:
                self._changed.notify()
            self._waiting.extend(kept)

    def close(self) -> None:
        """Write what waits, and no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                found, dropped = list(self._waiting), self._dropped
                self._waiting.clear()
                self._dropped = 0
            if dropped:
                found.append(("warning", time(), {"message": f"{dropped} lines are missing here"}))
            if not found:
                return
            self._write(b"".join(line(level, at, said, self._for_journal) for level, at, said in found))

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except OSError:  # nobody reads it any more, and there is nowhere to say so
                return


class Handler(logging.Handler):
    """What the code here, and that of others, has to say."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = {"message": record.getMessage()}
        except (TypeError, ValueError):  # its words do not fit what is to be put into them
            said = {"message": f"{record.msg} {record.args}"}
        if record.name != "sjs.gateway":
            said["logger"] = record.name
        request = REQUEST.get(None)
        if request is not None:
            said["request"] = request
        error = record.exc_info[1] if record.exc_info else None
        foreseen = _foreseen(error)
        if foreseen is not None:
            said["message"] = f"{said['message'].strip()}: {foreseen}"
        elif error is not None:
            said["trace"] = "".join(traceback.format_exception(error))
        self._lines.put(record.levelname.lower(), **said)


def _foreseen(error: BaseException | None) -> SjsError | None:
    """What an error says by itself, wherever in the code it was met: one of ours, or what others have made of it, who
    could not tell it any more in an answer that had begun."""
    known = error if error is None or isinstance(error, SjsError) else error.__cause__
    return known if isinstance(known, SjsError) else None


def install(lines: Lines) -> None:
    """Have everything that is logged in this process written there."""
    root = logging.getLogger()
    root.handlers[:] = [Handler(lines)]
    root.setLevel(logging.WARNING)
    logging.getLogger("sjs").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class Requests:
    """Lines of requests that were answered, in one event loop. Those of one turn of it are handed on together: each
    handing on may wake the thread that writes."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._ended: list[Line] = []

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """One was; status 0: its caller was gone before."""
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._hand_on)
        self._ended.append(("error" if status >= 500 else "info", time(), of_request(scope, status, seconds)))

    def _hand_on(self) -> None:
        ended, self._ended = self._ended, []
        self._lines.put_all(ended)


def of_request(scope: Scope, status: int, seconds: float) -> Mapping[str, Any]:
    """What the log says of a request."""
    token: Token | None = scope["state"].get("token")
    client = scope.get("client")
    return {
        "request": scope["state"]["request_id"],
        "method": scope["method"],
        "path": scope["path"][:1_000],
        "status": status or None,
        "ms": round(seconds * 1_000, 1),
        "owner": token.owner if token else None,
        "token": token.id if token else None,
        "client": client[0] if client else None,
    }
