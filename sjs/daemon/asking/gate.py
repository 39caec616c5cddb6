"""`gate NAME OPTIONS`: what sshd runs for a key instead of what its owner wants run (`command="…",restrict`).

What he wants is SSH_ORIGINAL_COMMAND. It meets no shell: it is one of two lines that our clients send, or nothing
happens. Then this speaks as `ask` does, or has the errands speak. Where the queue is, who asks and what he may is said
by our own arguments (`rules`), never by him. Each change that he asks for, and each refusal, is a line in gate.log,
which lies beside the queue.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Dict, List, Optional

from sjs import wire
from sjs.compact import to_json
from sjs.daemon.asking import rules
from sjs.daemon.asking.ask import Feed, Refusal, Relay, find_manager
from sjs.daemon.asking.rules import CHANGES, ERRANDS, Rules
from sjs.daemon.asking.whose import greeting
from sjs.daemon.ground import notes
from sjs.daemon.ground.caller import EX_UNAVAILABLE, error_line, greet, write
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.errors import BadRequest, SjsError, to_wire

EX_USAGE, EX_NOPERM = 64, 77

SENT = re.compile(
    r"exec /bin/sh -c 'cd && test -f (?P<place>\.cache/sjs/[0-9a-f]{24}/sjs/(?P<part>daemon|errand))/__main__\.py"
    r" \|\| exec echo sjs missing; command -v (?P<python>[A-Za-z0-9_./~+-]+) >/dev/null"
    r" \|\| exec echo sjs python missing; exec (?P=python) -I -S (?P=place)(?P<ask> ask)?'",
    re.ASCII,
)
"""What clients send, of whatever version: `sjs/bundle.py`. Nothing of it is used but which of the two is meant."""

LOOKS = frozenset((*ERRANDS["hosts"], *ERRANDS["doctor"], *ERRANDS["artifacts"]))
"""Errands that change nothing but what one's own jobs have left."""

KEPT_TEXT = 400
"""Characters of a request that the log keeps."""


def main(arguments: List[str]) -> int:
    """Serve whoever sshd has let in with this key."""
    try:
        mine = rules.parse(arguments)
    except SjsError as error:
        sys.stderr.write(f"sjs gate: {error}; this line of authorized_keys lets nobody in\n")
        return EX_USAGE
    where = Places(mine.root, mine.pipe, mine.state)
    log = Log(os.path.join(where.state, "gate.log"), mine.name)
    part = meant(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if part == "daemon":
        return _serve(mine, where, log)
    if part == "errand":
        return _send_on_errands(mine, where, log)
    log.line("came with no command of sjs")
    sys.stderr.write(f"the key {mine.name} opens no shell here: it is for `submit`, and for one queue\n")
    return EX_NOPERM


def meant(command: str) -> Optional[str]:
    """Which program a client wants to speak to; None when it is no client."""
    found = SENT.fullmatch(command)
    if found is None or (found["part"] == "daemon") != bool(found["ask"]):
        return None
    return found["part"]


class Log:
    """Who asked for what, a line each."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._who = f"{name} {os.environ.get('SSH_CONNECTION', '').partition(' ')[0] or '-'}"

    def asked(self, request: Dict[str, Any]) -> None:
        """Something that changes the queue."""
        said = {name: value for name, value in request.items() if name not in ("op", "id", "submitter", "jobs", "envs")}
        jobs = request.get("jobs")
        if request["op"] == "submit":
            said.update(count=len(jobs or ()), first=(jobs or [None])[0])
        else:
            said["jobs"] = jobs
        self.line(f"{request['op']} {to_json(said)[:KEPT_TEXT]}")

    def line(self, text: str) -> None:
        notes.put_aside_if_full(self._path)
        notes.put(self._path, f"{self._who} {text}")


class Filter(Feed):
    """The client's lines, less those that he may not send: to these the reply is why not."""

    def __init__(self, fd: int, mine: Rules, log: Log) -> None:
        super().__init__(fd)
        self._rules = mine
        self._log = log

    def waiting(self) -> List[bytes]:
        return [line for line in map(self._admitted, super().waiting()) if line]

    def _read(self) -> None:
        super()._read()
        if len(self._rest) > wire.MAX_LINE and b"\n" not in self._rest:
            self._rest, self.ended = b"", True
            self._refuse({}, BadRequest(f"a line of more than {wire.MAX_LINE} bytes"))

    def _admitted(self, line: bytes) -> bytes:
        number: Dict[str, Any] = {}
        try:
            request = rules.decode(line)
            number = {"id": request["id"]}
            made = rules.admitted(self._rules, request)
            sent = wire.encode(made)
        except SjsError as error:
            return self._refuse(number, error)
        except RecursionError:
            return self._refuse(number, BadRequest("lists in lists without end"))
        if made["op"] in CHANGES:
            self._log.asked(made)
        return sent

    def _refuse(self, number: Dict[str, Any], error: SjsError) -> bytes:
        self._log.line(f"refused: {ascii(error.message)[1:-1][:KEPT_TEXT]}")
        write(wire.encode({**number, "error": to_wire(error)}))
        return b""


def _serve(mine: Rules, where: Places, log: Log) -> int:
    """As `ask` does, through the filter."""
    feed = Filter(0, mine, log)
    wanted = greet(feed.line())
    if wanted is None:
        return EX_UNAVAILABLE
    try:
        peer = find_manager(where.root, where.pipe, mine.state, _start(mine, wanted[3]))
        write(wire.encode({"hello": {**greeting(peer), "hooks": {}}}))
        Relay(feed, peer).run()
    except Refusal as refusal:
        write(error_line(*refusal.args))
        return EX_UNAVAILABLE
    except BrokenPipeError:
        return EX_UNAVAILABLE  # the client is gone
    return 0


def _start(mine: Rules, wanted: str) -> str:
    """How many may run is not for the client to say."""
    return f"{wanted.partition('=')[0]}=" if "start" in mine.verbs and wanted != "-" else "-"


def _send_on_errands(mine: Rules, where: Places, log: Log) -> int:
    """Become the program that is asked about the machine, with what this key may ask of it."""
    if not LOOKS.issuperset(mine.errands):
        log.line(f"asks the machine, and may {', '.join(mine.errands)}")
    program = os.path.join(os.path.dirname(OURS.folder), "errand")
    told = [",".join(mine.errands), where.root, where.pipe, mine.state, "" if mine.all_jobs else mine.name]
    os.execv(OURS.python, [OURS.python, "-I", "-S", program, *told])
