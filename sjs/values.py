"""Classes that are their fields: of the standard library's dataclasses what we use of them, by the same names.

Those compile six methods for each class when it is defined, which is most of what a short program does before it does
anything. Here the methods that can be the same for all classes are, and `__init__`, which cannot, is compiled when the
first object is made. That frozen ones do not change is for the type checker to see; it costs nothing to make them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "field", "fields", "make_ready", "replace"]

T = TypeVar("T")

_NOTHING: Any = object()
_unmade: list[tuple[Any, dict[str, _Field]]] = []
"""Classes whose `__init__` is not compiled yet, as far as this is known."""


class _Field:
    """What is known of a field besides its name."""

    __slots__ = ("compare", "default", "factory", "repr")

    def __init__(
        self,
        *,
        default: Any = _NOTHING,
        default_factory: Callable[[], Any] | None = None,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.default = default
        self.factory = default_factory
        self.repr = repr
        self.compare = compare


def _dataclass(kind: Any = None, *, frozen: bool = False) -> Any:
    if kind is None:
        return lambda kind: _made(kind, frozen)
    return _made(kind, frozen)


def _replace(value: T, **changes: Any) -> T:
    """The same with other fields."""
    return type(value)(**{**{name: getattr(value, name) for name in fields(value)}, **changes})


def fields(kind: Any) -> dict[str, Any]:
    """The fields of a class, or of an object of such a class, by their names."""
    found: dict[str, Any] = kind.__sjs_fields__
    return found


def _made(kind: Any, is_frozen: bool) -> Any:
    known: dict[str, _Field] = dict(getattr(kind, "__sjs_fields__", {}))
    for name in getattr(kind, "__annotations__", ()):
        said = getattr(kind, name, _NOTHING)
        known[name] = said if isinstance(said, _Field) else _Field(default=said)
    kind.__sjs_fields__ = known
    shown = [name for name, one in known.items() if one.repr]
    compared = [name for name, one in known.items() if one.compare]
    values = attrgetter(*compared) if compared else lambda value: ()

    def init(self: Any, *given: Any, **named: Any) -> None:
        kind.__init__ = _initializer(known)  # which another thread may do meanwhile, to the same end
        kind.__init__(self, *given, **named)

    def equals(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def shows(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    kind.__init__ = init
    _unmade.append((kind, known))
    kind.__eq__ = equals
    kind.__hash__ = (lambda self: hash(values(self))) if is_frozen else None
    kind.__repr__ = shows
    return kind


def make_ready() -> None:
    """Compile at once what the first object of each class would: for who has many processes begin from there."""
    while _unmade:
        kind, known = _unmade.pop()
        kind.__init__ = _initializer(known)


def _initializer(known: dict[str, _Field]) -> Any:
    """The function that sets these fields from what is given, in their order or by their names."""
    space: dict[str, Any] = {"nothing": _NOTHING}
    heads, lines = ["self"], []
    for name, one in known.items():
        if one.factory is not None:
            space[f"make_{name}"] = one.factory
            heads.append(f"{name}=nothing")
            lines.append(f" self.{name} = make_{name}() if {name} is nothing else {name}")
        else:
            space[f"usual_{name}"] = one.default
            heads.append(name if one.default is _NOTHING else f"{name}=usual_{name}")
            lines.append(f" self.{name} = {name}")
    exec(f"def __init__({', '.join(heads)}):\n" + ("\n".join(lines) or " pass"), space)
    return space["__init__"]


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _Field, _replace
