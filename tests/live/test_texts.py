"""Command texts arrive unchanged, at the shell and in the records."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.live.machine import Client, Machine, running

TEXTS = [
    "it's",
    'say "hello"',
    "'\"'\"'",
    "$HOME ${x:-y} $(echo no) `echo no` $$",
    "back\\slash \\n \\\\ \\t",
    "two\nreal\nlines\ttab\r\n",
    "grüße, 世界, 🚀, \u202eright to left",
    "\udcff\udcfe not UTF-8",
    "\x01\x1b[31m\x7f",
    "%s %d %% {} {{}} !! ~ * ? [a-z] # not a comment; | & > < ( )",
    "x" * 100_000,
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One for all: each text is a job of its own."""
    with running(tmp_path_factory.mktemp("texts") / "machine") as one:
        yield one


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_reaches_the_shell_as_it_was(machine: Machine, text: str) -> None:
    """The job prints the argv that the kernel gave its shell."""
    command = f"cat /proc/$$/cmdline; exit 0 # {text}"
    with machine.client() as client:
        record = client.run(command)[0]
        assert (record["state"], record["command"]) == ("succeeded", command)
        assert client.output(record["id"]) == b"\0".join([b"/bin/sh", b"-c", os.fsencode(command), b""])


def test_an_argv_meets_no_shell(machine: Machine) -> None:
    argv = ["printf", "%s|", *TEXTS[:-1], ""]
    with machine.client() as client:
        job = client.ask("submit", key=None, jobs=[{"argv": argv}])["first"]
        client.ask("wait")
        assert client.output(job) == b"".join(os.fsencode(text) + b"|" for text in argv[2:])


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"command": "a\0b"}, "NUL"),
        ({"command": "x" * 131_072}, "script file"),
        ({"argv": ["echo", "a\0b"]}, "NUL"),
        ({"argv": []}, "argv"),
        ({"command": "true", "argv": ["true"]}, "either"),
        ({"command": 5}, "text"),
        ({"command": "true", "cwd": 7}, "cwd"),
        ("true", "object"),
    ],
)
def test_what_no_process_can_be_given_is_refused(machine: Machine, job: object, words: str) -> None:
    with machine.client() as client:
        before = has(client)
        error = client.ask("submit", key=f"k/{words}", jobs=[{"command": "true"}, job])["error"]
        assert error["code"] == "bad_request"
        assert words in error["message"] + error.get("hint", "")
        assert has(client) == before, "the good half of a refused chunk was queued"


def has(client: Client) -> list[object]:
    """How many jobs there are in which state."""
    report = client.ask("report")
    return [report[one] for one in ("counts", "queued", "running")]
