"""Files of values, read as streams: tables whose columns are parameters (.csv, .tsv, .jsonl, .yaml), and plain lines.
A file is read through once when it is opened: what is wrong in it is known before anything is made of it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from sjs.errors import UsageError
from sjs.values import dataclass

if TYPE_CHECKING:
    from yaml import Event

Reader = Callable[[str, str], Iterator[tuple[str, ...]]]
"""Of the file at a path, called so where it is spoken of: the names of its columns, then its rows."""


_LONGEST_NAME = 256
_AS_WRITTEN = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


@dataclass(frozen=True)
class Table:
    """The rows of a file."""

    path: str
    called: str
    names: Sequence[str]
    count: int
    digest: bytes
    reader: Reader

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        rows = self.reader(self.path, self.called)
        next(rows)
        return rows

    def said(self) -> Iterator[bytes]:
        """What makes it this one: all that is in it, wherever it lies."""
        yield self.digest


def table(path: str, called: str) -> Table:
    """A file whose columns have names. A copy of what has no ending (`called` otherwise) is what it looks like."""
    reader = _READERS.get(os.path.splitext(called)[1].lower()) or (_sniffed(path) if called != path else None)
    if reader is None:
        raise UsageError(f"{path}: is no table", f"its name ends with {', '.join(_READERS)}")
    found = _opened(path, called, reader)
    for name in found.names:
        if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or found.names.count(name) > 1:
            raise UsageError(f"{found.called}: each column needs a name of its own, not {name!r:.60}")
    return found


def lines(path: str, called: str) -> Table:
    """A file with a value a line."""
    return _opened(path, called, _lines)


def _opened(path: str, called: str, reader: Reader) -> Table:
    seen = hashlib.sha256()
    count = -1
    names: tuple[str, ...] = ()
    for row in reader(path, called):
        names = row if count < 0 else names
        seen.update(repr(row).encode("utf-8", "surrogateescape"))
        count += 1
    if count < 1:
        raise UsageError(f"{called}: there are no rows in it")
    return Table(path, called, names, count, seen.digest(), reader)


def _sniffed(path: str) -> Reader:
    """What has no name to go by."""
    with _text(path) as stream:
        return _json_lines if stream.read(1) == "{" else _commas


def _lines(path: str, called: str) -> Iterator[tuple[str, ...]]:
    yield ("",)
    with _text(path, newline="\n") as stream:
        for line in stream:
            yield (line.removesuffix("\n").removesuffix("\r"),)


def _commas(path: str, called: str, delimiter: str = ",") -> Iterator[tuple[str, ...]]:
    width = 0
    with _text(path, newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if not row:
                    continue
                width = width or len(row)
                if len(row) != width:
                    raise UsageError(f"{called}:{reader.line_num}: has {len(row)} fields, and the first line {width}")
                yield tuple(row)
        except csv.Error as error:
            raise UsageError(f"{called}:{reader.line_num}: {error}") from None


def _tabs(path: str, called: str) -> Iterator[tuple[str, ...]]:
    return _commas(path, called, "\t")


def _json_lines(path: str, called: str) -> Iterator[tuple[str, ...]]:
    names: tuple[str, ...] = ()
    with _text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                found = _AS_WRITTEN.decode(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{called}:{number}: is no JSON: {error}") from None
            if not isinstance(found, dict):
                raise UsageError(f"{called}:{number}: is no JSON object")
            row = _json_texts(found, line)
            if not names:
                names = tuple(row)
                yield names
            yield _in_order(row, names, f"{called}:{number}")


def _json_texts(found: dict[str, Any], line: str) -> dict[str, str]:
    """Texts and numbers as they stand there, nothing for null, lists and objects as JSON."""
    if all(type(value) is str for value in found.values()):
        return found
    if any(isinstance(value, (list, dict)) for value in found.values()):
        plain = json.loads(line)
        found = {name: plain[name] if isinstance(value, (list, dict)) else value for name, value in found.items()}
    return {name: value if isinstance(value, str) else _json_text(value) for name, value in found.items()}


def _json_text(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _in_order(row: dict[str, str], names: tuple[str, ...], where: str) -> tuple[str, ...]:
    if tuple(row) == names:
        return tuple(row.values())
    if row.keys() != set(names):
        other = next(iter(row.keys() ^ set(names)))
        raise UsageError(f"{where}: '{other}' is not in each row", "all have the same names")
    return tuple(row[name] for name in names)


def _yaml_rows(path: str, called: str) -> Iterator[tuple[str, ...]]:
    """A list of mappings, event by event: as nodes, a million would not fit."""
    names: tuple[str, ...] = ()
    for line, row in _yaml_mappings(path, called):
        if not names:
            names = tuple(row)
            yield names
        yield _in_order(row, names, f"{called}:{line}")


def _yaml_mappings(path: str, called: str) -> Iterator[tuple[int, dict[str, str]]]:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    around = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.SequenceStartEvent)
    after = (yaml.SequenceEndEvent, yaml.DocumentEndEvent, yaml.StreamEndEvent)
    with _text(path) as stream:
        try:
            events = yaml.parse(stream, Loader=loader)
            for event, kind in zip(events, around, strict=False):
                if not isinstance(event, kind):
                    raise _no_table(event, called)
                if kind is yaml.SequenceStartEvent:
                    break
            for event in events:
                if isinstance(event, yaml.MappingStartEvent):
                    yield _line(event), _yaml_mapping(events, called)
                elif not isinstance(event, after):
                    raise _no_table(event, called)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise UsageError(f"{called}:{mark.line + 1 if mark else 1}: {error.problem or 'is no YAML'}") from None
        except yaml.YAMLError as error:
            raise UsageError(f"{called}: is no YAML: {' '.join(str(error).split())}") from None


def _yaml_mapping(events: Iterator[Event], called: str) -> dict[str, str]:
    import yaml

    found: dict[str, str] = {}
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        name = _yaml_text(key, called)
        found[name] = _yaml_text(next(events), called)
    return found


def _yaml_text(event: Event, called: str) -> str:
    import yaml

    if not isinstance(event, yaml.ScalarEvent):
        raise _no_table(event, called)
    return str(event.value)


def _no_table(event: Event, called: str) -> UsageError:
    return UsageError(f"{called}:{_line(event)}: a table is a list of rows, - name: value")


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _text(path: str, newline: str | None = None) -> TextIO:
    try:
        return open(path, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


_READERS: dict[str, Reader] = {
    ".csv": _commas,
    ".tsv": _tabs,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".yaml": _yaml_rows,
    ".yml": _yaml_rows,
}
