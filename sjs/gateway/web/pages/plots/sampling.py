"""Which of many are drawn. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def sample(many: Sequence[T], most: int, is_wanted: Callable[[T], bool]) -> list[T]:
    """So many of them at the most, evenly chosen and in their order; those that are wanted are among them."""
    if len(many) <= most:
        return list(many)
    wanted = [number for number, one in enumerate(many) if is_wanted(one)][:most]
    rest = most - len(wanted)
    chosen = {*wanted, *(number * len(many) // rest for number in range(rest))}
    return [many[number] for number in sorted(chosen)]
