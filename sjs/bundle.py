"""What goes to machines: collected here, named after its contents, started there without being installed.

It lies in ~/.cache/sjs/<digest>/ there. A machine that lacks it says so, and is sent it over the same connection.
The programs below are constant and hold no quote, `$`, `!`, backslash or newline, so every login shell passes them on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property

import sjs
from sjs.targets.session import Parcel
from sjs.values import dataclass

SHIPPED = (
    "__init__.py",
    "compact.py",
    "errors.py",
    "spec_json.py",
    "values.py",
    "wire.py",
    "core",
    "dialects",
    "snapshots",
    "trees",
    "daemon",
    "errand",
)
WORKER = ("__init__.py", "errors.py", "values.py", "core/__init__.py", "core/names.py", "core/places.py", "worker")
"""What a worker is, which goes where it works as files of its job."""

UNPACK = "sjs/daemon/ground/unpack.py"
PYTHON = "python3"

_PYTHON = "command -v {python} >/dev/null || exec echo sjs python missing; exec {python} -I -S"
_PROGRAM = "cd && test -f {place}/__main__.py || exec echo sjs missing; " + _PYTHON + " {place} {verb}"
_RUN = "import sys; exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"
_UNPACK = _PYTHON + ' -c "{run}"'


@dataclass(frozen=True)
class Bundle:
    """The sources, by their names: Python only, no compiled code."""

    files: Mapping[str, bytes]

    @cached_property
    def digest(self) -> str:
        """Their name: equal sources have the same, whatever their dates and wherever they lie."""
        whole = hashlib.sha256()
        for name, text in sorted(self.files.items()):
            whole.update(b"%b\0%d\0%b" % (name.encode(), len(text), text))
        return whole.hexdigest()[:24]

    def ask(self, python: str = PYTHON) -> list[str]:
        """The program on a machine that opens sessions with its manager, or says `sjs missing`."""
        return self._program("daemon", "ask", python)

    def errand(self, python: str = PYTHON) -> list[str]:
        """The same for what is asked of the machine besides its queue."""
        return self._program("errand", "", python)

    def _program(self, part: str, verb: str, python: str) -> list[str]:
        place = f".cache/sjs/{self.digest}/sjs/{part}"
        return ["/bin/sh", "-c", _PROGRAM.format(place=place, verb=verb, python=python).rstrip()]

    def parcel(self, python: str = PYTHON) -> Parcel:
        """How a machine gets it."""
        return Parcel(["/bin/sh", "-c", _UNPACK.format(python=python, run=_RUN)], self._packed)

    def _packed(self) -> bytes:
        """The unpacking program and what it unpacks, each after a line with its length."""
        texts = {name: text.decode() for name, text in self.files.items()}
        body = json.dumps({"digest": self.digest, "files": texts}).encode("ascii")
        return b"".join(b"%d\n%b" % (len(piece), piece) for piece in (self.files[UNPACK], body))


@cache
def ours() -> Bundle:
    """What there is beside this file."""
    return collect(_here())


def worker() -> Mapping[str, bytes]:
    """The sources of a worker, by their names."""
    return collect(_here(), WORKER).files


def _here() -> str:
    return os.path.dirname(os.path.abspath(sjs.__file__))


def collect(package: str, names: Sequence[str] = SHIPPED) -> Bundle:
    """What there is in that folder of the package."""
    found = {}
    for path in sorted(path for name in names for path in _sources(os.path.join(package, name))):
        with open(path, "rb", buffering=0) as source:
            found["sjs/" + os.path.relpath(path, package).replace(os.sep, "/")] = source.read()
    return Bundle(found)


def _sources(path: str) -> Iterator[str]:
    if path.endswith(".py"):
        yield path
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".py"))
