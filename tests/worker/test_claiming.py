"""Who claims, by a gateway that answers as it is told."""

from __future__ import annotations

from typing import cast

import pytest

from sjs.errors import Refused, Unreachable
from sjs.worker.claiming import Claiming
from sjs.worker.connection import Away, Unbelieved
from sjs.worker.lease import Lease
from sjs.worker.order import ONCE, Order
from sjs.worker.stages import Claim, Stages, clock

ITEM = Claim(1, "word", Lease(clock(), 300.0), {"number": 1})
WRONG = Unbelieved("its certificate is not believed: certificate has expired", "it needs a new one")


class Told:
    """Answers so, one after the other."""

    def __init__(self, *answers: list[Claim] | Exception) -> None:
        self.left = list(answers)

    def claim(self, count: int, wait: float) -> list[Claim]:
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def claimed(told: Told) -> Claiming:
    """Until an item was claimed, or it has ended before."""
    one = Claiming(Order("https://gateway.example", "p", "0", ("true",), until=ONCE), cast(Stages, told))
    one.work()
    return one


def test_it_goes_on_until_it_has_an_item_also_while_nobody_answers() -> None:
    one = claimed(Told([], Away("silent", 0.01), [ITEM]))
    assert one.trouble is None
    assert [one.items.get(), one.items.get()] == [ITEM, None]


def test_a_certificate_that_was_never_believed_ends_it_for_it_was_typed_so() -> None:
    told = Told(WRONG, [ITEM])
    trouble = claimed(told).trouble
    assert isinstance(trouble, Unreachable) and str(trouble) == f"https://gateway.example: {WRONG} ({WRONG.hint})"
    assert told.left == [[ITEM]], "nobody was asked again"


def test_one_that_was_believed_before_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    one = claimed(Told([], WRONG, [ITEM]))
    assert one.trouble is None and one.items.get() is ITEM
    said = capfd.readouterr().err.splitlines()
    assert said[0].endswith(f"{WRONG}; trying again") and "there again" in said[1]


def test_what_is_refused_ends_it() -> None:
    trouble = claimed(Told(Refused("the pipeline has no stage 7"))).trouble
    assert isinstance(trouble, Refused)
