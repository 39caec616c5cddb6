"""What is shown of a sweep where there is no terminal, or none that can show a bar, and how a bar is laid out."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from sjs.cli.sweeps.layout import picture
from sjs.cli.sweeps.now import Failure, MachineNow, Pace, Point, SweepNow
from sjs.cli.sweeps.view import EVERY, SweepView
from sjs.extras import how_to_get
from sjs.values import replace

MACHINES = [MachineNow(f"node{number}", number % 5, 4, number % 3) for number in range(16)]
NOW = SweepNow(100, 38, 12, 40, 0, 0, 10, MACHINES, 100.0)
PACE = Pace((Point(0, 0), Point(50, 20), Point(100, 40)))
FAILURE = Failure("gpu1", 7, "", "exit status 3", ["bad"])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *moments: SweepNow) -> list[str]:
    with SweepView(stream, "lr", "submit all") as view:
        for now in moments:
            view.show(now)
        view.failures([FAILURE])
    return stream.getvalue().splitlines()


def heads(lines: Sequence[str]) -> list[str]:
    return [one.partition(" ended")[0] for one in lines[:-3]]


def test_lines_come_at_a_pace_with_what_turns_and_the_end() -> None:
    moments = [replace(NOW, seconds=float(second), succeeded=second) for second in range(0, 100, 1)]
    moments[40:50] = [
        replace(one, machines=[replace(MACHINES[0], trouble=f"away for {number} s")])
        for number, one in enumerate(moments[40:50])
    ]
    moments[70:] = [replace(one, failed=1) for one in moments[70:]]
    told = shown(io.StringIO(), *moments)
    assert heads(told) == [
        *(f"sweep lr: {done} of 100" for done in (0, int(EVERY))),
        "node0: away for 0 s",
        "node0: well again",
        *(f"sweep lr: {done} of 100" for done in (60, 71, 100)),
    ]
    assert told[-3:] == ["failed: gpu1:7: exit status 3", "    bad", "  more: submit gpu1 logs 7 --merged"]


def test_what_was_said_is_not_said_again_at_the_end() -> None:
    assert len(shown(io.StringIO(), NOW)) == 1 + 3
    assert len(shown(io.StringIO())) == 3, "nothing was shown, and who failed is told all the same"


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    told = shown(Terminal(), NOW)
    assert told[0].startswith("sweep lr: 40 of 100 ended (40 succeeded")
    assert "\x1b" not in "".join(told)


def test_without_rich_there_are_lines_and_a_word_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sjs.cli.sweeps.bar", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    why, told, *_ = shown(Terminal(), NOW)
    assert why == f"a bar needs the package rich ({how_to_get('view')}); until then, lines"
    assert told.startswith("sweep lr: 40 of 100 ended")


@pytest.mark.parametrize("width", [1, 12, 20, 40, 79, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_machines_do_not_fill_it(width: int) -> None:
    away = replace(NOW, failed=3, machines=[replace(one, trouble="no answer " * 20) for one in MACHINES])
    for height in (3, 24):
        lines = picture("lr", away, PACE, 100.0, (width, height), False)
        assert max(cell_len(line.plain) for line in lines) <= max(width - 1, 10)
        assert len(lines) <= 2 + max(1, height // 4) + 2


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (
            100,
            [
                "lr " + "━" * 35 + "╍" * 11 + "─" * 43 + " 40/100",
                "40 succeeded, 12 running, 38 waiting, 10 not handed in, 24/min, 1:41, 2:30 left",
            ],
        ),
        (50, ["lr " + "━" * 15 + "╍" * 5 + "─" * 19 + " 40/100", "40 succeeded, 12 running, 24/min, 2:30 left"]),
        (24, ["lr " + "━" * 5 + "╍" * 1 + "─" * 7 + " 40/100", "40 succeeded, 2:30 left"]),
    ],
)
def test_what_matters_least_goes_first_where_there_is_little_room(width: int, expected: list[str]) -> None:
    lines = picture("lr", replace(NOW, machines=()), PACE, 101.0, (width, 24), False)
    assert [line.plain for line in lines] == expected


def test_machines_beyond_the_room_are_summed_up() -> None:
    lines = [line.plain for line in picture("lr", NOW, PACE, 100.0, (40, 8), True)]
    assert lines[0] == "lr ===========>>>>-------------- 40/100"
    assert lines[2:] == ["node0 0/4      node1 1/4 +1", "node2 2/4 +2   +13 27/52"]


def test_at_the_end_nothing_is_left_to_be_told() -> None:
    end = replace(NOW, running=0, waiting=0, not_handed_in=0, succeeded=100, machines=())
    lines = [line.plain for line in picture("lr", end, PACE, 200.0, (40, 8), True)]
    assert lines == ["lr " + "=" * 28 + " 100/100", "100 succeeded, 24/min, 3:20"]


def test_without_a_known_number_there_is_no_bar() -> None:
    lines = picture("lr", replace(NOW, total=None, machines=()), PACE, 100.0, (80, 24), False)
    assert lines[0].plain == "lr  40/?"
