"""Settings: which values go together in a job. All products of some sources, or so many by chance. Streamed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sjs.errors import UsageError
from sjs.making.parameters import Parameter
from sjs.spec_json import MAX_PAIRS
from sjs.values import dataclass


class Rows(Protocol):
    """Rows of values, always the same ones. `count` is None where nobody knows before they have all been seen."""

    @property
    def names(self) -> Sequence[str]:
        """What its columns are called; empty is a column that is known by where it stands."""
        ...

    @property
    def count(self) -> int | None: ...

    def __iter__(self) -> Iterator[tuple[str, ...]]: ...

    def said(self) -> Iterator[bytes]:
        """What makes them these and no others."""
        ...


@dataclass(frozen=True)
class Product:
    """Each row of one with each of the next; the last varies fastest."""

    parts: Sequence[Rows]

    @property
    def names(self) -> Sequence[str]:
        found = [name for part in self.parts for name in part.names]
        return [name or str(place) for place, name in enumerate(found, 1)]

    @property
    def count(self) -> int | None:
        counts = [part.count for part in self.parts]
        return None if None in counts else math.prod(count for count in counts if count is not None)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return _product(self.parts)

    def said(self) -> Iterator[bytes]:
        return (piece for part in self.parts for piece in (b"x", *part.said()))


def _product(parts: Sequence[Rows]) -> Iterator[tuple[str, ...]]:
    if len(parts) == 1:
        return iter(parts[0])
    return (row + more for row in parts[0] for more in _product(parts[1:]))


@dataclass(frozen=True)
class Linked:
    """The first row of each, the second of each, as far as the shortest goes."""

    parts: Sequence[Rows]

    @property
    def names(self) -> Sequence[str]:
        return [name for part in self.parts for name in part.names]

    @property
    def count(self) -> int | None:
        counts = [part.count for part in self.parts]
        return None if None in counts else min(count for count in counts if count is not None)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return (sum(rows, ()) for rows in zip(*self.parts, strict=False))

    def said(self) -> Iterator[bytes]:
        return (piece for part in self.parts for piece in (b"+", *part.said()))


@dataclass(frozen=True)
class Sample:
    """So many settings by chance: the same ones for the same seed, whichever Python draws them. Where all of them can
    be counted none is drawn twice, and there are no more than there are."""

    parameters: Sequence[Parameter]
    wanted: int
    seed: int

    @property
    def names(self) -> Sequence[str]:
        return Product(self.parameters).names

    @property
    def space(self) -> int | None:
        """How many there are to draw from."""
        return Product(self.parameters).count

    @property
    def count(self) -> int:
        return self.wanted if self.space is None else min(self.wanted, self.space)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        space = self.space
        if space is None:
            return (self._drawn(number) for number in range(self.count))
        return map(self._at, map(_shuffle(space, self.seed), range(self.count)))

    def said(self) -> Iterator[bytes]:
        yield f"sample {self.wanted} {self.seed}".encode()
        yield from Product(self.parameters).said()

    def _drawn(self, number: int) -> tuple[str, ...]:
        fractions = (_chance(self.seed, number, place) / 2**64 for place in range(len(self.parameters)))
        return tuple(one.values.drawn(part) for one, part in zip(self.parameters, fractions, strict=True))

    def _at(self, index: int) -> tuple[str, ...]:
        found: list[str] = []
        for one in reversed(self.parameters):
            index, place = divmod(index, one.values.size or 1)
            found.append(one.values.at(place))
        return tuple(reversed(found))


def settings(parts: Sequence[Rows], samples: int | None = None, seed: int = 0) -> Product | Sample:
    """The settings of a sweep; UsageError where they cannot be."""
    if not parts:
        raise UsageError("which parameters?", "-p lr 0.1 0.01, --from table.csv, or ::: a b behind the command")
    names = Product(parts).names
    if len(names) > MAX_PAIRS:
        raise UsageError(f"there are {len(names)} parameters; a job can have {MAX_PAIRS}")
    for name in names:
        if list(names).count(name) > 1:
            raise UsageError(f"there are two parameters of the name {name}", "name one of them otherwise")
    if samples is not None:
        drawn = [part for part in parts if isinstance(part, Parameter)]
        if len(drawn) < len(parts):
            raise UsageError("--samples draws from parameters, not from tables or files", "shuf takes lines by chance")
        return Sample(drawn, samples, seed)
    for part in parts:
        if isinstance(part, Parameter) and part.count is None:
            kind = part.words[0]
            hint = f"say how many, {kind}:8, or draw from them: --samples 100"
            raise UsageError(f"{part.name}: there is no end of values in {kind}", hint)
    return Product(parts)


def _chance(*words: int) -> int:
    """A number below 2**64 that these lead to."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest(), "big")


def _shuffle(count: int, seed: int) -> Callable[[int], int]:
    """Where each of `count` things comes to when all are shuffled. Nothing is kept: a Feistel network is a shuffle of a
    power of four, in which whoever lands outside goes on."""
    half = max(1, (count - 1).bit_length() + 1 >> 1)
    mask = (1 << half) - 1
    turns = 4 if half > 5 else 12  # few bits mix badly: measured, by how often two things come to stand in each order
    keys = [_chance(seed, turn) for turn in range(turns)]

    def place(index: int) -> int:
        while True:
            left, right = index >> half, index & mask
            for key in keys:
                left, right = right, left ^ _mixed(right + key) & mask
            index = left << half | right
            if index < count:
                return index

    return place


def _mixed(number: int) -> int:
    """As good as by chance in each bit (the end of SplitMix64), and quick."""
    number &= _WORD
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _WORD
    return number ^ number >> 31


_WORD = (1 << 64) - 1
