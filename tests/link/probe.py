"""A command that does what a test wants it to, typed by somebody with a home of his own and the link that he has."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.live import trees
from tests.live.machine import DEADLINE, wait_for_end

VERB = """\
import os
from sjs.cli.common import verb

@verb("hosts")
def hosts(call):
    call.config()
    with open(os.environ["BEGUN"], "w") as begun:
        begun.write(str(os.getpid()))
    return eval(compile(os.environ["DOES"], "probe", "exec"), {"call": call}) or 0
"""

Done = subprocess.CompletedProcess[str]


def copied(folder: Path) -> Path:
    """A copy of the package, whose verb `hosts` does what $DOES says."""
    trees.copied(folder)
    (folder / "sjs/cli/commands/hosts.py").write_text(VERB)
    return folder


class Person:
    """Who types."""

    def __init__(self, home: Path, tree: Path) -> None:
        self.home = home
        self.tree = tree
        self.begun = home / "begun"
        self.environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "BEGUN": str(self.begun)}
        home.mkdir()
        os.mkfifo(self.begun)
        self._began = os.open(self.begun, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    @property
    def folder(self) -> Path:
        return self.home / ".cache/sjs/link"

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(self.tree / "sjs/warm/submit.py"), *words]

    def types(self, *words: str, **more: Any) -> Done:
        """A command, to its end."""
        given = {**self._usual(), "timeout": DEADLINE, "stdin": subprocess.DEVNULL, **more}
        done: Done = subprocess.run(self.argv(*words), **given)
        self.forget()
        return done

    def forget(self) -> None:
        """Those commands that have begun: nobody asks any more who carried them out."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._began, 1 << 16)

    def does(self, code: str, **more: Any) -> Done:
        """The same, where the command does this."""
        return self.types("all", "hosts", env={**self.environ, "DOES": code}, **more)

    def begins(self, code: str, **more: Any) -> tuple[subprocess.Popen[str], int]:
        """The same, once it has begun, and the process that carries it out."""
        self.forget()
        env = {**self.environ, "DOES": code}
        process: subprocess.Popen[str] = subprocess.Popen(
            self.argv("all", "hosts"), **{**self._usual(), "env": env, "stdin": subprocess.DEVNULL, **more}
        )
        return process, self.worker()

    def worker(self) -> int:
        """Who carries out the command that begins now."""
        assert select.select([self._began], [], [], DEADLINE)[0], "it never began"
        return int(os.read(self._began, 32))

    def link(self) -> int | None:
        """The process that is warm for him."""
        found = re.match(r"link (\d+) ", self.types("--no-link", "local", "link").stdout)
        return int(found[1]) if found else None

    def config(self, text: str) -> None:
        path = self.home / "config.yaml"
        path.write_text(text)
        path.chmod(0o600)

    def close(self) -> None:
        """Leave nothing behind."""
        pid = self.link()
        if pid is not None:
            self.types("local", "link", "--stop")
            wait_for_end(pid)
        os.close(self._began)

    def _usual(self) -> dict[str, Any]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return {"env": self.environ, "cwd": self.home, "text": True, **pipes}
