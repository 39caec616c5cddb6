"""One session with a manager: a header, a greeting, then requests and replies that are told apart by their ids."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeGuard

from sjs import wire
from sjs.errors import Ended, LinkLost, Missing, SjsError, Unreachable, from_wire
from sjs.protocols import Keeping, Lasting, Stream, Transport
from sjs.values import dataclass, field

HELLO = 40.0
"""Seconds for the greeting: a manager may have to be started, or its queue read after a crash."""

ANSWER = 30.0
"""Seconds for an answer that does not wait for jobs."""

MAX_NOISE = 1 << 16
"""Bytes that a login shell may print before the marker line."""

_MARKER = re.compile(rb"sjs (\d+|missing|unpacked|python \S+|failed .*?)\r?$")

DELIVERY = 120.0
"""Seconds for putting the program there, over whatever line."""


@dataclass(frozen=True)
class Parcel:
    """What has to lie on a machine before a session can be opened there, and the program that unpacks it."""

    argv: Sequence[str]
    contents: Callable[[], bytes]


@dataclass(frozen=True)
class Door:
    """How to reach a manager: the program that opens sessions, and what it is told in the header line. `parcel`: what
    is put there when that program says that it is missing; `kind`: whose hands its jobs are in, if not its own."""

    argv: Sequence[str]
    root: str
    pipe: str
    state_dir: str = ""
    start: str = "-"
    parcel: Parcel | None = None
    kind: str = ""

    @property
    def header(self) -> bytes:
        """The line that `ask` reads."""
        kind = (self.kind,) if self.kind else ()  # older versions know of none
        fields = (f"sjs {wire.VERSION}", self.root, self.pipe, self.state_dir, self.start, *kind)
        return "\0".join(fields).encode("utf-8", "surrogateescape") + b"\n"

    @property
    def name(self) -> bytes:
        """What an open session with such a manager is left under: whether it was to be started is told already."""
        return "\0".join((*self.argv, self.root, self.pipe, self.state_dir, self.kind)).encode(
            "utf-8", "surrogateescape"
        )


@dataclass(frozen=True)
class Message:
    """Something that came: a reply, or a piece of a job's output with its bytes."""

    id: int
    body: dict[str, Any]
    payload: bytes = b""


@dataclass
class Session:
    """An open session. After LinkLost it is of no more use. `name`: what it may be left under for the next command;
    `untried`: another command has left it, and nobody knows yet whether it is still there."""

    stream: Stream
    hello: dict[str, Any] = field(default_factory=dict)
    noise: bytes = b""
    name: bytes = b""
    untried: bool = False
    _last: int = 0
    _early: deque[Message] = field(default_factory=deque)
    _owed: set[int] = field(default_factory=set)

    def post(self, op: str, payload: bytes = b"", patience: float = ANSWER, **fields: Any) -> int:
        """Send a request, with the bytes that belong to it (MAX_FRAME at most); its id."""
        self._last += 1
        announced = {"bytes": len(payload)} if payload else {}
        line = wire.encode({"op": op, "id": self._last, **fields, **announced})
        try:
            self.stream.send(line + payload, soon(patience))
        except TimeoutError:
            raise LinkLost(f"{op} was not taken within {patience:.0f} seconds") from None
        self._owed.add(self._last)
        return self._last

    def call(self, op: str, patience: float = ANSWER, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its reply."""
        return self.reply(self.post(op, **fields), patience)

    def reply(self, number: int, patience: float = ANSWER) -> dict[str, Any]:
        """The reply to a request, or the error that it says."""
        return self.answer(number, patience).body

    def answer(self, number: int, patience: float = ANSWER) -> Message:
        """The same, with the bytes that belong to it."""
        try:
            message = self.heard((number,), soon(patience))
        except TimeoutError:
            raise LinkLost(f"no answer within {patience:.0f} seconds") from None
        self._owed.discard(number)
        return checked(message)

    def next(self, wanted: Container[int], deadline: float) -> Message:
        """The next message to one of these requests; others are kept for those who ask for them."""
        return checked(self.heard(wanted, deadline))

    def heard(self, wanted: Container[int], deadline: float) -> Message:
        """The same, be it an error."""
        for index, message in enumerate(self._early):
            if message.id in wanted:
                del self._early[index]
                return message
        while True:
            message = self._receive(deadline)
            self.untried = False
            if not message.payload:  # a request that is answered piece by piece is so until one has none
                self._owed.discard(message.id)
            if message.id in wanted:
                return message
            self._early.append(message)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the other side is gone, or not."""
        with contextlib.suppress(LinkLost, TimeoutError):
            self.next((), soon(seconds))

    def close(self) -> None:
        """Let it go."""
        self.stream.close()

    def rest(self) -> None:
        """Let it go, or have the next command have it: if nothing can come that this one has asked for, and if it is a
        manager that answers. Whoever reads a queue's records in its place has them only until there is one."""
        is_quiet = not (self._owed or self._early) and not self.hello.get("records", True)
        if self.name and is_quiet and _lasts(self.stream):
            self.stream.leave(self.name, json.dumps([self.hello, self._last]).encode())
        else:
            self.close()

    def _receive(self, deadline: float) -> Message:
        body = _decoded(self.stream.line(deadline))
        if "id" not in body and "error" in body:
            raise _error(body)
        number, size = body.get("id"), body.get("bytes", 0)
        if type(number) is not int or type(size) is not int or not 0 <= size <= wire.MAX_FRAME:
            raise LinkLost(f"what came is no reply: {str(body):.80}")
        return Message(number, body, self._payload(size) if size else b"")

    def _payload(self, size: int) -> bytes:
        try:
            return self.stream.take(size, soon(ANSWER))
        except TimeoutError:
            raise LinkLost(f"output stopped in the middle for {ANSWER:.0f} seconds") from None


def soon(seconds: float) -> float:
    """The deadline so many seconds from now."""
    return time.monotonic() + seconds


def open_session(transport: Transport, door: Door, name: bytes = b"", resumes: bool = True) -> Session:
    """Open the door and wait for the manager's greeting. `name`: what the session may be left under; `resumes`: one
    that was left will do."""
    try:
        return _knock(transport, door, name, resumes)
    except Missing:
        if door.parcel is None:
            raise
    _deliver(transport, door.parcel)
    return _knock(transport, door, name, resumes)


def _knock(transport: Transport, door: Door, name: bytes, resumes: bool) -> Session:
    if name and resumes and _keeps(transport):
        stream, note = transport.open_named(door.argv, name)
        if note:
            hello, last = json.loads(note)
            hello["hooks"] = {}  # somebody may have set others since
            return Session(stream, hello, name=name, untried=True, _last=last)
    else:
        stream = transport.open(door.argv)
    try:
        deadline = soon(HELLO)
        with contextlib.suppress(LinkLost):  # who has ended already has said why
            stream.send(door.header, deadline)
        said, noise = _first_word(stream, deadline)
        if said == "missing":
            raise Missing(
                "sjs is not on that machine, or not in this version", "`deploy: never` keeps it from being put there"
            )
        if said != str(wire.VERSION):
            raise Unreachable(f"the manager speaks version {said} of the wire, this client {wire.VERSION}")
        session = Session(stream, noise=noise, name=name)
        session.hello = _greeting(stream, deadline)
        return session
    except TimeoutError:
        stream.close()
        raise Unreachable(f"no greeting within {HELLO:.0f} seconds") from None
    except BaseException:
        stream.close()
        raise


def _keeps(transport: Transport) -> TypeGuard[Keeping]:
    """isinstance would ask the same of each of its methods, and cost as much as all else that a warm command does."""
    return hasattr(transport, "open_named")


def _lasts(stream: Stream) -> TypeGuard[Lasting]:
    return hasattr(stream, "leave")


def _deliver(transport: Transport, parcel: Parcel) -> None:
    """Put the program there that opens sessions."""
    stream = transport.open(parcel.argv)
    try:
        deadline = soon(DELIVERY)
        with contextlib.suppress(LinkLost):  # who has ended already has said why
            stream.send(parcel.contents(), deadline)
        said, _ = _first_word(stream, deadline)
    except TimeoutError:
        raise LinkLost(f"sjs could not be put there within {DELIVERY:.0f} seconds") from None
    finally:
        stream.close()
    if said != "unpacked":
        raise Unreachable(f"sjs cannot be put there: {said.removeprefix('failed ')}")


def _first_word(stream: Stream, deadline: float) -> tuple[str, bytes]:
    """What the marker line says. Before it only a login shell has spoken, or whatever else answers there: its last
    words come with it."""
    seen, noise = 0, b""
    while seen < MAX_NOISE:
        try:
            line = stream.line(deadline)
        except Ended as error:
            raise Unreachable(_with_noise(error.message, noise)) from None
        marker = _MARKER.search(line)
        if marker:
            return _checked_word(marker[1].decode("utf-8", "replace")), noise
        seen += len(line) + 1
        noise = line.strip() or noise
    raise Unreachable(_with_noise("something else than a manager answers there", noise))


def _checked_word(said: str) -> str:
    """The word itself, unless it is about a Python with which nothing can be done."""
    if not said.startswith("python "):
        return said
    found = said.removeprefix("python ")
    problem = "it has no python3" if found == "missing" else f"its python3 is version {found}, too old"
    raise Unreachable(f"{problem}: sjs needs Python 3.8 or newer there", "`python:` in the config can name another one")


def _with_noise(message: str, noise: bytes) -> str:
    return f"{message}; it said: {noise.decode('utf-8', 'replace')[:200]}" if noise else message


def _greeting(stream: Stream, deadline: float) -> dict[str, Any]:
    body = _decoded(stream.line(deadline))
    if "error" in body:
        raise _error(body)
    hello = body.get("hello")
    if not isinstance(hello, dict):
        raise LinkLost(f"what came is no greeting: {str(body):.80}")
    return hello


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return wire.decode(line)
    except SjsError as error:
        raise LinkLost(f"what came is no reply: {error.message}") from None


def checked(message: Message) -> Message:
    """The message, unless it is an error, which is raised."""
    if "error" in message.body:
        raise _error(message.body)
    return message


def _error(body: dict[str, Any]) -> SjsError:
    said = body["error"]
    return from_wire(said if isinstance(said, dict) else {"message": str(said)})
