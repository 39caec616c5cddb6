"""The end of what a job has printed, as a terminal would have it: rows that it can go back to and change. Rows that are
above them are final. Pure.

A place is where a row began. Who goes on there, and knows nothing else, sees the same from that row on: the rows above
it are there to be moved in, without what they say. Of the end of an output nobody knows how many rows were above it,
nor what they said; there as many as a screen has are taken to be, and those that are written in are shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, islice
from unicodedata import category, east_asian_width

from sjs.gateway.web.pages.looks import PLAIN, Style, styled
from sjs.values import dataclass

ROWS = 50
"""That can still be changed. Programs that know no better take a terminal to have 20 to 25."""

COLUMNS = 4_096
"""After these a row goes on in the next one."""

WIDE = 500
"""Columns that can be moved to without anything written before them."""

MOST_PARTS = 400
"""Of a row that differ in how they look; what follows them is plain."""

_MOST_MARKS = 4
"""Letters without a width, as accents, that share the place of another one."""

_TAB = 8

Part = tuple[str, str]
"""Some text, and the classes by which it is shown."""

Line = Sequence[Part]

Row = tuple[int, Line]
"""Its number, of all rows that there ever were, or higher; and what it says."""


@dataclass(frozen=True)
class Place:
    """The beginning of a row: its offset in the bytes, its number, the first row that is to be told, and how it begins.
    That first row is above it where the end of an output was looked at."""

    offset: int = 0
    row: int = 0
    first: int = 0
    style: Style = PLAIN

    @property
    def text(self) -> str:
        return f"{self.offset},{self.row},{self.first};{self.style.code}".rstrip(";")


def place_of(text: str) -> Place | None:
    """The place that was written so; None for what is none."""
    if not re.fullmatch(r"\d{1,15}(,\d{1,15}){2}(;\d{1,3}){0,12}", text, re.ASCII):
        return None
    where, _, code = text.partition(";")
    offset, row, first = map(int, where.split(","))
    if not 0 <= row - first < ROWS:
        return None
    return Place(offset, row, first, styled(PLAIN, code.encode()) if code else PLAIN)


def inside(offset: int) -> Place:
    """Where a line begins, of which nobody knows which one it is. Its numbers are above those of all rows that began
    before it."""
    return Place(offset, offset + ROWS - 1, offset) if offset else Place()


class _Cells:
    """A row: the letter in each column, and how it looks. Behind one that is wider than a column are empty ones."""

    def __init__(self, offset: int, style: Style) -> None:
        self.offset = offset
        self.style = style
        self.letters: list[str] = []
        self.looks: list[str] = []

    def put(self, column: int, cells: list[str], look: str) -> None:
        end = column + len(cells)
        if column != len(self.letters):
            self.reach(column)
            self.part(column)
            self.part(end)
        self.letters[column:end] = cells
        self.looks[column:end] = [look] * len(cells)

    def reach(self, column: int) -> None:
        """Be so long at least."""
        lacking = column - len(self.letters)
        if lacking > 0:
            self.letters += [" "] * lacking
            self.looks += [""] * lacking

    def part(self, column: int) -> None:
        """Have no letter on both sides of it: one that is becomes blank."""
        if column >= len(self.letters) or self.letters[column]:
            return
        begin = column - 1
        while not self.letters[begin]:
            begin -= 1
        end = column
        while end < len(self.letters) and not self.letters[end]:
            end += 1
        self.letters[begin:end] = [" "] * (end - begin)

    def mark(self, column: int, letter: str) -> bool:
        """Put one without a width to that which ends before the column, if there is one that has room."""
        while column and column <= len(self.letters):
            column -= 1
            if self.letters[column]:
                has_room = len(self.letters[column]) <= _MOST_MARKS
                self.letters[column] += letter if has_room else ""
                return has_room
        return False

    def erase(self, begin: int, end: int | None) -> None:
        """What is from one column to another, or to the end, is gone."""
        self.part(begin)
        if end is None or end >= len(self.letters):
            del self.letters[begin:], self.looks[begin:]
        else:
            self.put(begin, [" "] * (end - begin), "")

    @property
    def line(self) -> Line:
        parts: list[Part] = []
        at = 0
        for look, group in groupby(self.looks):
            size = len(list(group))
            if len(parts) == MOST_PARTS:
                parts.append(("".join(self.letters[at:]), ""))
                break
            parts.append(("".join(self.letters[at : at + size]), look))
            at += size
        return parts


class Screen:
    """From a place on."""

    def __init__(self, place: Place | None = None) -> None:
        self._begin = place or Place()
        self.style = self._begin.style
        self._look = self.style.classes
        self._row = self._begin.row
        self._column = 0
        self._first = max(0, self._row - ROWS + 1)
        self._seen = self._row
        self._rows = [_Cells(self._begin.offset, self.style) for _ in range(self._first, self._row + 1)]

    @property
    def place(self) -> Place:
        """Where the first row began that can still be changed."""
        if self._first > self._begin.row:
            first = self._rows[0]
            return Place(first.offset, self._first, self._first, first.style)
        begin = self._begin
        return Place(begin.offset, begin.row, max(begin.first, self._first), begin.style)

    @property
    def open(self) -> Sequence[Row]:
        """The rows that can still be changed, without the blank ones at the end."""
        begin = max(self._first, self._told_from)
        found = [(number, row.line) for number, row in enumerate(islice(self._rows, begin - self._first, None), begin)]
        while found and found[-1][0] >= self._row and _is_blank(found[-1][1]):
            found.pop()
        return found

    def dress(self, style: Style) -> None:
        """How what is written from now on looks."""
        self.style, self._look = style, style.classes

    def write(self, text: str, offset: int, ended: list[Row]) -> None:
        """Letters; the first one's offset in the bytes."""
        if text.isascii():
            self._write(text, 1, offset, ended)
            return
        for size, letters in groupby(text, _width):
            run = "".join(letters)
            if size:
                self._write(run, size, offset, ended)
            else:
                self._mark(run, offset, ended)
            offset += len(run.encode())

    def _mark(self, text: str, offset: int, ended: list[Row]) -> None:
        for letter in text:
            if not self._touched().mark(self._column, letter):
                self._write(letter, 1, offset, ended)
            offset += len(letter.encode())

    def _write(self, text: str, size: int, offset: int, ended: list[Row]) -> None:
        while text:
            room = max(0, COLUMNS - self._column) // size
            piece, text = text[:room], text[room:]
            if piece:
                cells = list(piece) if size == 1 else [cell for letter in piece for cell in (letter, "")]
                self._touched().put(self._column, cells, self._look)
                self._column += len(cells)
            if text:
                offset += len(piece.encode())
                self.end(offset, ended)

    def tab(self) -> None:
        """To the next of the columns where tabs end; at the end of a row it is kept as one."""
        column = min(self._column - self._column % _TAB + _TAB, COLUMNS)
        here = self._touched()
        if len(here.letters) <= self._column < column:
            here.put(self._column, ["\t", *[""] * (column - self._column - 1)], self._look)
        self._column = column

    def end(self, offset: int, ended: list[Row]) -> None:
        """To the beginning of the next row; one that was not there begins at this offset."""
        self._row += 1
        self._column = 0
        if self._row < self._first + len(self._rows):
            return
        self._rows.append(_Cells(offset, self.style))
        if len(self._rows) > ROWS:
            gone = self._rows.pop(0)
            if self._first >= self._told_from:
                ended.append((self._first, gone.line))
            self._first += 1

    def do(self, what: bytes, said: bytes) -> None:
        """What a sequence means, by its last letter and its numbers."""
        if what == b"m":
            self.dress(styled(self.style, said))
        elif re.fullmatch(rb"\d{0,4}(;\d{0,4})?", said):
            count = int(said.partition(b";")[0] or 0)
            if what in _WAYS:
                rows, columns, goes_back = _WAYS[what]
                self._move(rows * max(1, count), columns * max(1, count))
                self._column = 0 if goes_back else self._column
            elif what in (b"G", b"`"):
                self._move(0, max(1, count) - 1 - self._column)
            elif what == b"K":
                self._erase(count)
            elif what == b"J" and count == 0:
                self._erase(0)
                for row in self._rows[self._row - self._first + 1 :]:
                    row.erase(0, None)

    def back(self) -> None:
        self._column = 0

    def over(self) -> None:
        self._move(0, -1)

    def _move(self, rows: int, columns: int) -> None:
        """Never down beyond the last row: how far a terminal would go there is its height."""
        self._row = min(max(self._first, self._row + rows), self._first + len(self._rows) - 1)
        widest = max(WIDE, len(self._here.letters), self._column) if columns > 0 else COLUMNS
        self._column = min(max(0, self._column + columns), widest, COLUMNS - 1)

    def _erase(self, what: int) -> None:
        here = self._touched()
        if what == 0:
            here.erase(self._column, None)
        elif what == 1:
            here.erase(0, self._column + 1)
        elif what == 2:
            here.erase(0, None)

    @property
    def _told_from(self) -> int:
        return max(self._seen, self._begin.first)

    @property
    def _here(self) -> _Cells:
        return self._rows[self._row - self._first]

    def _touched(self) -> _Cells:
        """The row that is written in. Those below it of which nobody knew are there with it."""
        self._seen = min(self._seen, self._row)
        return self._here


_WAYS = {
    b"A": (-1, 0, False), b"B": (1, 0, False), b"C": (0, 1, False), b"D": (0, -1, False), b"E": (1, 0, True),
    b"F": (-1, 0, True),
}  # fmt: skip
"""Rows and columns that a sequence moves by, and whether it goes to the beginning of the row."""


def _is_blank(line: Line) -> bool:
    return all(not look and not text.strip(" ") for text, look in line)


@lru_cache(maxsize=4_096)
def _width(letter: str) -> int:
    """Columns that it takes; a terminal's, of which there is no table in the standard library."""
    if category(letter) in ("Mn", "Me", "Cf") and letter != "\xad":
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
