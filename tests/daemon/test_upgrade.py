"""How far an upgrade has come, by plain values."""

from __future__ import annotations

from sjs.daemon.ground.program import Program
from sjs.daemon.keeper.upgrade import LEAVE, TRIAL, Upgrade

OLD = Program("python", "/old")
NEW = Program("python", "/new")


def tried() -> Upgrade:
    """An upgrade whose old manager has left at 1."""
    upgrade = Upgrade(NEW, 0.0)
    upgrade.manager_ended("exit 0", "", 1.0)
    return upgrade


def test_the_old_manager_leaves_and_the_new_one_is_ready() -> None:
    upgrade = Upgrade(NEW, 0.0)
    assert (upgrade.phase, upgrade.until, upgrade.program_for(OLD)) == ("leaving", LEAVE, OLD)
    upgrade.manager_ended("exit 0", "", 1.0)
    assert (upgrade.phase, upgrade.until, upgrade.program_for(OLD)) == ("trial", 1.0 + TRIAL, NEW)
    upgrade.manager_is_ready()
    assert (upgrade.phase, upgrade.until, upgrade.program_for(OLD)) == ("done", None, NEW)


def test_a_manager_that_was_just_starting_is_ready_before_it_leaves() -> None:
    upgrade = Upgrade(NEW, 0.0)
    upgrade.manager_is_ready()
    assert upgrade.phase == "leaving"


def test_a_manager_that_does_not_leave_is_late_once() -> None:
    upgrade = Upgrade(NEW, 0.0)
    assert not upgrade.is_late(LEAVE - 0.1)
    assert upgrade.is_late(LEAVE)
    assert not upgrade.is_late(LEAVE + 1)
    upgrade.manager_ended("signal 9", "", LEAVE + 1)
    assert (upgrade.phase, upgrade.why_not) == ("trial", "")


def test_a_new_manager_that_ends_brings_the_old_one_back() -> None:
    upgrade = tried()
    upgrade.manager_ended("exit 1", "no such table", 2.0)
    assert (upgrade.phase, upgrade.until, upgrade.program_for(OLD)) == ("back", None, OLD)
    assert upgrade.why_not == "its manager ended by itself (exit 1): no such table"
    upgrade.manager_ended("exit 1", "", 3.0)
    assert upgrade.phase == "back"


def test_a_new_manager_that_is_late_was_killed_for_that() -> None:
    upgrade = tried()
    assert upgrade.is_late(1.0 + TRIAL)
    upgrade.manager_ended("signal 9", "", 12.0)
    assert upgrade.why_not == f"its manager was not ready in {TRIAL:g} s"
