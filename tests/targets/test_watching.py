"""Looking on at a queue over a session that may break: against a pretended machine."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from sjs.answers import Filter
from sjs.errors import SjsError
from sjs.targets import daemon_client, watching
from tests.targets.fake import FakeMachine

RECORD = "{'id': %d, 'state': '%s', 'attempt': 1, 'submitted': 1.0, 'started': 2.0, 'command': 'x'}"
LOOK = """\
say(id=hear()['id'], running=1, max=2, queued=3, head=[], counts={}, load=0.5, mem_free=7)
say(id=hear()['id'], jobs=[%s], next=None)
say(id=hear()['id'], jobs=[%s], next=None)
change = hear()['id']
reads = [hear()['id'] for _ in range(%d)]
"""
ONE = RECORD % (1, "running")
TWO = RECORD % (2, "queued")
BEGIN = "hello()\nsay(id=hear()['id'], version='v1')\n"


def prints(number: int, text: str) -> str:
    return f"say(id=reads[{number}], bytes={len(text)}, offset=0, attempt=1)\nraw(b'{text}')\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PACE", 0.0)
    monkeypatch.setattr(daemon_client, "PATIENCE", 1.0)


def seen(machine: FakeMachine, count: int, only: Filter | None = None) -> list[tuple[list[int], dict[int, str]]]:
    sights = machine.target.sights(9, only)
    found = [([job.id for job in one.jobs], dict(one.lines)) for one in islice(sights, count)]
    machine.target.close()
    return found


def test_changes_and_lines_come_by_themselves(tmp_path: Path) -> None:
    scene = BEGIN + LOOK % (ONE, TWO, 2) + prints(1, "bad") + prints(0, "good")
    scene += "say(id=reads[0], end={}, offset=4)\nsay(id=reads[1], end={}, offset=3)\n"
    scene += "say(id=change, version='v2')\n" + LOOK % ("", TWO, 0)
    machine = FakeMachine(tmp_path / "fake", scene + "hear()")
    assert seen(machine, 4, Filter(name="x*")) == [([1, 2], {}), ([1, 2], {1: "bad"}), ([1, 2], {1: "good"}), ([2], {})]
    asked = [(one["op"], one.get("since"), one.get("brief"), one.get("name")) for one in machine.requests]
    look = [("report", None, None, None), *[("list", None, None, "x*")] * 2]
    reads = [("read", None, True, None)] * 2
    assert asked == [
        ("changes", "", None, None),
        *look,
        ("changes", "v1", None, None),
        *reads,
        *look,
        ("changes", "v2", None, None),
    ]


def test_after_a_break_all_is_asked_anew_and_what_was_printed_is_known(tmp_path: Path) -> None:
    first = BEGIN + LOOK % (ONE, "", 2) + prints(0, "good") + "say(id=reads[1], error={'code': 'refused'})\n"
    machine = FakeMachine(tmp_path / "fake", first, BEGIN + LOOK % (ONE, "", 2) + "hear()")
    assert seen(machine, 3) == [([1], {}), ([1], {1: "good"}), ([1], {1: "good"})]
    assert machine.sessions == 2


def test_a_manager_that_gives_no_sign_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT", 0.1)
    monkeypatch.setattr(watching, "ANSWER", 0.1)
    monkeypatch.setattr(daemon_client, "PATIENCE", 0.0)
    machine = FakeMachine(tmp_path / "fake", BEGIN + LOOK % ("", "", 0) + "hear()\n")
    with pytest.raises(SjsError, match="no sign of the manager"):
        seen(machine, 2)
