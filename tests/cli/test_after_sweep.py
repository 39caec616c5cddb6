from __future__ import annotations

from collections.abc import Sequence

import pytest

from sjs.cli.sweeps.after import One, counting, read
from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import accepted, answers


def members(*jobs: tuple[int, str]) -> dict[str, object]:
    return {"jobs": [[number, number] for number, _ in jobs], "settings": [what for _, what in jobs], "next": None}


def sweep(
    good: Sequence[tuple[int, str]] = (), bad: Sequence[tuple[int, str]] = (), left: Sequence[tuple[int, str]] = ()
) -> str:
    return answers(members(*good), members(*bad), members(*left))


@pytest.mark.parametrize(
    ("text", "condition"),
    [("lr", ("ok", "lr")), ("afterany:lr", ("any", "lr")), ("afternotok:a.b", ("notok", "a.b"))],
)
def test_a_sweep_is_named_with_how_it_is_to_end(text: str, condition: tuple[str, str]) -> None:
    assert read(text) == condition


@pytest.mark.parametrize("text", ["", "3", "all", "after:lr", "afterok:", "a b"])
def test_what_names_no_sweep_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no sweep to wait for"):
        read(text)


def test_what_was_tried_again_counts_only_as_it_was_tried_last() -> None:
    jobs = {"m": [One(0, "failed", "a"), One(1, "succeeded", "b"), One(2, "failed", "c")], "n": [One(7, "queued", "a")]}
    assert counting(jobs) == {"m": [One(1, "succeeded", "b"), One(2, "failed", "c")], "n": [One(7, "queued", "a")]}


def test_a_job_waits_for_those_of_its_own_queue(cli: CommandLine) -> None:
    cli.play("n", sweep(good=[(3, "c")]))
    machine = cli.play("m", sweep(good=[(0, "a"), (1, "b")], bad=[(2, "c")], left=[(4, "d")]), answers(accepted(9)))
    outcome = cli.submit("m", "job", "--after-sweep", "lr", "--after", "afterany:7", "--command", "x")
    assert outcome.status == 0, outcome
    assert machine.requests[-1]["jobs"][0]["after"] == [["ok", [[0, 1], [4, 4]]], ["any", [[7, 7]]]]


@pytest.mark.parametrize(
    ("there", "words", "why"),
    [
        (
            sweep(left=[(3, "c")]),
            "lr",
            "1 job(s) of sweep lr have yet to end at n, of which another queue hears nothing",
        ),
        (sweep(bad=[(3, "c")]), "lr", "1 job(s) of sweep lr at n have ended otherwise"),
        (sweep(good=[(3, "c")]), "afternotok:lr", "1 job(s) of sweep lr at n have ended otherwise"),
        (
            "raw(b'sjs 1\\n')\nsay(error={'code': 'no_space', 'message': 'full', 'hint': ''})",
            "lr",
            "n may have jobs of",
        ),
    ],
)
def test_what_is_elsewhere_and_can_be_waited_for_by_nobody_is_said(
    cli: CommandLine, there: str, words: str, why: str
) -> None:
    cli.play("n", there)
    machine = cli.play("m", sweep(good=[(0, "a")]))
    outcome = cli.submit("m", "job", "--after-sweep", words, "--command", "x")
    assert (outcome.status, outcome.out, why in outcome.err) == (1, "", True), outcome
    assert not any(one["op"] == "submit" for one in machine.requests)


def test_a_sweep_that_is_not_there_is_said(cli: CommandLine) -> None:
    cli.play("m", sweep())
    outcome = cli.submit("m", "job", "--after-sweep", "lr", "--command", "x")
    assert (outcome.status, "no job of a sweep 'lr' at m" in outcome.err) == (1, True)


def test_it_needs_one_target(cli: CommandLine) -> None:
    cli.play("m", sweep())
    outcome = cli.submit("any", "job", "--after-sweep", "lr", "--command", "x")
    assert (outcome.status, "--after-sweep is for one target that is named" in outcome.err) == (2, True)
