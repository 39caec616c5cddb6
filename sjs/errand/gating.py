"""Who else may use the queue: a line of ~/.ssh/authorized_keys with which a key opens a gate, and no shell."""

from __future__ import annotations

import base64
import fcntl
import os
import re
import tempfile
from typing import Dict, List, Tuple

from sjs.core import login_shell
from sjs.daemon.asking import rules
from sjs.daemon.ground import stable
from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request, texts
from sjs.errors import BadRequest, Refused
from sjs.wire import text

FILE = "~/.ssh/authorized_keys"
LONGEST = 8_000
"""Characters of a line that every sshd reads."""

_KIND = re.compile(r"[a-z0-9@.-]{1,64}", re.ASCII)


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"gate": gate}


def gate(request: Request, client: Client, where: Places) -> Reply:
    """The line for a key, put into the file if `install` says so; or `remove` the line that bears the name."""
    name = text(request, "name")
    path = os.path.realpath(os.path.expanduser(FILE))
    if request.get("remove") is True:
        return {"line": "", "path": path, "changed": _change(path, name, "", "")}
    line, blob = _line(where, name, text(request, "key"), texts(request, "options"))
    if request.get("install") is not True:
        return {"line": line, "path": path, "changed": False}
    return {"line": line, "path": path, "changed": _change(path, name, line, blob)}


def _line(where: Places, name: str, key: str, options: List[str]) -> Tuple[str, str]:
    """The line, and in it the key itself."""
    kind, blob = _public(key)
    is_usual = where.state == Places(where.root, where.pipe).state
    place = ["--root", where.root, "--pipe", where.pipe, *([] if is_usual else ["--state", where.state])]
    mine = rules.parse([name, *place, *options])
    try:
        command = login_shell.line(stable.program().command("gate", *mine.words()))
    except ValueError as error:
        raise BadRequest(f"the line can not be written: {error}") from None
    quoted = command.replace('"', '\\"')
    line = f'command="{quoted}",restrict {kind} {blob} {_mark(name)}'
    if len(line) > LONGEST:
        raise BadRequest(f"a line of {len(line)} characters, of which sshd reads {LONGEST}", "name fewer commands")
    return line, blob


def _public(key: str) -> Tuple[str, str]:
    """Kind and blob of a public key, as one line of a .pub file holds it."""
    fields = key.split()
    if len(fields) >= 2 and _KIND.fullmatch(fields[0]) and len(key.strip().splitlines()) == 1:
        kind = fields[0].encode()
        try:
            data = base64.b64decode(fields[1], validate=True)
        except ValueError:
            data = b""
        if data.startswith(len(kind).to_bytes(4, "big") + kind):
            return fields[0], fields[1]
    raise BadRequest("that is no public key", "it is the one line of a file like id_ed25519.pub")


def _mark(name: str) -> str:
    return f"sjs-gate:{name}"


def _change(path: str, name: str, line: str, blob: str) -> bool:
    """Have that line for the name, or none; whether that changed the file."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = _read(path)
        kept = [one for one in old if one.startswith("#") or _mark(name) not in one.split()]
        for number, one in enumerate(old, 1):
            if blob and one in kept and blob in one.split() and not one.startswith("#"):
                raise Refused(f"{path}:{number} lets this key in already", "remove that line: the first one counts")
        new = [*kept, *([line] if line else [])]
        if new != old:
            _write(path, new)
        return new != old
    finally:
        os.close(lock)


def _read(path: str) -> List[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as source:
            return [line for line in source.read().split("\n") if line]
    except FileNotFoundError:
        return []


def _write(path: str, lines: List[str]) -> None:
    """All of it or nothing: who is locked out of a machine cannot mend it."""
    fd, fresh = tempfile.mkstemp(prefix=".authorized_keys-", dir=os.path.dirname(path))
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as target:
            target.writelines(line + "\n" for line in lines)
            target.flush()
            os.fsync(fd)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
