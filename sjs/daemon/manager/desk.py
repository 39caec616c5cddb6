"""In the manager: what comes in as lines becomes requests, and what is said to them goes out as lines.

Two kinds of people ask: sessions, in JSON, and those who write a record at the door, in one of the older dialects.
"""

from __future__ import annotations

from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from sjs import wire
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.notes import note
from sjs.daemon.manager.handlers import PARKED, Handlers
from sjs.daemon.manager.mailbox import Letter, Mailbox, Session
from sjs.daemon.manager.subjects import Reply, Request
from sjs.daemon.manager.waits import Waiting, Waits
from sjs.dialects import pipe
from sjs.errors import BadRequest, SjsError, to_wire


class Ask(NamedTuple):
    """A request and who is to get the reply: a session, or the sender of a record at the door."""

    session: Optional[Session]
    request: Request
    call: Optional[pipe.Call] = None


class Desk:
    """Between the mailbox and those who handle requests."""

    def __init__(self, mailbox: Mailbox, handlers: Handlers, waits: Waits) -> None:
        self._mailbox = mailbox
        self._handlers = handlers
        self._waits = waits
        self._replies: List[Tuple[Ask, Any]] = []

    def read(self, letters: Iterable[Letter]) -> List[Ask]:
        """The requests in them. What makes none is answered, or noted, and no more."""
        asked = [self._read(letter) for letter in letters]
        return [ask for ask in asked if ask is not None]

    def _read(self, letter: Letter) -> Optional[Ask]:
        if letter.session is not None:
            try:
                if not letter.line:
                    raise BadRequest(f"a line that is empty, or longer than {wire.MAX_LINE} bytes")
                return Ask(letter.session, wire.decode(letter.line))
            except BadRequest as error:
                self._replies.append((Ask(letter.session, {}), {"error": to_wire(error)}))
                return None
        record = pipe.split(letter.line)
        if record is None:
            note(f"no record in a line of {len(letter.line)} bytes at the door")
            return None
        name = pipe.session_of(record)
        if name is not None:
            session = self._mailbox.open_session(name)
            if session is not None:
                self._replies.append((Ask(session, {}), self._handlers.hello()))
            return None
        call = pipe.translate(record)
        return Ask(None, call.request, call)

    def handle(self, ask: Ask, now: Now) -> None:
        """Have it handled. Its reply goes out with `answer`, or when what it waits for has happened."""
        try:
            reply: Reply = self._handlers.handle(ask.request, ask.session, now)
        except SjsError as error:
            if ask.call is not None:
                self._replies.append((ask, error))
                return
            reply = {"error": to_wire(error)}
        if reply is PARKED:
            if ask.session is not None:
                ask.session.owed += 1
        else:
            self._replies.append((ask, reply))

    def refuse(self, ask: Ask, error: SjsError) -> None:
        """Have it refused, unhandled."""
        self._replies.append((ask, error if ask.call is not None else {"error": to_wire(error)}))

    def answer(self, now: Now) -> None:
        """Send all replies that there are by now."""
        for waiting in self._waits.due(now.steady):
            waiting.session.owed -= 1
            self._replies.append((Ask(waiting.session, waiting.request), self._answer_waiting(waiting)))
        for ask, reply in self._replies:
            if ask.session is not None:
                number = {"id": ask.request["id"]} if "id" in ask.request else {}
                self._mailbox.send(ask.session, wire.encode({**number, **reply}))
            elif ask.call is not None:
                self._answer_call(ask.call, reply, now)
        self._replies = []
        for session in self._mailbox.flush(now.steady):
            self._waits.drop(session)

    def _answer_waiting(self, waiting: Waiting) -> Reply:
        try:
            return self._handlers.answer(waiting.request, waiting.done)
        except SjsError as error:
            return {"error": to_wire(error)}

    def _answer_call(self, call: pipe.Call, reply: Any, now: Now) -> None:
        if call.port_refused:
            note(f"a {call.shape} request named a reply pipe that is no plain name; it gets no reply")
        if call.port is not None:
            failed = isinstance(reply, SjsError)
            self._mailbox.reply(call.port, pipe.failure(call, reply) if failed else pipe.reply(call, reply), now.steady)
