"""The parameters of a spec in YAML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sjs.gateway.specs.patterns import Pattern, pattern
from sjs.gateway.specs.spec import (
    MOST_LETTERS,
    MOST_LETTERS_WITH_PATTERN,
    TYPES,
    USUAL_LETTERS_WITH_PATTERN,
    Parameter,
    Value,
    variables,
)
from sjs.gateway.specs.values import read_value, trouble
from sjs.nodes import Checks, members
from sjs.values import replace

if TYPE_CHECKING:
    from yaml import Node

KEYS = (
    "type",
    "required",
    "default",
    "min",
    "max",
    "choices",
    "pattern",
    "max_length",
    "leading_dash",
    "description",
)
ONLY = {
    "min": ("int", "float"),
    "max": ("int", "float"),
    "pattern": ("string",),
    "max_length": ("string",),
    "leading_dash": ("string",),
}
MOST = 200
MOST_CHOICES = 1_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)


def read(checks: Checks, node: Node | None) -> tuple[Parameter, ...]:
    """All of them, in their order."""
    found: list[Parameter] = []
    owners: dict[str, str] = {}
    for key, value in [] if node is None else checks.mapping(node, "parameters."):
        name = str(key.value)
        if not _NAME.fullmatch(name):
            raise checks.error(key, f"parameters: {name!r:.60} can be no name", "letters, digits, _ and - may be in it")
        for variable in variables(name):
            if variable in owners:
                raise checks.error(key, f"parameters.{name}: {variable} is the variable of {owners[variable]} too")
            owners[variable] = name
        found.append(_parameter(checks, name, value))
    if len(found) > MOST and node is not None:
        raise checks.error(node, f"parameters: there are more than {MOST}")
    return tuple(found)


def plain(checks: Checks, node: Node, where: str) -> str:
    """Text, or a number or flag as it is written."""
    if members(node) != [node] or node.tag == "tag:yaml.org,2002:null" or not isinstance(node.value, str):
        raise checks.error(node, f"{where}: must be a text or a number")
    if "\0" in node.value:
        raise checks.error(node, f"{where}: holds a NUL character, which no process can be given")
    return node.value


def _parameter(checks: Checks, name: str, node: Node) -> Parameter:
    where = f"parameters.{name}"
    found = checks.pairs(node, f"{where}.", KEYS)
    kind = checks.choice(found["type"], f"{where}.type", TYPES) if "type" in found else "string"
    for key, kinds in ONLY.items():
        if key in found and kind not in kinds:
            raise checks.error(found[key], f"{where}.{key}: is for {' and '.join(kinds)}, and this is {kind}")
    known = Parameter(
        name,
        kind,
        description=plain(checks, found["description"], f"{where}.description") if "description" in found else "",
        leading_dash="leading_dash" in found and checks.flag(found["leading_dash"], f"{where}.leading_dash"),
    )
    known = _bounded(checks, known, found, where)
    if "choices" in found:
        known = replace(known, choices=_choices(checks, known, found["choices"], f"{where}.choices"))
    return _with_default(checks, known, found, where)


def _bounded(checks: Checks, known: Parameter, found: dict[str, Node], where: str) -> Parameter:
    low, high = (_bound(checks, known, found.get(key), f"{where}.{key}") for key in ("min", "max"))
    fits = _pattern(checks, found["pattern"], f"{where}.pattern") if "pattern" in found else None
    most = MOST_LETTERS if fits is None else MOST_LETTERS_WITH_PATTERN
    usual = MOST_LETTERS if fits is None else USUAL_LETTERS_WITH_PATTERN
    length = checks.whole(found["max_length"], f"{where}.max_length", 1, most) if "max_length" in found else usual
    if low is not None and high is not None and low > high:
        raise checks.error(found["min"], f"{where}: min is {low:g}, max {high:g}: there is nothing between them")
    return replace(known, low=low, high=high, pattern=fits, max_length=length)


def _bound(checks: Checks, known: Parameter, node: Node | None, where: str) -> float | None:
    value = None if node is None else _value(checks, known, node, where)
    return None if value is None or isinstance(value, str) else value


def _pattern(checks: Checks, node: Node, where: str) -> Pattern:
    try:
        return pattern(plain(checks, node, where))
    except ValueError as error:
        raise checks.error(node, f"{where}: {error}") from None


def _choices(checks: Checks, known: Parameter, node: Node, where: str) -> tuple[Value, ...]:
    nodes = members(node)
    if nodes == [node] or not 1 <= len(nodes) <= MOST_CHOICES:
        raise checks.error(node, f"{where}: must be a list of 1 to {MOST_CHOICES} values")
    return tuple(dict.fromkeys(_value(checks, known, one, where) for one in nodes))


def _with_default(checks: Checks, known: Parameter, found: dict[str, Node], where: str) -> Parameter:
    default = _value(checks, known, found["default"], f"{where}.default") if "default" in found else None
    required = checks.flag(found["required"], f"{where}.required") if "required" in found else default is None
    if required and default is not None:
        raise checks.error(found["default"], f"{where}: is required, so that its default is never used")
    return replace(known, required=required, default=default)


def _value(checks: Checks, known: Parameter, node: Node, where: str) -> Value:
    """A value of this parameter, as far as that is known: bounds first, then choices, then the default."""
    value = read_value(known.type, plain(checks, node, where))
    if value is None:
        raise checks.error(node, f"{where}: {node.value!r:.60} is no {known.type}")
    wrong = trouble(known, value)
    if wrong is not None:
        raise checks.error(node, f"{where}: {node.value!r:.60} {wrong.text}")
    return value
