"""Whose hands a queue's jobs are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sjs.daemon.ground import kind
from sjs.daemon.ground.places import Places


@pytest.fixture
def where(tmp_path: Path) -> Places:
    found = Places(str(tmp_path), "jobs.pipe")
    found.make()
    return found


def test_an_ordinary_queue_writes_nothing_down(where: Places) -> None:
    assert kind.claim(where, None) == kind.claim(where, kind.OURS) == kind.of(where) == kind.OURS
    assert not Path(where.kind).exists()


def test_slurms_queue_is_known_to_whoever_comes_later(where: Places) -> None:
    assert kind.refusal(where, kind.SLURM) == ""
    assert kind.claim(where, kind.SLURM) == kind.SLURM
    assert kind.claim(where, None) == kind.of(where) == kind.SLURM
    assert kind.refusal(where, None) == kind.refusal(where, kind.SLURM) == ""
    assert kind.refusal(where, kind.OURS)


def test_slurms_queue_lies_where_its_nodes_see_it(tmp_path: Path) -> None:
    folder = kind.state_folder(kind.SLURM, str(tmp_path), "jobs.pipe", "")
    assert folder == str(tmp_path / ".sjs" / "jobs.pipe")
    assert kind.state_folder(kind.SLURM, str(tmp_path), "jobs.pipe", "/scratch/q") == "/scratch/q"
    assert kind.state_folder(kind.OURS, str(tmp_path), "jobs.pipe", "") == ""
