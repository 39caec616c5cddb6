"""One item whose claim is not fresh any more when it comes, by calls that are noted in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from sjs.worker.commands import Commands, Ended
from sjs.worker.connection import Away
from sjs.worker.hand import DONE, VOID, Hand, Tools
from sjs.worker.lease import Lease
from sjs.worker.order import Order
from sjs.worker.stages import Claim, Stages, Void, clock

GRANTED = 300.0


class Noted:
    """A gateway and commands: what is asked of them. `renewing`: what comes of that."""

    def __init__(self, renewing: Exception | None) -> None:
        self.calls: list[str] = []
        self._renewing = renewing

    def renew(self, claim: Claim, within: float) -> None:
        self.calls.append("renew")
        if self._renewing is not None:
            raise self._renewing
        claim.lease.renewed(clock(), GRANTED)

    def finish(self, claim: Claim, result: Any, to: str = "") -> None:
        self.calls.append("finish")

    def start(self, argv: Sequence[str], env: dict[str, str], stdin: str, tell: Callable[[Ended], None]) -> int:
        self.calls.append("start")
        tell(Ended(status=0))
        return 1


def seen_through(folder: Path, age: float, renewing: Exception | None) -> tuple[str, list[str]]:
    """What becomes of an item that was asked for so many leases ago, and what was done."""
    noted = Noted(renewing)
    order = Order("http://localhost", "p", "0", ("true",), lease=GRANTED)
    tools = Tools(order, cast(Stages, noted), cast(Commands, noted), str(folder), lambda: False)
    claim = Claim(1, "word", Lease(clock() - age * GRANTED, GRANTED), {"number": 1, "command": None})
    return Hand(tools, claim).work(), noted.calls


@pytest.mark.parametrize(
    ("age", "renewing", "fate", "calls"),
    [
        (0.0, None, DONE, ["start", "finish"]),
        (0.5, None, DONE, ["renew", "start", "finish"]),
        (0.5, Away("silent"), DONE, ["renew", "start", "finish"]),
        (0.5, Void(), VOID, ["renew"]),
        (2.0, None, DONE, ["renew", "start", "finish"]),
        (2.0, Away("silent"), VOID, ["renew"]),
        (2.0, Void(), VOID, ["renew"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else repr(value),
)
def test_of_a_claim_that_has_waited_the_gateway_is_asked_before_its_command_begins(
    tmp_path: Path, age: float, renewing: Exception | None, fate: str, calls: list[str]
) -> None:
    assert seen_through(tmp_path, age, renewing) == (fate, calls)
