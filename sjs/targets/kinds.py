"""What kinds of targets there are: which keys an entry of each may have in config.yaml, and what becomes of one.

Others add a kind by an entry point of the group `sjs.targets`: its name is the kind, and it leads to a `Kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sjs.core.names import suggestion
from sjs.errors import UsageError
from sjs.values import dataclass, field

if TYPE_CHECKING:
    from yaml import Node

    from sjs.core.job import Spec
    from sjs.nodes import Checks
    from sjs.protocols import Ask, Target

GROUP = "sjs.targets"

MANAGER = "manager"
"""The kind of an entry that names none: a machine of one's own."""

Check = Callable[["Checks", "Node", str], Any]
"""Makes a value of what stands behind a key, or says what is wrong with it. The text is the key, with where it is."""


@dataclass(frozen=True)
class Entry:
    """What is said of one target of a kind that has no machine, and what it may use."""

    name: str
    settings: Mapping[str, Any]
    environ: Mapping[str, str]
    notice: Callable[[str], None]
    ask: Ask | None = None


@dataclass(frozen=True)
class Kind:
    """`build` makes a target; None where a queue of ours does the work, on a machine that is reached by a transport.
    Of the keys, `who` tell one target from another (in words that others may read), and `secret` are not for others.
    `problem`: why a target of these settings could never run a job, empty if it can; known without asking it. `fill`: a
    job with what the settings say where it says nothing itself, for a queue of ours.
    `options`: how what is `native` to the kind is typed, where that is not --KEY."""

    name: str
    keys: Mapping[str, Check] = field(default_factory=dict)
    build: Callable[[Entry], Target] | None = None
    who: Sequence[str] = ()
    secret: Sequence[str] = ()
    problem: Callable[[Spec, Mapping[str, Any]], str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    fill: Callable[[Spec, Mapping[str, Any]], Spec] | None = None


def _kubernetes() -> Kind:
    from sjs.targets.kubernetes.kind import kind

    return kind()


def _slurm() -> Kind:
    from sjs.targets.slurm import KIND

    return KIND


_OURS: Mapping[str, Callable[[], Kind]] = {
    MANAGER: lambda: Kind(MANAGER),
    "slurm": _slurm,
    "kubernetes": _kubernetes,
}


def find(name: str) -> Kind:
    """The kind of this name."""
    if name in _OURS:
        return _OURS[name]()
    from importlib.metadata import entry_points

    others = entry_points(group=GROUP)
    known = [*_OURS, *others.names]
    if name not in others.names:
        raise UsageError(f"no kind of target, but {', '.join(sorted(known))} are{suggestion(name, known)}")
    try:
        found = others[name].load()
    except Exception as error:  # noqa: BLE001 (whatever somebody else's package does)
        raise UsageError(f"brought by {others[name].value}, which cannot be loaded: {error!r}") from None
    if not isinstance(found, Kind):
        raise UsageError(f"brought by {others[name].value}, which is no sjs.targets.kinds.Kind")
    return found
