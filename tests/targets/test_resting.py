"""Sessions that outlive the command that opened them: which are left for the next one, and what that makes of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sjs.core.job import Spec
from sjs.protocols import Stream
from sjs.transport.local import LocalStream, LocalTransport, start
from tests.live.machine import DEADLINE
from tests.targets.fake import FakeMachine

GREETING = "'version': '9', 'host': 'fake', 'pid': 1, 'root': '/'"
HELLO = f"raw(b'sjs 1\\n')\nsay(hello={{{GREETING}, 'hooks': HOOKS, 'records': False}})\n"
REPORT = "say(id=hear()['id'], running=N, max=2, queued=0, head=[], counts={})\n"
LAST = "import select\nselect.select([0], [], [])\n"
"""It ends with a request that it does not read."""
CONFIGURED = "say(id=hear()['id'], old=1, new=1)\n"


class LeftStream(LocalStream):
    """One that is left where its transport finds it."""

    keeper: KeepingTransport

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._process

    def leave(self, name: bytes, note: bytes) -> None:
        self.keeper.left.append((name, self, note))


class KeepingTransport(LocalTransport):
    """This machine, with sessions that rest."""

    def __init__(self) -> None:
        self.left: list[tuple[bytes, LeftStream, bytes]] = []

    def open(self, argv: Sequence[str]) -> LeftStream:
        stream = start(argv, LeftStream)
        stream.keeper = self
        return stream

    def open_named(self, argv: Sequence[str], name: bytes) -> tuple[Stream, bytes]:
        for index, (known, stream, note) in enumerate(self.left):
            if known == name:
                del self.left[index]
                return stream, note
        return self.open(argv), b""


class Person:
    """Who types one command after the other, each of which asks the same machine."""

    def __init__(self, folder: Path) -> None:
        self.transport = KeepingTransport()
        self.folder = folder

    def command(self, *scenes: str, hooks: dict[str, str] | None = None) -> FakeMachine:
        return FakeMachine(self.folder, *scenes, transport=self.transport, hooks=hooks)

    def reports(self, *scenes: str) -> tuple[int, list[str]]:
        """How many run, and what was said beside that."""
        machine = self.command(*scenes)
        found = machine.target.report().report.running
        machine.target.close()
        return found, machine.notices

    def wait(self) -> None:
        """Until all that were left have ended."""
        for _, stream, _ in self.transport.left:
            stream.process.wait(DEADLINE)

    def end(self) -> None:
        for _, stream, _ in self.transport.left:
            stream.close()


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    found = Person(tmp_path / "fake")
    yield found
    found.end()


def scene(*says: str, hooks: str = "{}") -> str:
    return HELLO.replace("HOOKS", hooks) + "".join(says)


def runs(*numbers: int) -> str:
    return "".join(REPORT.replace("N", str(number)) for number in numbers)


def test_the_next_command_goes_on_where_the_last_one_was(person: Person) -> None:
    talk = scene(runs(1, 2), "hear()")
    assert [person.reports(talk), person.reports(talk)] == [(1, []), (2, [])]
    machine = person.command(talk)
    assert (machine.sessions, [one["id"] for one in machine.requests]) == (1, [1, 2])


def test_one_that_is_dead_is_replaced_without_a_word(person: Person) -> None:
    talk = scene(runs(1)), scene(runs(5), "hear()")
    assert [person.reports(*talk), person.reports(*talk)] == [(1, []), (5, [])]


@pytest.mark.parametrize("dies_of_it", [True, False])
def test_jobs_over_one_that_is_dead_are_handed_in_once_without_a_word(person: Person, dies_of_it: bool) -> None:
    """It dies once it has been asked, or it was dead before and could not be."""
    talk = scene(runs(1), LAST if dies_of_it else ""), scene("take(7)\n", "hear()")
    person.reports(*talk)
    if not dies_of_it:
        person.wait()
    machine = person.command(*talk)
    machine.target.post("k/0", [Spec("true")])
    assert (machine.target.collect().first, machine.notices) == (7, [])
    assert machine.requests[-1].get("again", False) is dies_of_it, "who was asked may have taken them"
    machine.target.close()


def test_one_that_breaks_after_it_has_answered_is_told_of(person: Person) -> None:
    talk = scene(runs(1, 2)), scene(runs(5), "hear()")
    person.reports(*talk)
    machine = person.command(*talk)
    assert [machine.target.report().report.running for _ in range(2)] == [2, 5]
    assert len(machine.notices) == 1
    machine.target.close()


@pytest.mark.parametrize(
    "greeting", [{"records": True}, {}, {"records": False, "owes": True}], ids=["records", "older", "owes an answer"]
)
def test_what_may_still_say_something_or_only_has_records_is_not_left(
    person: Person, greeting: dict[str, bool]
) -> None:
    owes = greeting.pop("owes", False)
    said = f"raw(b'sjs 1\\n')\nsay(hello={{{GREETING}, **{greeting}}})\n"
    machine = person.command(said + runs(1) + "hear()")
    machine.target.report()
    if owes:
        machine.target.post("k/0", [Spec("true")])
    machine.target.close()
    assert person.transport.left == []


def test_hooks_that_others_may_have_set_since_are_set_again(person: Person) -> None:
    mine = {"on_start": "tell"}
    talk = scene(runs(1), CONFIGURED, "take(0)\n", "hear()", hooks=repr(mine))
    person.reports(talk)
    machine = person.command(talk, hooks=mine)
    machine.target.post("k/0", [Spec("true")])
    machine.target.collect()
    assert [one["op"] for one in machine.requests] == ["report", "configure", "submit"]
    machine.target.close()
