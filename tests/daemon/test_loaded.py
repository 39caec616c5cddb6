"""What each process of the machine side loads: a command waits for it, and an idle queue keeps it in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sjs.daemon.ground import stable, unpack
from tests.live.machine import ROOT

HEAVY = {
    *("argparse", "ast", "asyncio", "bz2", "dataclasses", "dis", "hashlib", "inspect", "logging", "lzma", "random"),
    *("shutil", "subprocess", "tempfile", "tokenize", "traceback", "zlib"),
}
"""What none of them needs before something happens that is rare."""

LIGHT = {"collections", "contextlib", "enum", "functools", "json", "re", "types", "typing"}
"""What is not much, but as much again as all that `ask` does."""


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("sjs.daemon.asking.ask", HEAVY | LIGHT | {"socket", "selectors", "sqlite3"}),
        ("sjs.errand.session", HEAVY | {"socket", "selectors", "sqlite3", "sjs.errand.facts", "sjs.errand.checks"}),
        ("sjs.daemon.keeper.keep", HEAVY | {"sqlite3", "threading"}),
        ("sjs.daemon.manager.serving", HEAVY),
    ],
)
def test_what_a_process_does_without(module: str, without: set[str]) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import sjs.daemon.__main__, {module}; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())
    assert module in loaded
    assert not loaded & without


def test_two_who_do_not_know_each_other_call_one_link_the_same() -> None:
    assert stable.CURRENT == unpack.CURRENT
