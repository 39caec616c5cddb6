"""The verb logs, against machines that send outputs as they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sjs.answers import Piece
from sjs.cli.commands.logs import APART, MAX_HELD, OLDER, woven
from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import RECORD


def test_logs_into_a_pipe_are_the_very_bytes(cli: CommandLine) -> None:
    scene = "hello()\nn = hear()['id']\nsay(id=n, bytes=5)\nraw(b'a\\x1b[2J')\nsay(id=n, end=None, offset=5)\nhear()"
    cli.play("m", scene)
    assert cli.submit("m", "logs", "5").out == "a\x1b[2J"


@pytest.mark.parametrize(("words", "shown"), [((), "a"), (("--raw",), "a\x1b[2J")])
def test_logs_on_a_terminal_keep_its_hands_off(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], shown: str
) -> None:
    scene = "hello()\nn = hear()['id']\nsay(id=n, bytes=5)\nraw(b'a\\x1b[2J')\nsay(id=n, end=None, offset=5)\nhear()"
    cli.play("m", scene)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.submit("m", "logs", "5", *words).out == shown


def both(*frames: tuple[str, str, int], streams: int = 2, **record: Any) -> str:
    """A scene: what is known of the job, then frames of its outputs (stream, text, place), then the ends."""
    details = {"job": {**RECORD, **record}, "attempts": [], "children": []}
    said = [f"say(id={which}, bytes={len(text)}, offset={at}); raw({text.encode()!r})" for which, text, at in frames]
    ends = [f"say(id={which}, end=None, offset=0)" for which in ("out", "err")[:streams]]
    asked = ["out = hear()['id']", "err = hear()['id']"][:streams]
    return "\n".join(["hello()", f"say(id=hear()['id'], **{details!r})", *asked, *said, *ends, "hear()"])


def test_merged_is_what_was_merged(cli: CommandLine) -> None:
    machine = cli.play("m", both(("out", "a\nb", 0), streams=1, merge=True))
    outcome = cli.submit("m", "logs", "5", "--merged")
    assert (outcome.out, outcome.err) == ("a\nb", "")
    assert [one.get("stream") for one in machine.requests] == [None, "out"]


def test_outputs_that_were_apart_come_by_whole_lines_and_it_is_said(cli: CommandLine) -> None:
    cli.play("m", both(("out", "one\ntw", 0), ("err", "bad", 0), ("out", "o\n", 6), ("err", "\nworse", 3)))
    outcome = cli.submit("m", "logs", "5", "--merged", "-f")
    assert (outcome.out, outcome.err) == ("one\ntwo\nbad\nworse", f"{APART}\n")


def test_json_says_which_stream_it_was(cli: CommandLine) -> None:
    cli.play("m", both(("out", "a\n", 0), ("err", "b\n", 0)))
    lines = cli.submit("m", "logs", "5", "--merged", "--json").out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"target": "m", "job_id": 5, "stream": "out", "text": "a\n"},
        {"target": "m", "job_id": 5, "stream": "err", "text": "b\n"},
    ]


@pytest.mark.parametrize(
    ("started", "start", "said"),
    [(100.0, 0, f"{OLDER}\n"), (100.0, 7, ""), (300.0, 0, ""), (None, 0, "")],
    ids=["from its beginning", "from where it was then", "it began later", "it has not begun"],
)
def test_what_may_be_older_is_called_so(cli: CommandLine, started: float | None, start: int, said: str) -> None:
    machine = cli.play("m", both(("out", "a\n", start), ("out", "b\n", start + 2), streams=1, started=started))
    outcome = cli.submit("m", "logs", "5", "--since", "@200")
    assert (outcome.out, outcome.err) == ("a\nb\n", said)
    assert machine.requests[1]["since"] == 200.0


def test_one_stream_or_both(cli: CommandLine) -> None:
    outcome = cli.submit("local", "logs", "5", "--merged", "--stderr")
    assert (outcome.status, outcome.err) == (2, "submit: --stderr and --merged (give one of them)\n")


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    long = b"x" * MAX_HELD
    found = list(woven(iter([Piece("out", long), Piece("err", b"e\n"), Piece("out", b"y")])))
    assert [one.data for one in found] == [long, b"e\n", b"y"]
