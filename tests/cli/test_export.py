from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import accepted, answers

ENV = "0123456789abcdef" * 4


def record(number: int, state: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "state": state, "command": "x", "attempt": 0, "submitted": 1.0, **more}


def page(*records: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": list(records), "next": None}


def after(kind: str, *ids: int) -> dict[str, Any]:
    return {"after": [[kind, [[one, one] for one in ids]]]}


def test_who_waits_in_vain_and_for_what_is_over_is_not_written(cli: CommandLine) -> None:
    family = (
        record(5, "held", **after("ok", 3)),
        record(6, "waiting", **after("ok", 5)),
        record(7, "waiting", **after("notok", 5)),
        record(8, "waiting", **after("any", 2, 4, 7)),
        record(9, "queued", **after("any", 1)),
    )
    machine = cli.play("m", answers(page(*family), page(record(3, "failed"), record(4, "running"))))
    outcome = cli.submit("m", "export")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(one["id"], one.get("after")) for one in lines] == [(7, None), (8, [["any", [[4, 4], [7, 7]]]]), (9, None)]
    assert outcome.err == "3 exported\n"
    assert machine.requests[1]["jobs"] == [[2, 4]]


def test_what_is_held_is_written_and_nothing_else(cli: CommandLine) -> None:
    """Job 2 has started between the two requests."""
    jobs = page(record(1, "queued", env_base=ENV), record(2, "queued"), record(3, "held"))
    machine = cli.play("m", answers(jobs, {"changed": [[1, 1]], "next": None}, {"variables": {"A": "1"}}))
    outcome = cli.submit("m", "export", "--hold")
    first, *rest = (json.loads(line) for line in outcome.out.splitlines())
    assert (first, [one["id"] for one in rest]) == ({"environment": ENV, "variables": {"A": "1"}}, [1, 3])
    assert outcome.err == "2 exported\nheld until `release`, or `cancel` once they are imported: 1,3\n"
    assert [one["op"] for one in machine.requests] == ["list", "hold", "environment"]


def test_a_queue_is_one_target_s(cli: CommandLine) -> None:
    for name in ("m1", "m2"):
        cli.play(name, answers())
    for words in (("export",), ("import", "queue.jsonl")):
        assert "is too many" in cli.submit("all", *words).err


@pytest.fixture
def file(cli: CommandLine) -> str:
    jobs = (
        record(1, "failed"),
        record(2, "queued", env_base=ENV),
        record(3, "waiting", **after("ok", 2)),
        record(4, "held", **after("ok", 1)),
    )
    lines = [{"environment": ENV, "variables": {"A": "1"}}, *jobs]
    (cli.folder / "queue.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    return "queue.jsonl"


def test_a_plan_is_told_and_nobody_asked(cli: CommandLine, file: str) -> None:
    cli.play("m", "hear()")
    outcome = cli.submit("m", "import", file, "--dry-run")
    assert outcome.out == "3 would be imported: 1 held, 1 waiting, 1 queued\n"
    assert outcome.err == (
        "held, because they wait for jobs that are not handed in: 4\n1 that ran or had ended left out\n"
    )
    assert json.loads(cli.submit("m", "import", file, "--dry-run", "--json").out) == {
        "target": "m",
        "would_import": 3,
        "counts": {"held": 1, "waiting": 1, "queued": 1},
        "held": [[4, 4]],
        "left_out": 1,
    }
    (cli.folder / file).write_text("")
    assert cli.submit("m", "import", file, "--dry-run").out == "no job to import\n"


def test_jobs_go_with_what_they_need_under_a_key_of_the_file(cli: CommandLine, file: str) -> None:
    machine = cli.play("m", answers(accepted(40, 3)))
    assert json.loads(cli.submit("m", "import", file, "--json").out) == {
        "target": "m",
        "imported": [[40, 42]],
        "repeated": 0,
        "held": [[42, 42]],
        "left_out": 1,
    }
    (asked,) = machine.requests
    assert asked["key"].startswith("import-") and asked["key"].endswith("/0")
    assert (asked["again"], asked["envs"]) == (True, {ENV: {"A": "1"}})
    assert [(one.get("after"), one.get("hold")) for one in asked["jobs"]] == [
        (None, None),
        ([["ok", [[-1, -1]]]], None),
        (None, True),
    ]


def test_what_is_refused_at_once_is_told_as_it_is(cli: CommandLine, file: str) -> None:
    cli.play("m", "hello()\nsay(id=hear()['id'], error={'code': 'too_large', 'message': 'too large'})\nhear()")
    outcome = cli.submit("m", "import", file)
    assert (outcome.status, outcome.out, outcome.err) == (1, "", "[m] error: too large\n")
