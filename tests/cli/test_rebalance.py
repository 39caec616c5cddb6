"""The verb rebalance, where nothing moves: what is refused, and what is said."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import answers, report

OLD = {"error": {"code": "unknown_request", "message": "no such request: 'moves'", "hint": ""}}
NONE: dict[str, object] = {"moves": [], "next": None}
NO_JOBS: dict[str, object] = {"jobs": [], "next": None}


def test_a_manager_that_is_older_refuses_in_one_line_before_anything_leaves(cli: CommandLine) -> None:
    machine = cli.play("m", answers(report(), OLD))
    cli.play("n", answers(report(), NONE, NO_JOBS))
    done = cli.submit("all", "rebalance")
    assert done.status == 1
    assert done.err.startswith("[m] error: its manager is older, and cannot move jobs (submit m upgrade)\n")
    assert {one["op"] for one in machine.requests} == {"report", "moves"}


def test_what_others_have_left_on_its_way_is_said(cli: CommandLine) -> None:
    one = {"key": "k/0", "target": "n", "at": 1.0, "size": 3, "first": None}
    cli.play("m", answers(report(2, 2, 3), {"moves": [one], "next": None}, NO_JOBS))
    cli.play("n", answers(report(2, 2, 1), NONE, NO_JOBS))
    done = cli.submit("all", "rebalance")
    assert done.out == (
        "[m] nothing to move: 2 of 2 slots taken, 3 waiting\n[n] nothing to move: 2 of 2 slots taken, 1 waiting\n"
    )
    assert done.err == "[m] 3 are on their way since an earlier command; to see to them: --finish\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("m", "rebalance"), "move jobs of m where? (--to TARGET, or name several targets)"),
        (("m", "rebalance", "--force"), "--force is for --take-back"),
        (("any", "rebalance"), "`any` is for jobs"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    cli.play("m", answers())
    done = cli.submit(*words)
    assert (done.status, said in done.err) == (2, True)


def test_jobs_on_their_way_are_not_cancelled_here_and_that_is_said(cli: CommandLine) -> None:
    cli.play("m", answers({"cancelled": [[1, 1]], "stopping": [], "ended": [], "moving": [[2, 3]], "next": None}))
    said = "1 cancelled (1), 2 on the way to another queue, and not ended (2-3)\n"
    assert cli.submit("m", "cancel", "1-3").out == said
