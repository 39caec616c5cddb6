"""Which code a process runs: a Python and the folder of a machine side. An upgrade is a change of it."""

from __future__ import annotations

import os
import sys
from typing import List, NamedTuple


class Program(NamedTuple):
    """One of perhaps several copies of the machine side."""

    python: str
    folder: str

    def command(self, verb: str, *arguments: str) -> List[str]:
        """What to execute for a verb: without anything that is installed or set for this user."""
        return [self.python, "-I", "-S", self.folder, verb, *arguments]


OURS = Program(sys.executable, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
