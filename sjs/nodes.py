"""YAML as nodes that know their lines, and what a value can be checked for. What is wrong is named with its place."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sjs.core.names import suggestion
from sjs.errors import ConfigError
from sjs.values import dataclass

if TYPE_CHECKING:
    from yaml import Node


_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""As YAML counts lines."""

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)


@dataclass(frozen=True)
class Checks:
    """The file that is being checked."""

    path: str

    def error(self, node: Node, message: str, hint: str = "") -> ConfigError:
        """What is wrong, and the line it stands in."""
        return ConfigError(f"{self.path}:{node.start_mark.line + 1}: {message}", hint)

    def pairs(self, node: Node, where: str, known: Sequence[str]) -> dict[str, Node]:
        """A mapping's values by key, all of them known and none there twice."""
        found: dict[str, Node] = {}
        for key, value in self.mapping(node, where):
            name = text_of(key)
            if known and name not in known:
                raise self.error(key, f"{where}{name}: unknown key{suggestion(name, known)}")
            if name in found:
                raise self.error(key, f"{where}{name}: stands here twice")
            found[name] = value
        return found

    def mapping(self, node: Node, where: str) -> list[tuple[Node, Node]]:
        """The pairs of what must be a mapping with plain keys; nothing at all is an empty one."""
        if _is_null(node):
            return []
        if not is_mapping(node):
            raise self.error(node, f"{where.rstrip('.') or 'the file'}: must be a mapping, key: value")
        for key, _ in node.value:
            if not _is_scalar(key):
                raise self.error(key, f"{where}…: a key must be a plain word")
        return list(node.value)

    def text(self, node: Node, where: str) -> str:
        """A value that must be text."""
        if not _is_scalar(node) or node.tag != "tag:yaml.org,2002:str":
            hint = "put it in quotes" if _is_scalar(node) and not _is_null(node) else ""
            raise self.error(node, f"{where}: must be text", hint)
        if not node.value or "\0" in node.value or "\n" in node.value:
            raise self.error(node, f"{where}: must be one line that is not empty")
        return str(node.value)

    def whole(self, node: Node, where: str, low: int, high: int) -> int:
        """A value that must be a whole number."""
        is_number = _is_scalar(node) and node.tag == "tag:yaml.org,2002:int"
        if not is_number or not re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", node.value):
            raise self.error(node, f"{where}: must be a whole number")
        number = int(node.value)
        if not low <= number <= high:
            raise self.error(node, f"{where}: must be from {low} to {high}, not {number}")
        return number

    def amount(self, node: Node, where: str) -> float:
        """A number that is not below nothing."""
        is_number = _is_scalar(node) and node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if not is_number or not _AMOUNT.fullmatch(node.value):
            raise self.error(node, f"{where}: must be a number, as 12 or 0.5")
        return float(node.value)

    def choice(self, node: Node, where: str, known: Sequence[str]) -> str:
        """A value that must be one of a few words."""
        value = self.text(node, where)
        if value not in known:
            raise self.error(node, f"{where}: must be one of {', '.join(known)}{suggestion(value, known)}")
        return value

    def flag(self, node: Node, where: str) -> bool:
        """A value that must be true or false."""
        if not _is_scalar(node) or node.tag != "tag:yaml.org,2002:bool":
            raise self.error(node, f"{where}: must be true or false")
        return str(node.value).lower() in ("true", "yes", "on")

    def texts(self, node: Node, where: str) -> tuple[str, ...]:
        """A value that must be a text, or a list of texts."""
        return tuple(self.text(one, where) for one in members(node))

    def path_of(self, node: Node, where: str) -> str:
        """A value that must be a path on this machine; a relative one starts where the file lies."""
        folder = os.path.dirname(self.path)
        return os.path.abspath(os.path.join(folder, os.path.expanduser(self.text(node, where))))

    def word(self, node: Node, where: str, form: re.Pattern[str]) -> str:
        """A text that goes to a shell or to ssh, and so is made of harmless letters."""
        value = self.text(node, where)
        if not form.fullmatch(value):
            raise self.error(node, f"{where}: cannot be {value!r}", "letters, digits and a few signs may be in it")
        return value


def compose(text: bytes, path: str) -> Node | None:
    """The file's nodes, which know their lines."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found: Node | None = yaml.compose(text.decode("utf-8"), Loader=loader)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        lines = _LINE_END.split(text.decode("utf-8"))
        has_tab = line <= len(lines) and "\t" in lines[line - 1]
        hint = "YAML is indented with spaces, not with tabs" if has_tab else ""
        raise ConfigError(f"{path}:{line}: {error.problem or error.context or 'is no YAML'}", hint) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    return found


def members(node: Node) -> Sequence[Node]:
    """The parts of a list; one word may stand without."""
    from yaml import SequenceNode

    return node.value if isinstance(node, SequenceNode) else [node]


def text_of(node: Node) -> str:
    return str(node.value) if _is_scalar(node) else ""


def is_mapping(node: Node) -> bool:
    """Whether it has keys."""
    from yaml import MappingNode

    return isinstance(node, MappingNode)


def _is_scalar(node: Node) -> bool:
    from yaml import ScalarNode

    return isinstance(node, ScalarNode)


def _is_null(node: Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")
