"""How much a day allows, counted exactly by commands that run at the same time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sjs.allowance import Allowance
from sjs.core.overflow import Limits, Spent
from sjs.errors import SjsError


def allowance(folder: Path, jobs: int | None = 10, cost: float | None = None, day: str = "2026-03-01") -> Allowance:
    return Allowance(str(folder / "overflow"), "lab", Limits(jobs, cost), lambda: day)


def test_what_was_taken_counts_and_not_what_was_only_wanted(tmp_path: Path) -> None:
    one = allowance(tmp_path)
    assert one.grant("k", [0.0] * 8) == ([True] * 8, "")
    assert one.grant("l", [0.0] * 3) == ([True, True, False], "10 of 10 jobs of today have gone")
    one.settle("k", Spent(5, 0.0))
    assert one.grant("l", [0.0] * 4) == ([True, True, True, False], "10 of 10 jobs of today have gone")
    one.settle("never granted", Spent(9, 0.0))
    assert one.grant("m", [0.0])[0] == [False]


def test_what_is_settled_bit_by_bit_counts_as_it_was_taken(tmp_path: Path) -> None:
    one = allowance(tmp_path, None, 10.0)
    assert one.grant("k", [2.0] * 5)[0] == [True] * 5
    one.settle("k", Spent(), of=Spent(2, 4.0))
    assert one.grant("l", [4.0, 1.0])[0] == [True, False]
    one.settle("k", Spent(3, 6.0), of=Spent(3, 6.0))
    one.settle("k", Spent(3, 6.0))
    one.settle("l", Spent(0, 0.0))
    assert one.grant("m", [4.0, 1.0])[0] == [True, False]


def test_a_rehearsal_takes_nothing(tmp_path: Path) -> None:
    rehearsed = Allowance(str(tmp_path / "overflow"), "lab", Limits(3), lambda: "2026-03-01", is_rehearsed=True)
    assert rehearsed.grant("k", [0.0, 0.0])[0] == [True, True]
    assert rehearsed.grant("k", [0.0, 0.0])[0] == [True, False]
    assert allowance(tmp_path, 3).grant("k", [0.0] * 4)[0] == [True, True, True, False]


def test_a_day_begins_with_nothing_taken(tmp_path: Path) -> None:
    before, after = allowance(tmp_path, 2), allowance(tmp_path, 2, day="2026-03-02")
    before.grant("late", [0.0])
    before.settle("late", Spent(1, 0.0))
    before.grant("over midnight", [0.0])
    assert after.grant("k", [0.0, 0.0])[0] == [True, True]
    after.settle("over midnight", Spent(1, 0.0))
    after.settle("k", Spent(1, 0.0))
    assert after.grant("k", [0.0, 0.0])[0] == [True, False]


def test_a_file_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    allowance(tmp_path).grant("k", [0.0])
    (tmp_path / "overflow" / "lab.json").write_text("{}")
    with pytest.raises(SjsError, match=r"lab.json cannot be understood .*rm "):
        allowance(tmp_path).grant("k", [0.0])


PROGRAM = """\
import sys
from sjs.allowance import Allowance
from sjs.core.overflow import Limits, Spent
folder, name = sys.argv[1:]
one = Allowance(folder, "lab", Limits(40))
taken = 0
for number in range(20):
    granted, _ = one.grant(f"{name}/{number}", [0.0])
    if granted[0]:
        kept = number % 2
        one.settle(f"{name}/{number}", Spent(kept, 0.0))
        taken += kept
print(taken)
"""


def test_of_several_programs_together_as_many_go_as_the_day_allows(tmp_path: Path) -> None:
    """Each takes half of what it is granted; what the others have given back, it may have."""

    def run(name: str) -> int:
        words = [sys.executable, "-c", PROGRAM, str(tmp_path / "overflow"), name]
        return int(subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout)

    with ThreadPoolExecutor(6) as pool:
        taken = sum(pool.map(run, "abcdef"))
    assert taken <= 40
    left = Allowance(str(tmp_path / "overflow"), "lab", Limits(40))
    assert left.grant("rest", [0.0] * 50)[0].count(True) == 40 - taken
