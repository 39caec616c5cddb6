"""What doctor has to say of a login node, and of what runs its jobs."""

from __future__ import annotations

import json

import pytest

from sjs.errand.slurm import look
from tests.slurm.person import Person, person


def told(anna: Person) -> list[tuple[str, str]]:
    """What it says of Slurm, each with its verdict."""
    rows = map(json.loads, anna.types("doctor --json").out.splitlines())
    return [(row["verdict"], row["found"]) for row in rows if row["check"] == "slurm"]


def test_doctor_asks_slurm() -> None:
    with person() as anna:
        slurm = anna.slurm
        well = ("ok", "Slurm 22.05.8, no accounting, arrays of less than 1001")
        assert told(anna) == [well]
        slurm.set("PartitionName=short", "State=DOWN")
        slurm.lab.config([slurm.login], type="slurm", partition="main,short,long")
        assert told(anna) == [
            well,
            ("ok", "partition main"),
            ("warn", "partition short is down: nothing starts there"),
            ("fail", "no partition long; there are main, short"),
        ]
        slurm.stop_controller()
        ((verdict, found),) = told(anna)
        assert verdict == "fail" and "h1 is DOWN" in found
        assert anna.types("doctor").status == 1


def test_a_login_without_slurm_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ((verdict, found, _),) = look([])
    assert (verdict, found) == ("fail", "no sbatch on the PATH of this login")
