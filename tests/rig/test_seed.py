"""Managers of simple-job-submit on machines behind ssh."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.live import seed
from tests.live.machine import ROOT, until
from tests.rig.lab import PROJECT, Host, rig
from tests.rig.typist import typist

LENT = "/run/host/python2"
OWN_PYTHON = "/usr/bin/python3"


EACH = [("old", "ssh", seed.LIVE), ("new", "openssh", seed.RECORDED)]
"""In the short form; the long one has both forms of both."""

if os.environ.get("SJS_RIG_LONG"):
    EACH += [("old", "ssh", seed.RECORDED), ("new", "openssh", seed.LIVE)]


@pytest.mark.parametrize(("dialect", "transport", "form"), EACH)
def test_what_a_person_does(dialect: str, transport: str, form: str) -> None:
    """First without a Python 3 there, which must not disturb that manager: its tape begins with the second command."""
    python = seed.insist(form)
    with rig(1) as lab, typist(lab) as person:
        host = lab.hosts[0]
        begin(host, seed.command(dialect, form, Path("../heard"), python or OWN_PYTHON), python)
        (lab.home / "commands.txt").write_text(seed.LINES)

        def submit(*words: str) -> seed.Said:
            return person.types(shlex.join(words))

        lab.config(transport=transport, python="/no/python3")
        code, out, err = submit(seed.NAME, "status")
        assert (code, out) == (255, ""), err
        assert "it has no python3: sjs needs Python 3.8 or newer there" in err

        lab.config(transport=transport)
        seed.walk(dialect, submit)
        assert [path.name for path in host.root.glob("*.port")] == []
        if form == seed.RECORDED:
            until(lambda: (host.home / "status").exists(), "the end of the tape")
            assert (host.home / "status").read_text() == "0\n", (host.home / "log").read_text()
        else:
            until(lambda: {path.name for path in host.root.iterdir()} >= seed.FILES, f"{seed.FILES}")
            seed.open_gate(host.root)
            until(lambda: (host.root / "first").exists() and bool((host.root / "first").read_text()), "the first job")
            assert (host.home / "heard").read_bytes() == seed.tape(dialect).read_bytes()


def begin(host: Host, argv: Sequence[str], python: str) -> None:
    """Run it there, as its user would, in the project folder."""
    host.call("mkfifo", f"{PROJECT}/gate")
    there = shlex.join(argv).replace(str(ROOT), "/mnt")
    if python:
        there = there.replace(shlex.quote(python), lend(host, Path(python)))
    host.call("sh", "-c", f"cd {PROJECT}; ({there}; echo $? > ../new; mv ../new ../status) < /dev/null > ../log 2>&1 &")
    until((host.root / "jobs.pipe").is_fifo, f"its pipe; {host.home}/log says why")


def lend(host: Host, python: Path) -> str:
    """How the host's user runs a Python that lies in a home of this machine, where that user may not look."""
    (host.folder / "python2").mkdir()
    host.call("mount", "--bind", str(python.resolve().parents[1]), LENT, user="root")
    return f"env LD_LIBRARY_PATH={LENT}/lib PYTHONHOME={LENT} {LENT}/bin/{python.resolve().name}"
