"""Copies of the machine side in folders of their own: other versions of sjs, and ones with a fault at a known place."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sjs.bundle import SHIPPED
from tests.live.machine import DEADLINE, ROOT, Machine, cmdline

PACKAGE = ROOT / "sjs"

DIE_ONCE = """
import os as fate
try:
    fate.unlink({mark!r})
    fate.kill(fate.getpid(), 9)
except FileNotFoundError:
    pass
"""


def copied(folder: Path, name: str = "") -> None:
    """Copy the package there, or that folder of it: with what is compiled of it, but for what is being compiled now."""
    shutil.copytree(PACKAGE / name, folder / "sjs" / name, ignore=shutil.ignore_patterns("*.pyc.*"))


def shipped(folder: Path) -> None:
    """The same, of what goes to machines."""
    (folder / "sjs").mkdir(parents=True)
    for name in SHIPPED:
        if (PACKAGE / name).is_dir():
            copied(folder, name)
        else:
            shutil.copy2(PACKAGE / name, folder / "sjs" / name)  # with its date, by which compiled code is known


class Tree:
    """One copy."""

    def __init__(self, folder: Path, version: str) -> None:
        self.version = version
        self.daemon = folder / "sjs" / "daemon"
        self._mark = folder / "armed"
        shipped(folder)
        self.edit("../__init__.py", '__version__ = "', f'__version__ = "{version}"  # "')

    def edit(self, name: str, old: str, new: str) -> Tree:
        """Put other text in the place of what stands there once."""
        path = self.daemon / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))
        return self

    def die_once_at(self, name: str, line: str) -> Tree:
        """Have the first process that comes to this line, once `arm` was called, killed by SIGKILL before it."""
        path = self.daemon / name
        before, found, after = path.read_text().partition(f"{line}\n")
        assert found, f"{line!r} does not stand in {name}"
        indent = before.rpartition("\n")[2]
        code = DIE_ONCE.format(mark=str(self._mark)).strip("\n").replace("\n", f"\n{indent}")
        path.write_text(f"{before}{code}\n{indent}{found}{after}")
        return self

    def arm(self) -> None:
        self._mark.touch()

    @property
    def is_armed(self) -> bool:
        """Whether nobody has died yet."""
        return self._mark.exists()

    def upgrade(self, machine: Machine) -> subprocess.CompletedProcess[str]:
        """Have this code manage the queue."""
        return self.job_manager(machine, "--upgrade")

    def job_manager(self, machine: Machine, *options: str) -> subprocess.CompletedProcess[str]:
        """This code's command, for that queue."""
        command = [machine.python, "-I", "-S", str(self.daemon), "job_manager", "--root", str(machine.root), *options]
        return subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE, check=False)

    def runs(self, machine: Machine) -> bool:
        """Whether keeper and manager are of this code."""
        pids = (machine.keeper_pid, machine.manager_pid)
        return all(cmdline(pid).split(b"\0")[3] == str(self.daemon).encode() for pid in pids)
