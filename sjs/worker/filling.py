"""The command of an item: the worker's words with the item's values in their places. Pure.

An item's command may be an object, whose keys are the names of its values, a list, or one value; beside them there are
{item}, {stage}, {pipeline} and {file}, unless an own key is called so.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from sjs.core.places import SLOT, Place, filled, pieces
from sjs.errors import UsageError
from sjs.worker.order import text_of


def fill(words: Sequence[str], command: Any, number: int, beside: Mapping[str, str]) -> Tuple[str, ...]:
    """What is run for the item; UsageError where it has no value for a place, or none that a command could be given."""
    names, values = _row(command)
    more = {name: value for name, value in beside.items() if name not in names}
    made = [pieces(word, names, list(more)) for word in words]
    if any(isinstance(piece, Place) and piece.kind == SLOT for word in made for piece in word):
        raise UsageError("{%} is for sweeps: an item has no slot")
    found = filled(made, [*values, *more.values()], number)
    if not found or not found[0]:
        raise UsageError("the item leaves no command")
    if any("\0" in word for word in found):
        raise UsageError("a value has a NUL in it, which no command can be given")
    return found


def _row(command: Any) -> Tuple[List[str], List[str]]:
    """Names and values of an item."""
    if isinstance(command, dict):
        return list(command), [text_of(value) for value in command.values()]
    values = command if isinstance(command, list) else [] if command is None else [command]
    return [str(place + 1) for place in range(len(values))], [text_of(value) for value in values]
