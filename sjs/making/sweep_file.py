"""A sweep in a file of its own, sweep.yaml: what it is made of, what each job is told, what is wanted of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sjs.errors import ConfigError, UsageError
from sjs.making.parameters import Parameter, parameter
from sjs.nodes import Checks, compose, members, text_of
from sjs.values import dataclass

if TYPE_CHECKING:
    from yaml import Node

KEYS = (
    "name",
    "command",
    "parameters",
    "from",
    "samples",
    "seed",
    "job",
    "metric",
    "stop_rule",
    "max_running",
    "stop_after_failures",
)
MANY = 10**15


@dataclass(frozen=True)
class Option:
    """One of the options of a job, as it would be typed, and where it stands."""

    words: Sequence[str]
    where: str


@dataclass(frozen=True)
class SweepFile:
    """What a file says; what it does not say is None, or empty."""

    path: str
    name: str | None = None
    text: str | None = None
    argv: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    table: str | None = None
    samples: int | None = None
    seed: int | None = None
    options: Sequence[Option] = ()
    metric: str | None = None
    stop_rule: str | None = None
    max_running: int | None = None
    stop_after_failures: str | None = None


def read_sweep_file(path: str) -> SweepFile:
    """The file, checked; errors name the line."""
    try:
        with open(path, "rb") as stream:
            root = compose(stream.read(), path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if root is None:
        raise ConfigError(f"{path}: is empty", f"it may have {', '.join(KEYS)}")
    checks = Checks(path)
    found = checks.pairs(root, "", KEYS)
    command = found.get("command")
    words = [] if command is None else [_scalar(checks, one, "command") for one in members(command)]
    is_text = command is not None and members(command) == [command]
    table = _text(checks, found, "from")
    return SweepFile(
        path,
        name=_text(checks, found, "name"),
        text=words[0] if is_text else None,
        argv=() if is_text else words,
        parameters=_parameters(checks, found.get("parameters")),
        table=None if table is None else os.path.join(os.path.dirname(path), os.path.expanduser(table)),
        samples=_whole(checks, found, "samples", 1),
        seed=_whole(checks, found, "seed", 0),
        options=_options(checks, found.get("job")),
        metric=_text(checks, found, "metric"),
        stop_rule=_text(checks, found, "stop_rule"),
        max_running=_whole(checks, found, "max_running", 1),
        stop_after_failures=_plain(checks, found, "stop_after_failures"),
    )


def _text(checks: Checks, found: dict[str, Node], key: str) -> str | None:
    return checks.text(found[key], key) if key in found else None


def _whole(checks: Checks, found: dict[str, Node], key: str, low: int) -> int | None:
    return checks.whole(found[key], key, low, MANY) if key in found else None


def _plain(checks: Checks, found: dict[str, Node], key: str) -> str | None:
    return _scalar(checks, found[key], key) if key in found else None


def _scalar(checks: Checks, node: Node, where: str) -> str:
    """Text, or a number or flag as it is written."""
    if members(node) != [node] or node.tag == "tag:yaml.org,2002:null" or not isinstance(node.value, str):
        raise checks.error(node, f"{where}: must be a text or a number")
    return node.value


def _parameters(checks: Checks, node: Node | None) -> list[Parameter]:
    found: list[Parameter] = []
    for name, values in ({} if node is None else checks.pairs(node, "parameters.", ())).items():
        where = f"parameters.{name}"
        try:
            found.append(parameter(name, [_scalar(checks, one, where) for one in members(values)]))
        except ValueError as error:
            raise checks.error(values, f"parameters: {error}") from None
    return found


def _options(checks: Checks, node: Node | None) -> list[Option]:
    """`mem: 4G` as --mem=4G, `hold: true` as --hold; `tag: {kind: a}` and lists as the option for each."""
    found: list[Option] = []
    for key, value in ({} if node is None else checks.pairs(node, "job.", ())).items():
        option = f"--{key.replace('_', '-')}"
        where = f"{checks.path}:{value.start_mark.line + 1}: job.{key}"
        if key == "name":
            raise checks.error(value, f"job.name: the sweep's name stands above, name: {text_of(value)}")
        if value.tag == "tag:yaml.org,2002:bool":
            found.append(Option([option] if checks.flag(value, key) else [], where))
        elif value.tag == "tag:yaml.org,2002:map":
            pairs = [f"{text_of(name)}={_scalar(checks, one, where)}" for name, one in checks.mapping(value, key)]
            found.append(Option([f"{option}={pair}" for pair in pairs], where))
        else:
            found.append(Option([f"{option}={_scalar(checks, one, f'job.{key}')}" for one in members(value)], where))
    return found
