"""Somebody who types commands in a lab: `with typist(lab) as person: person.types("manager-1 job --wait -- true")`.

The commands run in children of one process that has loaded everything already, so that many of them cost little more
than what they do. That process runs inside the lab:

    python -m tests.rig.typist
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import NamedTuple, NoReturn

import sjs
from sjs.cli import main
from tests.live.machine import DEADLINE
from tests.rig.lab import Lab

SELDOM = ("sjs.daemon", "sjs.gateway", "sjs.results.picture")
"""What machines run, or gateways; and what few commands draw with, which takes longer to load than all the rest."""

PATIENCE = 4 * DEADLINE
"""Seconds for one command, which may wait for a thousand jobs."""


class Typed(NamedTuple):
    """What came of a command."""

    status: int
    out: str
    err: str


class Typist:
    """What is typed goes to one process in the lab, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def types(self, line: str, leave_after: str = "", **environ: str) -> Typed:
        """Type a command and wait for its end; with `leave_after`, press Ctrl-C once it has printed that."""
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"words": shlex.split(line), "leave_after": leave_after, "environ": environ}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], PATIENCE)[0], f"no end of: {line}"
        return Typed(*json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def typist(lab: Lab) -> Iterator[Typist]:
    """Somebody in the client's home."""
    command = lab.command(sys.executable, "-m", "tests.rig.typist")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Typist(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Run commands until nobody types any more."""
    for asked in map(json.loads, sys.stdin):
        sys.stdout.write(json.dumps(run(**asked)) + "\n")
        sys.stdout.flush()


def run(words: list[str], leave_after: str, environ: Mapping[str, str]) -> Typed:
    """One command, in a child."""
    out, writing = os.pipe()
    with tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            for number, fd in enumerate((os.open(os.devnull, os.O_RDONLY), writing, err.fileno())):
                os.dup2(fd, number)
            os.environ.update(environ)
            be_submit(words)
        os.close(writing)
        printed = b""
        with open(out, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 16):
                is_news = leave_after.encode() not in printed
                printed += data
                if leave_after and is_news and leave_after.encode() in printed:
                    os.kill(pid, signal.SIGINT)
        _, status = os.waitpid(pid, 0)
        err.seek(0)
        return Typed(os.waitstatus_to_exitcode(status), printed.decode(), err.read().decode())


def be_submit(words: list[str]) -> NoReturn:
    """Run a command to its end, without that of an interpreter: which would look through all that is loaded."""
    status = 1
    try:
        status = main.run("submit", words)
    except BaseException:  # noqa: BLE001 - told as any process would tell it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):  # whom it was for is gone
            sys.stdout.flush()
        os._exit(status)


def load(package: ModuleType) -> None:
    """All of it that most commands need, for good: no child is to look whether it can let go of any."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith(SELDOM) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    gc.freeze()


if __name__ == "__main__":
    load(sjs)
    serve()
