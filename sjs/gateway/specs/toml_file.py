"""Job specs in jobmgr's own format.

    Command = "convert"               the program, and nothing else
    Arguments = ["-v", "in.png"]      as they stand: nothing in them is replaced
    WorkingDirectory = "/srv/work"
    PreserveEnvVars = ["PATH"]
    Timeout = "1m30s"                 10 s if it is not said

    [[Parameter]]
    Name = "width"
    Type = "int"                      or "string"

Keys may be in capitals or not. What jobmgr passed over in silence, a key that it did not know or a type that it had
not, is passed over here too, with a note.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from sjs.core.names import suggestion
from sjs.core.quantities import LONGEST
from sjs.errors import ConfigError
from sjs.gateway.specs.durations import go_duration
from sjs.gateway.specs.spec import JobSpec, Parameter, variables
from sjs.values import dataclass, field

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = ("Command", "Arguments", "WorkingDirectory", "PreserveEnvVars", "Timeout", "Parameter")
PARAMETER_KEYS = ("Name", "Type")
TYPES = ("string", "int")
USUAL_TIMEOUT = 10.0
SHORTEST_TIMEOUT = 0.001
MOST_PARSED = 300_000
"""Letters that are parsed again to find a line; of what is longer, the lines before are known."""

Way = tuple[str | int, ...]
"""From the top of the file to a value: ("Parameter", 0, "Type")."""


def read_toml(text: bytes, path: str, name: str) -> JobSpec:
    """The spec, checked; errors name the line."""
    source = _decoded(text, path)
    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_with_line(str(error), path, source)) from None
    except RecursionError:
        raise ConfigError(f"{path}: lies too deep in itself") from None
    reader = _Reader(path, source)
    top = reader.table(document, (), KEYS)
    command = reader.text(top, "Command")
    if not command:
        raise reader.error((top.name("Command"),) if "Command" in top.values else (), "Command: there is none", _HOW)
    if "=" in command:
        raise reader.error(top.to("Command"), "Command: has a =, with which it would be taken for a variable")
    preserved = reader.texts(top, "PreserveEnvVars")
    if not all(_VARIABLE.fullmatch(one) for one in preserved):
        raise reader.error(top.to("PreserveEnvVars"), "PreserveEnvVars: must be names of variables")
    return JobSpec(
        name,
        path,
        tuple((word,) for word in (command, *reader.texts(top, "Arguments"))),
        parameters=_parameters(reader, top),
        options=_options(reader, top),
        preserved=tuple(preserved),
        notes=tuple(reader.notes),
    )


_MAY_END = re.compile(r"[\]}]|\"{3}|'{3}")
"""What there is in the last line of a statement that has several."""

_VARIABLE = re.compile(r"[^=\s-][^=]*")
_HOW = 'write it as Command = "program"'


@dataclass(frozen=True)
class _Table:
    """What a table says by the keys that are known, and how these are written there."""

    values: dict[str, Any]
    written: dict[str, str]
    way: Way = ()

    def name(self, key: str) -> str:
        return self.written.get(key, key)

    def to(self, key: str) -> Way:
        return (*self.way, self.name(key))


@dataclass(frozen=True)
class _Reader:
    """The file that is being checked."""

    path: str
    source: str
    notes: list[str] = field(default_factory=list)

    def error(self, way: Way, message: str, hint: str = "") -> ConfigError:
        return ConfigError(f"{self.place(way)}: {message}", hint)

    def note(self, way: Way, message: str) -> None:
        self.notes.append(f"{self.place(way)}: {message}")

    def place(self, way: Way) -> str:
        line = line_of(self.source, way)
        return f"{self.path}:{line}" if line else self.path

    def table(self, found: dict[str, Any], way: Way, known: Sequence[str]) -> _Table:
        by_small = {key.lower(): key for key in known}
        values: dict[str, Any] = {}
        written: dict[str, str] = {}
        for key, value in found.items():
            meant = by_small.get(key.lower())
            if meant is None:
                self.note((*way, key), f"{key}: unknown key, which is passed over{suggestion(key, known)}")
            elif meant in values:
                raise self.error((*way, key), f"{key}: stands here twice, before as {written[meant]}")
            else:
                values[meant], written[meant] = value, key
        return _Table(values, written, way)

    def text(self, table: _Table, key: str) -> str:
        value = table.values.get(key, "")
        if not isinstance(value, str):
            raise self.error(table.to(key), f"{key}: must be text", "put it in quotes")
        if "\0" in value:
            raise self.error(table.to(key), f"{key}: holds a NUL character, which no process can be given")
        return value

    def texts(self, table: _Table, key: str) -> list[str]:
        value = table.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and "\0" not in one for one in value):
            raise self.error(table.to(key), f'{key}: must be a list of texts, as ["a", "b"]')
        return value


def _options(reader: _Reader, top: _Table) -> dict[str, Any]:
    folder = reader.text(top, "WorkingDirectory")
    return {"timeout": _timeout(reader, top), **({"cwd": folder} if folder else {})}


def _timeout(reader: _Reader, top: _Table) -> float:
    said = reader.text(top, "Timeout")
    try:
        seconds = go_duration(said) if said else 0.0
    except ValueError as error:
        raise reader.error(top.to("Timeout"), f"Timeout: {error}") from None
    if seconds < 0:
        raise reader.error(top.to("Timeout"), f"Timeout: {said} is over before it begins")
    return min(max(seconds, SHORTEST_TIMEOUT), LONGEST) if seconds else USUAL_TIMEOUT


def _parameters(reader: _Reader, top: _Table) -> tuple[Parameter, ...]:
    said = top.values.get("Parameter", [])
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise reader.error(top.to("Parameter"), "Parameter: each is a table of its own, [[Parameter]]")
    owners: dict[str, str] = {}
    found: list[Parameter] = []
    for number, one in enumerate(said):
        table = reader.table(one, (top.name("Parameter"), number), PARAMETER_KEYS)
        found.append(_parameter(reader, table))
        variable = variables(found[-1].name)[0]
        if variable in owners:
            raise reader.error(table.to("Name"), f"Name: {found[-1].name!r} and {owners[variable]!r} are one variable")
        owners[variable] = found[-1].name
    return tuple(found)


def _parameter(reader: _Reader, table: _Table) -> Parameter:
    name, kind = reader.text(table, "Name"), reader.text(table, "Type")
    if not name or "=" in name:
        where = table.to("Name") if "Name" in table.values else table.way
        raise reader.error(where, "Name: must be a name without =, as it becomes one of a variable")
    if kind not in TYPES:
        where = table.to("Type") if "Type" in table.values else table.way
        reader.note(where, f"Type: {kind!r} is none; there are {' and '.join(TYPES)}, and no job can be made")
    return Parameter(name, kind, is_usable=kind in TYPES)


def _decoded(text: bytes, path: str) -> str:
    try:
        return text.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None


def _with_line(message: str, path: str, source: str) -> str:
    """Python's message, which ends in the place: (at line 3, column 7)."""
    what, _, place = message.rpartition(" (at ")
    number = place.removeprefix("line ").partition(",")[0]
    line = number if number.isdecimal() else str(source.rstrip("\n").count("\n") + 1)
    return f"{path}:{line}: {what or message}"


def line_of(source: str, way: Way) -> int:
    """The line in which a value begins, or the nearest that is around it; 0 if nothing is."""
    found = _lines(source)
    while way and way not in found:
        way = way[:-1]
    return found.get(way, 0)


def _lines(source: str) -> dict[Way, int]:
    """Where each value of a document begins, of which Python's parser says nothing. A statement is the fewest lines
    that can be parsed alone: the beginning of one can not."""
    found: dict[Way, int] = {}
    around: Way = ()
    counts: dict[Way, int] = {}
    begun, statement, spent = 0, "", 0
    for number, line in enumerate(source.split("\n"), 1):
        begun = begun if statement else number
        statement += f"{line}\n"
        if begun < number and not _MAY_END.search(line):
            continue
        spent += len(statement)
        if spent > MOST_PARSED:
            break
        part = _parsed(statement)
        if part is None:
            continue
        if statement.lstrip().startswith("["):
            around = _around(part, counts)
            found.setdefault(around, begun)
        else:
            for way in _ways(part):
                found.setdefault((*around, *way), begun)
        statement = ""
    return found


def _parsed(statement: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return None
    return found


def _around(header: Any, counts: dict[Way, int]) -> Way:
    """The way that a header leads, [a.b] or [[a]], which is for the first, the second …"""
    way: Way = ()
    while header:
        if isinstance(header, list):
            counts[way] = counts.get(way, -1) + 1
            way, header = (*way, counts[way]), header[0]
        else:
            key = next(iter(header))
            way, header = (*way, key), header[key]
            if way in counts and not isinstance(header, list):
                way = (*way, counts[way])
    return way


def _ways(part: Any) -> list[Way]:
    """The ways to all that an assignment says: `a.b = 1` to a, and to a.b."""
    if not isinstance(part, dict):
        return []
    return [way for key, value in part.items() for way in [(key,), *((key, *rest) for rest in _ways(value))]]
