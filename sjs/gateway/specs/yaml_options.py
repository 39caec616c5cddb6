"""What the jobs of a spec in YAML are told: the options of Python code, by the same names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from sjs.api.options import JobOptions, terms
from sjs.core.names import suggestion
from sjs.errors import UsageError
from sjs.gateway.specs.yaml_parameters import plain
from sjs.nodes import Checks, is_mapping, members, text_of

if TYPE_CHECKING:
    from yaml import Node

LEFT_OUT = ("after", "at", "delay", "hold", "key", "if_free", "env_file", "capture_env")
"""What is said of one handing in, not of all jobs of a spec; and what would give jobs the gateway's own environment."""

MOST_NODES = 2_000
MOST_DEPTH = 20
MOST = 10**15
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}", re.ASCII)


def read(checks: Checks, node: Node | None) -> dict[str, Any]:
    """The options, each checked as one that is typed would be. Of a snapshot, the folder: it is taken when a job is
    made."""
    found: dict[str, Any] = {}
    nodes = {} if node is None else checks.pairs(node, "job.", ())
    for key, value in nodes.items():
        if key in LEFT_OUT:
            raise checks.error(value, f"job.{key}: is not for all jobs of a spec")
        if key not in _READERS:
            raise checks.error(value, f"job.{key}: unknown key{suggestion(key, list(_READERS))}")
        found[key] = _READERS[key](checks, value, f"job.{key}")
        _check(checks, value, f"job.{key}", _alone(key, found[key]))
    if node is not None:
        _check(checks, node, "job", found)
    return found


def _alone(key: str, value: Any) -> dict[str, Any]:
    return {key: value, "retries": 1} if key in ("backoff", "retry_on") else {key: value}


def _check(checks: Checks, node: Node, where: str, options: Mapping[str, Any]) -> None:
    there = {name: value for name, value in options.items() if name not in ("snapshot", "snapshot_limit")}
    try:
        terms(cast(JobOptions, there), lambda kind, line: None)
    except UsageError as error:
        raise checks.error(node, f"{where}: {error.message}", error.hint) from None


def _whole(checks: Checks, node: Node, where: str) -> int:
    return checks.whole(node, where, -MOST, MOST)


def _plains(checks: Checks, node: Node, where: str) -> tuple[str, ...]:
    return tuple(plain(checks, one, where) for one in members(node))


def _pairs(checks: Checks, node: Node, where: str) -> dict[str, str]:
    return {name: plain(checks, one, f"{where}.{name}") for name, one in checks.pairs(node, f"{where}.", ()).items()}


def _counts(checks: Checks, node: Node, where: str) -> dict[str, int]:
    named = checks.pairs(node, f"{where}.", ())
    return {name: checks.whole(one, f"{where}.{name}", 0, MOST) for name, one in named.items()}


def _backoff(checks: Checks, node: Node, where: str) -> Any:
    """`10s`, or [10s, 2]: the pause, and how many times longer each next one is."""
    nodes = members(node)
    if len(nodes) > 2 or not nodes:
        raise checks.error(node, f"{where}: is a pause, or a pause and a factor, [10s, 2]")
    pause = plain(checks, nodes[0], where)
    return pause if len(nodes) == 1 else (pause, checks.amount(nodes[1], where))


def _folder(checks: Checks, node: Node, where: str) -> str:
    """A relative one starts where the file lies."""
    return checks.path_of(node, where)


def _any(checks: Checks, node: Node, where: str) -> Any:
    return _tree(checks, node, where, [MOST_NODES], MOST_DEPTH)


def _tree(checks: Checks, node: Node, where: str, left: list[int], depth: int) -> Any:
    """What the nodes are as values. `left`: how many more there may be, for a node can be in itself, and in many
    places."""
    from yaml import SequenceNode

    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise checks.error(node, f"{where}: has more than {MOST_NODES} parts, or lies more than {MOST_DEPTH} deep")
    if is_mapping(node):
        inner = checks.pairs(node, f"{where}.", ())
        return {name: _tree(checks, one, where, left, depth - 1) for name, one in inner.items()}
    if isinstance(node, SequenceNode):
        return [_tree(checks, one, where, left, depth - 1) for one in node.value]
    return _leaf(checks, node, where)


def _leaf(checks: Checks, node: Node, where: str) -> Any:
    text = text_of(node)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool":
        return checks.flag(node, where)
    if node.tag == "tag:yaml.org,2002:int" and _WHOLE.fullmatch(text):
        return int(text)
    if node.tag == "tag:yaml.org,2002:float" and _FLOAT.fullmatch(text):
        return float(text)
    return plain(checks, node, where)


def _flag(checks: Checks, node: Node, where: str) -> bool:
    return checks.flag(node, where)


def _amount(checks: Checks, node: Node, where: str) -> float:
    return checks.amount(node, where)


Reader = Callable[["Checks", "Node", str], Any]
_KINDS: tuple[tuple[Reader, str], ...] = (
    (plain, "name cwd mem gpu_mem timeout grace on_lost stdin snapshot_limit"),
    (plain, "partition account qos image job_name priority_class ttl"),
    (_whole, "priority slots cpus retries nice"),
    (_amount, "gpus"),
    (_flag, "merge_output entrypoint"),
    (_pairs, "tags env annotations labels"),
    (_counts, "resources"),
    (_plains, "retry_on slurm volumes"),
    (_backoff, "backoff"),
    (_folder, "snapshot"),
    (_any, "resources_flavor security_context"),
)
_READERS: Mapping[str, Reader] = {name: reader for reader, names in _KINDS for name in names.split()}
