"""A few jobs on their way to one machine, when the command that sends them is left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import Full
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.protocols import Target
from sjs.sweeping.posting import NotTaken, Posting

DEADLINE = 60.0


class Slow:
    """A machine whose answer is waited for until the test lets it come."""

    name = "m1"

    def __init__(self, answer: Accepted | Full) -> None:
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self._answer = answer

    def post(self, *_: Any, **__: Any) -> None:
        self.is_asked.set()

    def collect(self) -> Accepted:
        assert self.may_answer.wait(DEADLINE)
        if isinstance(self._answer, Full):
            raise self._answer
        return self._answer


@pytest.mark.parametrize("answer", [Accepted(1, 2, 2), Full("it has enough")])
def test_who_leaves_before_the_answer_comes_leaves_it_to_the_next_command(
    tmp_path: Path, answer: Accepted | Full
) -> None:
    outbox = Outbox(str(tmp_path))
    specs = [Spec("true"), Spec("true")]
    posting = Posting(outbox, Head("key", False, "", {}, 0.0), "m1", 1, specs)
    machine = Slow(answer)
    ended: list[BaseException | Accepted] = []

    def attempt() -> None:
        try:
            ended.append(posting.attempt(cast(Target, machine)))
        except NotTaken as error:
            ended.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    assert machine.is_asked.wait(DEADLINE)
    posting.close()
    machine.may_answer.set()
    thread.join(DEADLINE)
    assert [type(one) for one in ended] == [NotTaken if isinstance(answer, Full) else Accepted]
    (path,) = outbox.left()
    entry = outbox.take_over(path)
    assert entry is not None
    assert [(share.target, share.count) for share in entry.pending.values()] == [("m1", 2)]
    entry.refuse(entry.pending[1], Full("no"))
    entry.__exit__(None, None, None)


def test_who_leaves_after_the_answer_leaves_nothing(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    posting = Posting(outbox, Head("key", False, "", {}, 0.0), "m1", 1, [Spec("true")])
    machine = Slow(Accepted(1, 1, 2))
    machine.may_answer.set()
    posting.attempt(cast(Target, machine))
    posting.close()
    assert outbox.left() == []
