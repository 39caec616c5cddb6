"""Sets of targets that have a name, as the config says them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sjs.core.overflow import Limits
from sjs.nodes import Checks, is_mapping, members, text_of
from sjs.values import dataclass, field

if TYPE_CHECKING:
    from yaml import Node

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEYS = ("targets", "overflow", "overflow_jobs_per_day", "overflow_cost_per_day")


@dataclass(frozen=True)
class Group:
    """A set of targets that has a name, and where that is written down. `overflow`: the set to which jobs go for which
    there is no room, if there is one, so many a day."""

    meaning: str
    place: str
    overflow: str = ""
    limits: Limits = field(default=Limits())


def read_groups(checks: Checks, node: Node) -> dict[str, Group]:
    """The entries under `groups:`. What they mean is known only when all files are read."""
    found: dict[str, Group] = {}
    keys = {text_of(key): key for key, _ in checks.mapping(node, "groups.")}
    for name, value in checks.pairs(node, "groups.", ()).items():
        if not _NAME.fullmatch(name):
            raise checks.error(keys[name], f"groups.{name}: a name is made of letters, digits, '.', '_' and '-'")
        said = checks.pairs(value, f"groups.{name}.", _KEYS) if is_mapping(value) else {"targets": value}
        if "targets" not in said or not members(said["targets"]):
            raise checks.error(keys[name], f"groups.{name}: has no targets")
        for key in said:
            if key not in ("targets", "overflow") and "overflow" not in said:
                raise checks.error(keys[name], f"groups.{name}.{key}: without overflow")
        place = f"{checks.path}:{keys[name].start_mark.line + 1}"
        found[name] = Group(
            _set(checks, said, name, "targets"),
            place,
            _set(checks, said, name, "overflow"),
            _limits(checks, said, name),
        )
    return found


def _set(checks: Checks, said: dict[str, Any], name: str, key: str) -> str:
    """The words of a list, as one."""
    return ",".join(checks.text(one, f"groups.{name}") for one in members(said[key])) if key in said else ""


def _limits(checks: Checks, said: dict[str, Any], name: str) -> Limits:
    jobs, cost = (said.get(key) for key in _KEYS[2:])
    return Limits(
        None if jobs is None else checks.whole(jobs, f"groups.{name}.{_KEYS[2]}", 0, 1_000_000),
        None if cost is None else checks.amount(cost, f"groups.{name}.{_KEYS[3]}"),
    )
