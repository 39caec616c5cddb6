"""Whether processes stand still, whatever the stop found them at."""

from __future__ import annotations

from collections.abc import Iterable

from sjs.daemon.keeper import tree


def stand_still(pids: Iterable[int]) -> bool:
    """Each is stopped, or waits in vfork for a child of its own that is: the kernel calls that one D, and it comes to
    its own stop after its child has gone on. (A shell's every command is a vfork: 22 of 300 stops found one.)"""
    found = [one for one in map(tree.stat, pids) if one is not None]
    held = {one.parent for one in found if one.state == "T"}
    return bool(found) and all(one.state == "T" or (one.state == "D" and one.pid in held) for one in found)
