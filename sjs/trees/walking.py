"""A tree, entry by entry, in an order that stays: who knows the last path that came can go on behind it."""

from __future__ import annotations

import os
from typing import Callable, Iterator, List, NamedTuple, Tuple

from sjs.trees.entries import FOLDER, Entry, parts, text_of
from sjs.trees.folder import OPEN_FOLDER, Folder, look, names_in
from sjs.trees.patterns import Patterns, below, is_meant

PAGE = 5_000
TEXT_OF_EACH = 25
"""Entries of one page at most, and the letters that each may have on average: six bytes each, in a line."""

OTHER = "neither a file nor a folder"

Trouble = Callable[[str, str], None]
"""Takes a path that is left out, and why."""


class Page(NamedTuple):
    """Some entries, what was left out, and the path behind which it goes on, if it does."""

    entries: List[Entry]
    troubles: List[Tuple[str, str]]
    next: str


class _Level:
    """A folder on the way, and the names in it that are still to come, the next one last. `after`: what is left of the
    path behind which to go on."""

    def __init__(self, fd: int, path: str, meant: Patterns, after: List[bytes]) -> None:
        self.fd = fd
        self.path = path
        self.meant = meant
        self.after = after
        self.names = [name for name in reversed(names_in(fd)) if not after or name >= after[0]]


def walk(folder: Folder, meant: Patterns, trouble: Trouble, after: str = "", others: bool = False) -> Iterator[Entry]:
    """All that is meant, a folder before what is in it; only what comes behind the path `after`. Pipes, sockets and
    devices hold nothing that could be carried; `others`: so that is a trouble."""
    levels: List[_Level] = []
    try:
        _enter(levels, os.open(".", OPEN_FOLDER, dir_fd=folder.fd), "", meant, parts(after) if after else [])
        while levels:
            if levels[-1].names:
                yield from _next(levels, trouble, others)
            else:
                os.close(levels.pop().fd)
    finally:
        for level in levels:
            os.close(level.fd)


def page(folder: Folder, meant: Patterns, after: str = "", most: int = PAGE, others: bool = False) -> Page:
    """The entries behind a path, so many at most."""
    found = Page([], [], "")
    text = 0
    for entry in walk(folder, meant, lambda path, why: found.troubles.append((path, why)), after, others):
        found.entries.append(entry)
        text += entry.text
        if len(found.entries) >= most or text >= most * TEXT_OF_EACH:
            return found._replace(next=entry.path)
    return found


def _next(levels: List[_Level], trouble: Trouble, others: bool) -> Iterator[Entry]:
    """The next name of the innermost folder, if it is meant; what is below it is a new level."""
    level = levels[-1]
    name = level.names.pop()
    path = level.path + text_of(name)
    left = below(level.meant, text_of(name))
    if not left:
        return
    is_on_the_way = level.after[:1] == [name]
    try:
        entry = look(level.fd, name, path)
        if entry is None:
            if others and is_meant(left) and not is_on_the_way:
                trouble(path, OTHER)
            return
        if is_meant(left) and not is_on_the_way:
            yield entry
        if entry.kind == FOLDER:
            below_it = os.open(name, OPEN_FOLDER, dir_fd=level.fd)
            _enter(levels, below_it, f"{path}/", left, level.after[1:] if is_on_the_way else [])
    except FileNotFoundError:  # it has gone since its folder was read
        return
    except OSError as error:
        trouble(path, error.strerror or str(error))


def _enter(levels: List[_Level], fd: int, path: str, meant: Patterns, after: List[bytes]) -> None:
    try:
        levels.append(_Level(fd, path, meant, after))
    except BaseException:
        os.close(fd)
        raise
