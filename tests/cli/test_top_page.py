"""The page of `top`: by plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sjs.answers import Sight, Status
from sjs.cli.text import age, cut
from sjs.cli.top.page import BAD, CHOSEN, FAINT, Place, Wish, entries, moved, page
from sjs.core.job import Job, Report, Spec, Task
from sjs.core.needs import Gpu, Machine
from sjs.values import replace

NOW = 10_000.0


def job(number: int, state: str = "running", command: str = "", **more: Any) -> Job:
    spec = Spec(command=command or f"train {number}")
    return Job(number, spec, state, submitted=0.0, **{"started": NOW - 60 * number, **more})


def place(name: str, *jobs: Job, trouble: str = "", lines: Mapping[int, str] | None = None, **more: Any) -> Place:
    report = Report(name, len(jobs), 4, 2, machine=Machine(4, gpus=(Gpu("0"), Gpu("1"))), granted=(("0", 500),))
    status = Status(report, [], {"queued": 2, "held": 1}, name, 1, "/", "9", load=1.26, mem_free=5 << 30, **more)
    return Place(name, Sight(status, jobs, lines or {}), trouble)


PLACES = [
    place("gpu1", job(1), job(2, gpus=(("0", 1000),)), job(7, "queued"), lines={2: "loss=\x1b[2J0.5"}),
    Place("gpu2", trouble="no route"),
    place("gpu3", job(3, "running", "a command that is much too long for so narrow a terminal"), drained=True),
    Place("gpu4"),
]


def texts(places: Sequence[Place], wish: Wish, width: int = 80, height: int = 14) -> list[str]:
    return [row.text for row in page(places, wish, NOW, (width, height))]


def test_all_of_it() -> None:
    rows = page(PLACES, Wish(chosen=("gpu3", 3)), NOW, (80, 17))
    assert [row.text for row in rows] == [
        "sjs top: 4 machines (1 away), 4 of 8 slots taken, 4 queued, by machine",
        "TARGET  STATE    SLOTS  QUEUED  LOAD  MEM FREE  GPUS FREE",
        "gpu1    up       3/4    3       1.3   5G        1.5/2",
        "gpu2  away: no route",
        "gpu3    drained  1/4    3       1.3   5G        1.5/2",
        "gpu4    asking   -      -       -     -         -",
        "JOB     STATE         TIME  COMMAND                     LAST LINE",
        "gpu1:1  running       1m    train 1",
        "gpu1:2  running on 0  2m    train 2                     loss=\\x1b[2J0.5",
        "gpu3:3  running       3m    a command that is much too",
        "gpu1:7  queued        -     train 7",
        *[""] * 5,
        "q quit  up/down choose  f follow  c cancel  s sort  / filter  h help",
    ]
    assert [rows[at].look for at in (3, 9, 10)] == [BAD, CHOSEN, FAINT]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10, 2), (20, 5), (80, 24), (300, 100)])
def test_it_fits(width: int, height: int) -> None:
    wide = replace(PLACES[0], trouble="漢字" * 100)
    for wish in (Wish(), Wish(is_help=True), Wish(text="x" * 200, is_typing=True), Wish(told="y" * 200)):
        found = texts([wide, *PLACES], wish, width, height)
        assert len(found) == height
        assert max(map(len, found)) <= max(0, width - 1)


def test_of_many_machines_those_in_trouble_are_shown() -> None:
    many = [place(f"node{number}") for number in range(40)] + [Place("bad", trouble="gone")]
    found = texts(many, Wish(), height=24)
    assert found[2:10] == ["bad  away: gone", *found[3:9], "+34 more"]
    assert found[10].startswith("JOB")


@pytest.mark.parametrize(
    ("wish", "ids"),
    [
        (Wish(), [1, 2, 3, 7]),
        (Wish(sort="time"), [3, 2, 1, 7]),
        (Wish(sort="command"), [3, 1, 2, 7]),
        (Wish(text="LOSS"), [2]),
        (Wish(text="gpu1:"), [1, 2, 7]),
        (Wish(text="queued"), [7]),
    ],
)
def test_they_are_sorted_and_chosen(wish: Wish, ids: list[int]) -> None:
    assert [one.job.id for one in entries(PLACES, wish, NOW)] == ids


def test_a_job_of_a_sweep_shows_what_it_tries() -> None:
    spec = Spec(command="train --lr 0.1", task=Task("lr", 4, (("lr", "0.1"), ("bs", "32"))))
    found = entries([place("m", replace(job(1), spec=spec))], Wish(text="train --lr"), NOW)
    assert [one.what for one in found] == ["lr lr=0.1 bs=32"]


def test_the_choice_moves_and_stays_in_its_place() -> None:
    found = entries(PLACES, Wish(), NOW)
    wish = moved(found, Wish())
    assert wish.chosen == ("gpu1", 1)
    assert moved(found, wish, -5).chosen == ("gpu1", 1)
    second = moved(found, wish, 1)
    assert (second.chosen, moved(found, second, 99).chosen) == (("gpu1", 2), ("gpu1", 7))
    assert moved([one for one in found if one.key != second.chosen], second).chosen == ("gpu3", 3)
    assert moved([], second).chosen is None


def test_the_chosen_one_is_among_those_that_are_shown() -> None:
    many = [place("m", *(job(number) for number in range(100)))]
    for chosen in (0, 50, 99):
        rows = page(many, Wish(chosen=("m", chosen)), NOW, (80, 12))
        assert [row.text.split()[0] for row in rows if row.look == CHOSEN] == [f"m:{chosen}"]
        assert sum(row.text.startswith("m:") for row in rows) == 7


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "<1m"), (59, "<1m"), (60, "1m"), (7500, "2h05"), (3 * 86400 + 4 * 3600, "3d04h")]
)
def test_times_are_as_long_as_they_need_be(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("text", "width", "kept"),
    [
        ("abc", 2, "ab"),
        ("abc", -1, ""),
        ("漢字x", 4, "漢字"),
        ("漢字", 3, "漢"),
        ("e\u0301é", 1, "e\u0301"),
        ("é", 9, "é"),
    ],
)
def test_what_is_cut_has_so_many_columns(text: str, width: int, kept: str) -> None:
    assert cut(text, width) == kept
