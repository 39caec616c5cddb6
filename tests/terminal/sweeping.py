"""Plays a sweep to whoever looks at its terminal: each line of a pipe is a word and what it is about.

python -m tests.terminal.sweeping PIPE
"""

from __future__ import annotations

import json
import sys

from sjs.cli.sweeps.now import Failure, MachineNow, SweepNow
from sjs.cli.sweeps.view import SweepView


def main(path: str) -> None:
    with open(path) as orders, SweepView(sys.stderr, "lr", "submit all") as view:
        for what, about in map(json.loads, orders):
            if what == "show":
                view.show(SweepNow(**{**about, "machines": [MachineNow(*one) for one in about["machines"]]}))
            elif what == "line":
                view.line(about)
            elif what == "failures":
                view.failures([Failure(*one) for one in about])
            else:
                stream = sys.stdout if what == "out" else sys.stderr
                stream.write(f"{about}\n")


if __name__ == "__main__":
    main(sys.argv[1])
