"""In the manager: bytes in, lines out, and back. The door, sessions over a pair of pipes, reply pipes of seed clients.

Nothing here waits for anybody, and nothing here reads what it carries: a line is bytes. What is bounded: how much is
read in a turn, how long a line is, how much a session may leave unread before its requests are left unread as well.
"""

from __future__ import annotations

import errno
import os
import resource
import selectors
from typing import Dict, List, NamedTuple, Optional, Tuple

from sjs.daemon.ground import places
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.cutting import Lines
from sjs.daemon.manager.door import Door
from sjs.daemon.manager.reply_pipes import ReplyPipes

PIECE = 1 << 18
DOOR_LINE = 1 << 20
TURN_LINES = 256
TURN_BYTES = 16 << 10
"""After so many bytes of requests a turn has enough: many small ones, or one large one."""

MAX_UNREAD = 4 << 20

OTHERS = 32
"""Descriptors that a manager needs for all else than its clients."""

NO_MORE = (errno.EMFILE, errno.ENFILE)


Ready = List[Tuple[selectors.SelectorKey, int]]
"""What a selector gives."""


class Letter(NamedTuple):
    """A line and where it came from: a session, or None for the door."""

    session: Optional[Session]
    line: bytes


class Session:
    """One client's pair of pipes."""

    def __init__(self, name: str, reading: int, writing: int, limit: int) -> None:
        self.name = name
        self.reading = reading
        self.writing = writing
        self.lines = Lines(limit)
        self.out = bytearray()
        self.listening = True
        self.ended = False  # the client has closed its end; what it had sent is still answered
        self.owed = 0  # replies that are to come when something has happened
        self.closed = False

    @property
    def is_full(self) -> bool:
        """Whether so much was left unread that its next requests have to wait."""
        return len(self.out) > MAX_UNREAD


class Mailbox:
    """Everything that reaches a manager, and everything that it says."""

    def __init__(self, where: Places, selector: selectors.BaseSelector, line_limit: int, crowded: bytes) -> None:
        self._where = where
        self._selector = selector
        self._limit = line_limit
        self._door = Door(where.door)
        self._door_lines = Lines(DOOR_LINE)
        self._sessions: Dict[str, Session] = {}
        self._busy: List[Session] = []
        self._replies = ReplyPipes(where.root)
        self._door_is_busy = False
        self._resting = False
        self._crowded = crowded  # what is said to a client that is one too many
        self._most = max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHERS) // 2)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._clean()

    def open_door(self) -> None:
        """Make the pipe if it is missing, and open it."""
        self._door.open()
        self._selector.register(self._door.watch_fd, selectors.EVENT_READ, self._door)
        self._listen_at_door()

    def remove_door(self) -> None:
        """Take the door along, if it is still this one."""
        if self._door.stands():
            os.unlink(self._where.door)

    def mend_door(self, ready: Ready) -> bool:
        """Whether there is another pipe now, because something had happened to the one that was there."""
        if not any(key.data is self._door for key, _ in ready):
            return False
        before = self._door.fd
        is_new = self._door.mend()
        if before >= 0 and not self._resting and (is_new or self._door.fd < 0):
            self._selector.unregister(before)
        if is_new:
            self._listen_at_door()
        return is_new

    def _listen_at_door(self) -> None:
        if not self._resting:
            self._selector.register(self._door.fd, selectors.EVENT_READ, self)

    def rest(self) -> None:
        """Read nothing more. What was read already is still to be handled; the rest waits for another manager."""
        self._resting = True
        if self._door.fd >= 0:
            self._selector.unregister(self._door.fd)

    def collect(self, ready: Ready) -> List[Letter]:
        """The lines of this turn: a bounded share of what is there."""
        for key, events in ready:
            if key.data is self:
                self._read_door()
            elif isinstance(key.data, Session):
                self._on_session(key.data, key.fd, events)
        return self._from_door() + self._from_sessions()

    @property
    def has_more(self) -> bool:
        """Whether lines are left for the next turn."""
        return self._door_is_busy or not all(session.is_full for session in self._busy)

    def open_session(self, name: str) -> Optional[Session]:
        """Open the pair of pipes that a client has made; None when they are not there any more."""
        if name in self._sessions:
            return None
        base = os.path.join(self._where.sessions, name)
        try:
            if len(self._sessions) >= self._most:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            reading = places.open_pipe(base + ".in", os.O_RDONLY)
            try:
                writing = places.open_pipe(base + ".out", os.O_WRONLY)
            except OSError:
                os.close(reading)
                raise
        except OSError as error:
            note(f"session {name} could not be opened: {error}")
            if error.errno in NO_MORE:
                self._turn_away(base + ".out")
            return None
        finally:
            _unlink(base + ".in")
            _unlink(base + ".out")
        session = self._sessions[name] = Session(name, reading, writing, self._limit)
        self._selector.register(reading, selectors.EVENT_READ, session)
        self._selector.register(writing, selectors.EVENT_READ, session)  # to hear of its reader's end
        self._clean()
        return session

    def _turn_away(self, path: str) -> None:
        """Say to a client that it is one too many, with the descriptor that is kept for that."""
        os.close(self._spare)
        try:
            fd = places.open_pipe(path, os.O_WRONLY)
            os.write(fd, self._crowded)
            os.close(fd)
        except OSError as error:
            note(f"and nobody could be told: {error}")
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def send(self, session: Session, data: bytes) -> None:
        """Queue a line for a session's client; `flush` sends it."""
        if not session.closed:
            session.out += data

    def reply(self, port: str, data: bytes, now: float) -> None:
        """Queue a reply for the pipe of that name in the project folder, which the door itself is not."""
        if port != self._where.pipe:
            self._replies.add(port, data, now)

    def flush(self, now: float) -> List[Session]:
        """Send what can be sent; the sessions that have ended since the last call."""
        for session in list(self._sessions.values()):
            if session.out:
                self._send(session)
            self._listen(session)
            if session.ended and not (session.owed or session.out or session in self._busy):
                self._close(session)
        self._replies.flush(now)
        gone = [one for one in self._sessions.values() if one.closed]
        for session in gone:
            del self._sessions[session.name]
        return gone

    def next_time(self) -> Optional[float]:
        """When a reply pipe is to be looked at again."""
        return self._replies.next_time()

    @property
    def is_alone(self) -> bool:
        """Whether nobody is connected, and nobody has left anything."""
        return not self._sessions and not self._door_is_busy and len(self._replies) == 0

    @property
    def owes(self) -> bool:
        """Whether something was said that has not gone out yet."""
        return len(self._replies) > 0 or any(session.out for session in self._sessions.values())

    def close(self) -> None:
        """Close everything; what was not answered is not answered by us."""
        for session in list(self._sessions.values()):
            self._close(session)
        self._door.close()
        os.close(self._spare)

    def _read_door(self) -> None:
        if len(self._door_lines) > DOOR_LINE:
            return  # what is there is handled first
        try:
            self._door_lines.feed(os.read(self._door.fd, PIECE))
        except BlockingIOError:
            return
        self._door_is_busy = True

    def _from_door(self) -> List[Letter]:
        letters: List[Letter] = []
        before = self._door_lines.dropped
        room = TURN_BYTES
        while self._door_is_busy and room > 0 and len(letters) < TURN_LINES:
            line = self._door_lines.next()
            if line is None:
                self._door_is_busy = False
                break
            room -= len(line) + 1
            if line:
                letters.append(Letter(None, line))
        if self._door_lines.dropped != before:
            note(f"dropped a line of more than {DOOR_LINE} bytes at the door")
        return letters

    def _on_session(self, session: Session, fd: int, events: int) -> None:
        if session.closed:
            return
        if fd == session.reading:
            self._receive(session)
        elif events & selectors.EVENT_READ:  # nobody is left to read replies
            self._close(session)
        else:
            self._send(session)

    def _receive(self, session: Session) -> None:
        if session.ended or session.closed or len(session.lines) > self._limit:
            return
        try:
            data = os.read(session.reading, PIECE)
        except BlockingIOError:
            return
        if data:
            session.lines.feed(data)
            if session not in self._busy:
                self._busy.append(session)
        else:
            session.ended = True
            self._listen(session)

    def _from_sessions(self) -> List[Letter]:
        """Whole lines, session by session in turn, until this turn's share is used up.

        A line that was too long comes as an empty one, so that its sender hears of it.
        """
        letters: List[Letter] = []
        room = TURN_BYTES
        waiting = [session for session in self._busy if session.is_full]
        self._busy = [session for session in self._busy if not session.is_full]
        while self._busy and room > 0 and len(letters) < TURN_LINES:
            session = self._busy.pop(0)
            line = None if session.closed else session.lines.next()
            if session.lines.dropped:
                session.lines.dropped = 0
                letters.append(Letter(session, b""))
            if line is not None:
                letters.append(Letter(session, line))
                room -= len(line)
                self._busy.append(session)
        self._busy += waiting
        return letters

    def _send(self, session: Session) -> None:
        while session.out and not session.closed:
            try:
                del session.out[: os.write(session.writing, session.out[:PIECE])]
            except BlockingIOError:
                break
            except BrokenPipeError:
                self._close(session)
                return
        if not session.closed:
            self._watch(session)

    def _listen(self, session: Session) -> None:
        """Hear of requests only while they would be taken; else the selector would tell of them without an end."""
        wanted = not (session.ended or session.closed or session.is_full or self._resting)
        if session.listening and not wanted:
            self._selector.unregister(session.reading)
        elif wanted and not session.listening:
            self._selector.register(session.reading, selectors.EVENT_READ, session)
        session.listening = wanted

    def _watch(self, session: Session) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if session.out else 0)
        if self._selector.get_key(session.writing).events != wanted:
            self._selector.modify(session.writing, wanted, session)

    def _close(self, session: Session) -> None:
        if session.closed:
            return
        session.closed = True
        session.out.clear()
        self._listen(session)
        self._selector.unregister(session.writing)
        os.close(session.reading)
        os.close(session.writing)

    def _clean(self) -> None:
        """Remove pipes of clients that died before any manager opened them; a name begins with its maker's pid."""
        try:
            names = os.listdir(self._where.sessions)
        except OSError as error:  # no descriptor is left for it; the next session will do
            note(f"pipes of dead clients could not be looked for: {error}")
            return
        for name in names:
            pid = name.split("-")[0]
            if not pid.isdigit() or not os.path.exists(f"/proc/{pid}"):
                _unlink(os.path.join(self._where.sessions, name))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return  # its maker was quicker
