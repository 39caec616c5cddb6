"""A JSON object of which one string may be huge, as it comes: that string is handed on, the rest is small and kept.

As with Go: keys are those of the struct whatever their case, others are skipped, the last of several counts, null
changes nothing, and the first value of a wrong type is told once the whole has been read. Of bytes behind the object
nobody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sjs.gateway.zips.json_scan import BadJson, JsonTooLarge, Scanner

CAP = 256 << 10
"""Bytes outside of strings that are skipped or handed on."""

_GO = {str: "string", bool: "bool"}


class Sink(Protocol):
    """Where the huge string goes."""

    def begin(self) -> None:
        """It begins, or begins anew: what came before does not count."""

    def write(self, piece: bytes) -> None:
        """Some of it, as UTF-8."""


class ObjectReader:
    """Reads what is fed to it. `fields`: the small ones, each `str` or `bool`; `large`: the key of the huge string;
    `struct`: what Go calls all that."""

    def __init__(
        self, fields: Mapping[str, type], large: str, sink: Sink, struct: str = "jobs.Upload", cap: int = CAP
    ) -> None:
        self._fields = {name.casefold(): name for name in (*fields, large)}
        self._kinds = {**fields, large: str}
        self._large = large
        self._sink = sink
        self._struct = struct
        self._cap = cap
        self._scanner = Scanner(self, cap)
        self._depth = 0
        self._field = ""
        self._is_key = False
        self._kept = bytearray()
        self._found: dict[str, Any] = {}
        self._wrong: BadJson | None = None

    @property
    def is_done(self) -> bool:
        """Whether the object has ended: what comes behind it makes no difference."""
        return self._scanner.is_done

    def feed(self, data: bytes) -> None:
        """What has come next. BadJson with Go's words, JsonTooLarge; what the sink raises comes through."""
        self._scanner.feed(data)
        self._tell()

    def close(self) -> dict[str, Any]:
        """Nothing more comes: the small fields that were there, and were not null."""
        self._scanner.close()
        self._tell()
        return self._found

    def _tell(self) -> None:
        if self.is_done and self._wrong is not None:
            raise self._wrong

    def opens(self, kind: str) -> None:
        if self._depth or kind != "object":
            self._check(kind)
        self._depth += 1

    def closes(self) -> None:
        self._depth -= 1

    def begins_text(self, is_key: bool) -> bool:
        self._is_key = is_key
        self._kept.clear()
        if self._depth > 1 or (self._depth == 1 and not is_key and not self._field):
            return False
        if is_key:
            return True
        if not self._check("string"):
            return False
        if self._field == self._large:
            self._sink.begin()
        return True

    def text(self, piece: bytes) -> None:
        if not self._is_key and self._field == self._large:
            self._sink.write(piece)
            return
        self._kept += piece
        if len(self._kept) > self._cap:
            raise JsonTooLarge("a key or a short string of the request is too long")

    def ends_text(self) -> None:
        if self._depth != 1:
            return
        if self._is_key:
            self._field = self._fields.get(self._kept.decode().casefold(), "")
        elif self._field and self._field != self._large and self._kinds[self._field] is str:
            self._found[self._field] = self._kept.decode()

    def scalar(self, written: bytes) -> None:
        if written == b"null" or not self._check("bool" if written in (b"true", b"false") else "number"):
            return
        self._found[self._field] = written == b"true"

    def _check(self, kind: str) -> bool:
        """Whether a value of this kind may stand here and means something; if it may not, that is noted."""
        if self._depth > 1 or (self._depth == 1 and not self._field):
            return False
        if self._depth == 1 and _GO[self._kinds[self._field]] == kind:
            return True
        where = f"value of type {self._struct}"
        if self._depth == 1:
            where = f"struct field {self._struct.rsplit('.')[-1]}.{self._field} of type {_GO[self._kinds[self._field]]}"
        self._wrong = self._wrong or BadJson(f"json: cannot unmarshal {kind} into Go {where}")
        return False
