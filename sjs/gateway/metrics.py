"""Numbers as Prometheus reads them: counters and histograms in memory, and their text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOBS = (1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0)
"""Seconds: the upper bounds of what is counted together."""

Labels = tuple[str, ...]


class Counter:
    """Numbers that only grow, by labels."""

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        self.name, self.about, self._labels = name, about, labels
        self._values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), count: float = 1) -> None:
        self._values[labels] = self._values.get(labels, 0) + count

    def text(self) -> Iterator[str]:
        yield from head(self.name, self.about, "counter")
        for labels, value in sorted(self._values.items()):
            yield line(self.name, dict(zip(self._labels, labels, strict=True)), value)


class Histogram:
    """How many were how large, by labels."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        self.name, self.about, self._bounds, self._labels = name, about, bounds, labels
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, value: float, labels: Labels = ()) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def text(self) -> Iterator[str]:
        yield from head(self.name, self.about, "histogram")
        for labels, counts in sorted(self._counts.items()):
            known = dict(zip(self._labels, labels, strict=True))
            total = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield line(f"{self.name}_bucket", {**known, "le": bound}, total)
            yield line(f"{self.name}_sum", known, self._sums[labels])
            yield line(f"{self.name}_count", known, total)


def gauge(name: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    """What is so now."""
    yield from head(name, about, "gauge")
    for labels, value in values:
        yield line(name, labels, value)


def head(name: str, about: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{f'{{{shown}}}' if shown else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
