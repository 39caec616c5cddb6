"""The verb sweep, with pretended machines."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from sjs.core.job import Task
from sjs.core.needs import Machine, room
from sjs.environment import digest
from sjs.sweeping import attending, feeding
from sjs.wire import machine_to_wire
from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import GONE, REFUSAL, accepted, answers, report

NONE: Mapping[str, object] = {"sweeps": [], "next": None}


def knows(*bodies: Mapping[str, object]) -> str:
    """The same, of a machine that knows sweeps."""
    return answers(*bodies).replace(
        "hello()",
        "raw(b'sjs 1\\n')\nsay(hello={'version': '9', 'host': 'fake', 'pid': 1, 'root': '/fake', 'sweeps': True})",
        1,
    )


def dry(cli: CommandLine, *words: str) -> list[str]:
    outcome = cli.submit("any", "sweep", "--dry-run", *words)
    assert outcome.status == 0, outcome
    return outcome.out.splitlines()


def test_words_stay_words_and_a_quoted_one_is_for_the_shell(cli: CommandLine) -> None:
    wanted = ["python t.py --lr 0.1 'a b'", "python t.py --lr -2 'a b'"]
    assert dry(cli, "-p", "lr", "0.1", "-2", "--", "python", "t.py", "--lr", "{lr}", "a b") == wanted
    assert dry(cli, "python t.py --lr {lr} 'a b'", "-p", "lr", "0.1", "-2") == wanted
    assert dry(cli, "--command", "python t.py --lr {} 'a b'", ":::", "0.1", "-2") == wanted
    assert dry(cli, "echo", ":::", "a b", "c") == ["echo 'a b'", "echo c"]


def test_what_is_not_used_is_said(cli: CommandLine) -> None:
    outcome = cli.submit("any", "sweep", "--dry-run", "-p", "a", "1", "-p", "b", "2", "--", "x", "{b}")
    assert (outcome.out, outcome.err) == ("x 2\n", "[sweep] the command does not use {a}\n")
    outcome = cli.submit("any", "sweep", "--dry-run", "-p", "a", "1", "2", "--samples", "9", "--", "x", "{a}")
    assert (sorted(outcome.out), outcome.err) == (
        sorted("x 1\nx 2\n"),
        "[sweep] there are only 2 settings; each is drawn once\n",
    )


def test_json_says_which_setting_it_is(cli: CommandLine) -> None:
    lines = dry(cli, "--json", "-p", "a", "1", "--", "x", "{a}") + dry(
        cli, "--json", "-p", "a", "\udcff", "--", "x {a}"
    )
    assert [json.loads(line) for line in lines] == [
        {"number": 1, "argv": ["x", "1"], "values": {"a": "1"}},
        {"number": 1, "command": "x '\udcff'", "values": {"a": "\udcff"}},
    ]


def test_a_table_may_come_by_stdin_and_a_file_says_the_rest(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("m,n\n1,a b\n2,é\n".encode())))
    (cli.folder / "s.yaml").write_text("command: x {m} {n} {r}\nparameters: {r: [1, 2]}\nfrom: nothing.csv\n")
    outcome = cli.submit("any", "sweep", "--dry-run", "--file", "s.yaml", "--from", "-", "-p", "r", "7")
    assert outcome.out == "x 1 'a b' 7\nx 2 'é' 7\n"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("-p a 1", "which command?"),
        ("-- x", "which parameters?"),
        ("x y -p a 1", "what is 'y'?"),
        ("x y ::: 1", "what is 'y'?"),
        ("x -p a 1 -- y {a}", "what is 'x'?"),
        ("-p a=1 b=2 -- y {a}", "what is 'b=2'?"),
        ("--command x -p a 1 -- y", "without --command"),
        ("-p a 1 -p a 2 -- x {a}", "two parameters of the name a"),
        ("-p a int:x -- x {a}", "write it as int:1..10"),
        ("-p a 1 -n 1st -- x {a}", "'1st' can be no name of a sweep"),
        ("-p a 1 --after afterok:3 -- x {a}", "--after is for one target that is named"),
        ("--file no.yaml", "no.yaml: No such file"),
        ("--file bad.yaml", "bad.yaml:3: job.cpus: "),
        ("--file odd.yaml", "odd.yaml: --backoff and --retry-on are for --retries"),
    ],
)
def test_what_is_wrong_is_one_line_and_nobody_is_asked(cli: CommandLine, words: str, what: str) -> None:
    (cli.folder / "bad.yaml").write_text("command: x\nparameters: {a: 1}\njob: {cpus: many}")
    (cli.folder / "odd.yaml").write_text("command: x\nparameters: {a: 1}\njob: {backoff: 10s}")
    machine = cli.play("m", knows(report()))
    outcome = cli.submit("any", "sweep", *words.split())
    assert (outcome.status, outcome.err.count("\n"), outcome.out) == (2, 1, ""), outcome
    assert what in outcome.err
    assert not (machine.folder / "requests").exists()


def jobs(machine: Any) -> list[dict[str, Any]]:
    return [job for asked in machine.requests if asked["op"] == "submit" for job in asked["jobs"]]


def test_all_jobs_are_handed_in_with_their_settings(cli: CommandLine) -> None:
    (cli.folder / "s.yaml").write_text(
        "name: tune\ncommand: [x, '{a}']\nparameters: {a: [1, 2]}\njob: {cpus: 2, env: {A: 1}, mem: 1G}\n"
    )
    has = Machine(slots=2, cpus=8, mem=8 << 30)
    told = report(**machine_to_wire(has, room(has, [])))
    machine = cli.play("m", knows(NONE, told, accepted(5, 2)))
    outcome = cli.submit("m", "sweep", "--file", "s.yaml", "--mem", "2G", "--env", "B=2")
    assert (outcome.status, outcome.out) == (0, "2 jobs of sweep tune handed in (5-6)\n"), outcome
    same = {"name": "tune", "env": {"A": "1", "B": "2"}, "cpus": 2, "mem": 2 << 30}
    assert jobs(machine) == [
        {"argv": ["x", number], **same, "task": {"sweep": "tune", "number": int(number), "values": {"a": number}}}
        for number in ("1", "2")
    ]


def test_a_file_says_also_what_jobs_share_and_what_is_typed_counts_more(cli: CommandLine) -> None:
    for name in ("A", "B"):
        (cli.folder / name).write_text(f"X={name}\n")
    (cli.folder / "s.yaml").write_text("command: [x, '{a}']\nparameters: {a: 1}\njob: {env-file: A}\n")
    for words, wanted in (([], "A"), (["--env-file", "B"], "B")):
        machine = cli.play("m", knows(NONE, report(), accepted(0, 1)))
        assert cli.submit("m", "sweep", "--file", "s.yaml", *words).status == 0
        job = jobs(machine)[-1]
        assert job["env_base"] == digest({"X": wanted})


def test_any_deals_them_out(cli: CommandLine) -> None:
    cli.play("m", knows(NONE, report(maximum=2), accepted(0, 3)))
    outcome = cli.submit("any", "sweep", "--json", "-p", "a", "1", "2", "3", "--", "x", "{a}")
    (line,) = map(json.loads, outcome.out.splitlines())
    assert (outcome.status, line["jobs"], line["ids"]) == (0, 3, [[0, 2]]), outcome
    assert line["sweep"].startswith("x-")


def test_the_same_again_is_refused_and_says_what_to_do(cli: CommandLine) -> None:
    one = {"name": "x-1", "counts": {"succeeded": 3, "failed": 2}, "began": 1.0, "grew": 2.0}
    machine = cli.play("m", knows({"sweeps": [one], "next": None}))
    outcome = cli.submit("m", "sweep", "-p", "a", "1", "--", "x", "{a}")
    assert (outcome.status, outcome.out, jobs(machine)) == (1, "", [])
    assert "already, of 5 jobs: 3 succeeded, 2 failed (--resume hands in what has not succeeded" in outcome.err


def test_with_resume_only_what_has_not_succeeded_is_handed_in(cli: CommandLine) -> None:
    there = [Task("x", 1, (("a", value),)).setting for value in "13"]
    one = {"name": "x", "counts": {"succeeded": 2, "failed": 1}, "began": 1.0, "grew": 2.0}
    there_is = {"sweeps": [one], "next": None}
    members = {"jobs": [[0, 1]], "settings": there, "next": None}
    machine = cli.play("m", knows(there_is, members, there_is, report(), accepted(7, 2)))
    outcome = cli.submit("m", "sweep", "--resume", "-n", "x", "-p", "a", "1", "2", "3", "4", "--", "x", "{a}")
    assert (outcome.status, outcome.out) == (0, "2 jobs of sweep x handed in (7-8)\n"), outcome
    assert [job["argv"][1] for job in jobs(machine)] == ["2", "4"]


def test_where_nobody_can_say_what_is_there_nothing_is_handed_in(cli: CommandLine) -> None:
    cli.play("m", knows({"sweeps": [], "next": None}))
    cli.play("n", "raw(b'sjs 1\\n')\nsay(error={'code': 'no_space', 'message': 'full', 'hint': ''})")
    outcome = cli.submit("any", "sweep", "--resume", "-p", "a", "1", "--", "x", "{a}")
    assert (outcome.status, outcome.out) == (1, "")
    assert "n may have jobs of this sweep and does not say: full (to go on without it: any:'SET,!n')" in outcome.err


def test_a_refusal_says_how_to_go_on(cli: CommandLine) -> None:
    cli.play("m", knows(NONE, report(), accepted(0, 100), REFUSAL))
    outcome = cli.submit("m", "sweep", "-p", "a", "int:1..900", "--", "x", "{a}")
    assert outcome.status == 1
    assert outcome.out.startswith("100 jobs of sweep x-")
    assert outcome.err.endswith("what has not succeeded: submit m sweep --resume -p a int:1..900 -- x '{a}'\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("all sweep -p a 1 -- x {a}", "each job of a sweep is for one machine (say any:all)"),
        ("any sweep -p a 1 --max-running 2 -- x {a}", "count over all machines (which only a command that stays"),
        ("any sweep -p a 1 --wait --stop-after-failures 0 -- x {a}", "'0' is no number of failures"),
        ("any sweep -p a 1 --wait --stop-after-failures 101% -- x {a}", "'101%' is no number of failures"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_asked(cli: CommandLine, words: str, why: str) -> None:
    machine = cli.play("m", knows())
    outcome = cli.submit(*words.split())
    assert (outcome.status, why in outcome.err) == (2, True), outcome
    assert not (machine.folder / "requests").exists()


def serves(reply: str, cpus: int = 8, state: str = "'succeeded'") -> str:
    """A scene: a manager that runs at once what it takes. `reply`: what it says to jobs; `state`: in which those
    are that it took; both are expressions."""
    has = Machine(slots=2, cpus=cpus)
    told = report(**machine_to_wire(has, room(has, [])))
    return f"""
raw(b'sjs 1\\n')
say(hello={{'version': '9', 'host': 'fake', 'pid': 1, 'root': '/fake', 'sweeps': True}})
version = done = 0
def takes():
    return {{'first': done, 'count': len(asked['jobs']), 'repeated': False, 'max': 2}}
while True:
    asked = hear()
    if asked is None:
        break
    version += 1
    reply = {told!r}
    if asked['op'] == 'changes':
        reply = {{'version': str(version)}}
    elif asked['op'] == 'sweeps':
        one = {{'name': 'big', 'counts': {{{state}: done}}, 'began': 1.0, 'grew': 2.0}}
        reply = {{'sweeps': [one] if done else [], 'next': None}}
    elif asked['op'] == 'submit':
        reply = {reply}
        done += reply.get('count', 0)
    say(id=asked['id'], **reply)
"""


LARGE = "{'error': {'code': 'too_large', 'message': 'needs 4 cpus', 'hint': 'ask for less'}}"
ATTENDED = ("sweep", "--wait", "-n", "big", "--cpus", "4", "-p", "a", "1", "2", "3", "--", "x", "{a}")


def left(cli: CommandLine) -> list[str]:
    return [path.name for path in (cli.folder / ".local/state/sjs/outbox").glob("*")]


@pytest.mark.parametrize(("cpus", "why"), [(2, "this machine can not hold it: needs 4 cpus, it has 2"), (8, "needs 4")])
@pytest.mark.parametrize("word", ["m", "any"])
def test_what_a_machine_can_never_hold_is_refused_in_a_line_at_once(
    cli: CommandLine, word: str, cpus: int, why: str
) -> None:
    """By what it says of itself before, or by its answer to the jobs."""
    cli.play("m", serves(LARGE, cpus))
    outcome = cli.submit(word, *ATTENDED)
    (line,) = outcome.err.splitlines()
    assert (outcome.status, outcome.out, left(cli)) == (1, "", []), outcome
    assert line.startswith(f"submit: {why}"), line


def test_what_nobody_can_ever_hold_says_so_of_all(cli: CommandLine) -> None:
    cli.play("m", serves(LARGE))
    cli.play("n", serves(LARGE, cpus=2))
    outcome = cli.submit("any", *ATTENDED)
    assert (outcome.status, outcome.out, left(cli)) == (1, "", []), outcome
    last = outcome.err.splitlines()[-1]
    assert last.startswith("submit: no target has what the job needs (ask for less"), outcome.err


@pytest.mark.parametrize(
    "said", [LARGE, "{'error': {'code': 'refused', 'message': 'needs 4 cpus', 'hint': 'ask for less'}}"]
)
def test_others_run_what_one_machine_refuses(cli: CommandLine, said: str) -> None:
    cli.play("m", serves(said))
    other = cli.play("n", serves("takes()"))
    outcome = cli.submit("any", *ATTENDED)
    assert (outcome.status, left(cli)) == (0, []), outcome
    assert sorted(job["argv"][1] for job in jobs(other)) == ["1", "2", "3"]


def test_who_holds_jobs_no_more_is_seen_through_with_those_it_took(cli: CommandLine) -> None:
    """It was told to have less after the first ones."""
    cli.play("m", serves(f"{LARGE} if done else takes()", state="'running' if version < 9 else 'succeeded'"))
    outcome = cli.submit("m", *ATTENDED)
    assert (outcome.status, left(cli)) == (1, []), outcome
    assert outcome.err.splitlines()[-1] == "submit: needs 4 cpus (ask for less)"
    assert "m: takes no more: needs 4 cpus" in outcome.err


def test_jobs_of_which_nobody_says_whether_they_were_taken_are_no_success(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "PATIENCE", 0.05)
    monkeypatch.setattr(attending, "TICK", 0.02)
    monkeypatch.setattr(feeding, "PAUSES", (0.02,))
    cli.play("m", serves("sys.exit(1) if done else takes()"), GONE.replace("no_manager", "unreachable"))
    outcome = cli.submit("m", *ATTENDED)
    assert (outcome.status, len(left(cli))) == (255, 1), outcome
    assert "does not say whether it has 1 more job(s) of the sweep (the next command asks again)" in outcome.err
