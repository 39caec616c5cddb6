"""Names of entries: which are refused, and which cannot be beside each other. Values in, values out."""

from __future__ import annotations

import re
import unicodedata

from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.refusals import BadZip, shown

UNIX = 3
"""The system whose archives have names as bytes; others have a code page, if they do not say UTF-8."""

_DRIVE = re.compile(r"[A-Za-z]:")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029]")


def parts_of(name: bytes, is_utf8: bool, system: int, limits: Limits) -> tuple[list[str], bool]:
    """The names in an entry's path, and whether it is a folder; none for the folder in which all is put. Bytes that
    are no UTF-8 are surrogates, as everywhere in Python."""
    text = _text(name, is_utf8, system)
    for wrong, code in (
        ("\0" in text, "zip_name_nul"),
        (_CONTROL.search(text), "zip_name_control"),
        (_DIRECTION.search(text), "zip_name_direction"),
        ("\\" in text, "zip_name_backslash"),
        (text.startswith("/"), "zip_name_absolute"),
        (_DRIVE.match(text), "zip_name_drive"),
    ):
        if wrong:
            raise BadZip(code, shown(name))
    is_folder = text.endswith("/")
    parts = text.removesuffix("/").split("/")
    while parts[:1] == ["."]:  # as some write it who pack what is here
        del parts[0]
    if not {"", "."}.isdisjoint(parts) or not (parts or is_folder):
        raise BadZip("zip_name_empty", shown(name))
    if ".." in parts:
        raise BadZip("zip_name_escapes", shown(name))
    if len(name) > limits.path or any(len(part.encode("utf-8", "surrogateescape")) > limits.name for part in parts):
        raise BadZip("zip_name_long", shown(name))
    if len(parts) > limits.depth:
        raise BadZip("zip_name_deep", shown(name))
    return parts, is_folder


def _text(name: bytes, is_utf8: bool, system: int) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        if is_utf8:
            raise BadZip("zip_name_utf8", shown(name)) from None
    return name.decode("utf-8", "surrogateescape") if system == UNIX else name.decode("cp437")


class _Folder:
    """What is known of a folder: what is in it, by names without case, each as it was first written."""

    __slots__ = ("inside", "is_entry")

    def __init__(self) -> None:
        self.inside: dict[str, tuple[str, _Folder | None]] = {}
        self.is_entry = False


class Names:
    """All names of an archive, so that no two of them would be one on any disk."""

    def __init__(self, limits: Limits) -> None:
        self.folders = 0
        self._most = limits.entries
        self._top = _Folder()

    def add(self, parts: list[str], is_folder: bool, name: bytes) -> None:
        """One more entry."""
        at = self._top
        for part in parts if is_folder else parts[:-1]:
            at = self._below(at, part, name)
        if is_folder:
            if at.is_entry:
                raise BadZip("zip_duplicate", shown(name))
            at.is_entry = True
            return
        there = at.inside.get(_folded(parts[-1]))
        if there is None:
            at.inside[_folded(parts[-1])] = parts[-1], None
        elif there[1] is not None:
            raise BadZip("zip_file_and_folder", shown(name))
        else:
            raise BadZip("zip_duplicate" if there[0] == parts[-1] else "zip_case", shown(name))

    def _below(self, at: _Folder, part: str, name: bytes) -> _Folder:
        there = at.inside.get(_folded(part))
        if there is None:
            self.folders += 1
            if self.folders > self._most:
                raise BadZip("zip_entries", f"more than {self._most:,} folders")
            below = _Folder()
            at.inside[_folded(part)] = part, below
            return below
        if there[0] != part:
            raise BadZip("zip_case", shown(name))
        if there[1] is None:
            raise BadZip("zip_file_and_folder", shown(name))
        return there[1]


def _folded(part: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold())
