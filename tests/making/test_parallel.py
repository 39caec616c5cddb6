"""GNU parallel itself says what placeholders mean: each command line here is given to both."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from sjs.cli.sweeps.jobs import Inputs, Typed, sweep_of
from sjs.making.sweep_file import SweepFile

PATHS = [
    *("a/b.c.gz", "a b/c d.e f", "/", "//", "a/", "a//b", "/a", "/a.b/", "a.", ".a", "..", "a..b", "a.b/c", "it's", ""),
]
HOSTILE = [
    *("$(date)", "`id`", '"', "'", "\\", "a;b", "-n", "--x=1", "*", "~", "#", "{}", "{1}", "é", "a\tb", "!x", "$HOME"),
]


def parallels(words: list[str]) -> list[list[str]]:
    """What the shell would make of each line that `parallel` would run."""
    command = ["parallel", "--dry-run", "-k", "-j1", *words]
    environ = {**os.environ, "PARALLEL_SHELL": "/bin/sh", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=environ, check=True)
    return [shlex.split(line) for line in os.fsdecode(done.stdout).splitlines()]


def ours(words: list[str]) -> list[list[str]]:
    """The same of ours, whether it meets a shell or not."""
    made = sweep_of(Typed(words=words), SweepFile(""), Inputs())
    return [shlex.split(spec.command or "") if spec.argv is None else list(spec.argv) for spec in made.specs()]


@pytest.mark.parametrize(
    "words",
    [
        ["echo", ":::", "A", "B", "C"],
        ["echo", "{}", ":::", *PATHS, *HOSTILE],
        ["echo {} {.} {/} {//} {/.}", ":::", *PATHS, *HOSTILE],
        ["echo", "{}", "{.}", "{/}", "{//}", "{/.}", ":::", *PATHS],
        ["echo", "{1}", "{2}", ":::", "A", "B", ":::", "C", "D"],
        ["echo {1} {2}; echo {2} {1}", ":::", "A", "B", ":::", "C", "D"],
        ["echo", "{1/}", "{2/}", "{1//}", "{1.}", "{2/.}", ":::", *PATHS, ":::", "x/y.z"],
        ["echo", "{#}", "{}", ":::", "A", "B", ":::", "C", "D", ":::", "E", "F"],
        ["echo", "x{}y", "-{2}", ":::", "a b", ":::", "c d"],
        ["echo", "{}", ":::", "A", "B", ":::+", "C", "D", ":::", "E"],
        ["echo {#}", ":::", "A", "B"],
        ["echo", "1={1}", "2={2}", "3={3}", ":::", "A", "B", ":::", "C", "D", ":::", "E", "F"],
        ["echo", "/={1/}", "//={1//}", "/.={1/.}", ".={1.}", ":::", "A/B.C", "D/E.F"],
        ["echo", "{2}", "{1}", ":::", "A", "B", "C", ":::+", "D", "E"],
        ["echo", ":::", "A", "B", ":::", "C", "D"],
        ["echo", "x", ":::", "a b", ":::", "c'd"],
        ["wc -l {} > {.}.out", ":::", "a b.txt"],
        ["cp {} {//}/old-{/}; mv {1} {1/.}", ":::", *PATHS[:3]],
        ["echo", "{}", "{a,b}", "${x}", ":::", "A"],
    ],
)
def test_a_command_comes_to_the_same(words: list[str]) -> None:
    """Those of several words have none that a shell would take otherwise: `parallel` always asks one."""
    assert ours(words) == parallels(words)


def test_files_of_values_come_to_the_same(tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "values")
    with open(path, "w") as file:
        file.write("x y\n\n$z\n")
    for mark in ("::::", "::::+"):
        words = ["echo", "{2}", "{1}", ":::", "a", "b", mark, path]
        assert ours(words) == parallels(words)


def test_a_slot_is_counted_from_one_as_there() -> None:
    (line,) = parallels(["echo {%}", ":::", "A"])
    (job,) = sweep_of(Typed(words=["echo {%}", ":::", "A"]), SweepFile(""), Inputs()).specs()
    environ = {"SJS_SLOT": "0"}
    done = subprocess.run(job.program, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == line[1:] == ["1"]
