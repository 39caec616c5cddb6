"""What others have noted down goes on to work, whatever versions come and go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sjs import bundle
from sjs.bundle import Bundle
from tests.live.machine import DEADLINE, Machine


def put(home: Path, files: Bundle) -> Path:
    """Have that version there; its machine side."""
    parcel = files.parcel(sys.executable)
    environ = {**os.environ, "HOME": str(home)}
    done = subprocess.run(parcel.argv, input=parcel.contents(), env=environ, capture_output=True, timeout=DEADLINE)
    assert done.stdout == b"sjs unpacked\n"
    return home / ".cache/sjs" / files.digest / "sjs/daemon"


def test_the_link_leads_to_who_manages(tmp_path: Path) -> None:
    old = bundle.ours()
    new = Bundle({**old.files, "sjs/__init__.py": old.files["sjs/__init__.py"] + b"# newer\n"})
    link = tmp_path / ".cache/sjs/current"
    (tmp_path / "root").mkdir()
    machine = Machine(tmp_path / "root", daemon=put(tmp_path, old))
    later = Machine(tmp_path / "root", daemon=link / "sjs/daemon")
    try:
        machine.start(1)
        assert os.readlink(link) == old.digest
        newer = put(tmp_path, new)
        assert os.readlink(link) == old.digest  # to have it there is not to use it
        upgrade = [sys.executable, "-I", "-S", str(newer), "job_manager", "--upgrade", "--root", str(machine.root)]
        subprocess.run(upgrade, check=True, capture_output=True, timeout=DEADLINE)
        assert os.readlink(link) == new.digest
        with later.client() as client:
            assert client.run("echo ok")[0]["state"] == "succeeded"
            assert client.output(0) == b"ok\n"
        # What was started by the link runs from the folder itself: the link may lead elsewhere a moment later.
        later.stop()
        later.start(1)
        with later.client() as client:
            client.run("true")
        assert f"{new.digest}/sjs/daemon" in Path(f"/proc/{later.keeper_pid}/cmdline").read_text()
    finally:
        machine.stop()


def test_what_is_in_the_way_of_the_link_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    machine = Machine(tmp_path / "root", daemon=put(tmp_path, bundle.ours()))
    (tmp_path / ".cache/sjs/current").mkdir()
    try:
        machine.start(1)
        with machine.client() as client:
            assert client.run("true")[0]["state"] == "succeeded"
        assert "current could not be made to lead to this code: Is a directory" in machine.log()
        assert not list((tmp_path / ".cache/sjs").glob(".new-*"))
    finally:
        machine.stop()
