"""The lines of each verb, against machines that answer as they are told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from uuid import UUID

import pytest

from tests.cli.conftest import CommandLine

RECORD = {
    "id": 5,
    "state": "failed",
    "reason": "exit",
    "exit": 3,
    "attempt": 1,
    "submitted": 1.0,
    "started": 2.0,
    "ended": 67.0,
    "command": "echo \x1b[2J",
}


def answers(*bodies: Mapping[str, object]) -> str:
    """A scene in which each request gets one of these answers; afterwards the client leaves."""
    return "hello()\n" + "".join(f"say(id=hear()['id'], **{dict(body)!r})\n" for body in bodies) + "hear()"


def report(running: int = 0, maximum: int = 2, queued: int = 0, **more: object) -> dict[str, object]:
    return {"running": running, "max": maximum, "queued": queued, "head": [], "counts": {}, **more}


def accepted(first: int = 0, count: int = 1, maximum: int = 2) -> dict[str, object]:
    return {"first": first, "count": count, "repeated": False, "max": maximum}


GONE = "raw(b'sjs 1\\n')\nsay(error={'code': 'no_manager', 'message': 'no manager here', 'hint': 'start it'})"
REFUSAL = {"error": {"code": "refused", "message": "no", "hint": ""}}


def test_status_prints_the_line_of_old(cli: CommandLine) -> None:
    cli.play("m", answers(report()))
    line = '{"status": "OK", "jobs_running": 0, "max_jobs_running": 2, "code": 0, "jobs_queued": "[]"}\n'
    assert cli.submit("m", "status").out == line


def test_status_names_the_queued_jobs_in_a_string(cli: CommandLine) -> None:
    head = [{"job": 'echo "é"', "job_id": 7}]
    cli.play("m", answers(report(queued=1, head=head)))
    found = json.loads(cli.submit("stat", "m").out)
    assert list(found) == ["status", "jobs_running", "max_jobs_running", "code", "jobs_queued"]
    assert json.loads(found["jobs_queued"]) == head


def test_status_says_why_nothing_starts(cli: CommandLine) -> None:
    cli.play("m", answers(report(trouble="the disk is full")))
    outcome = cli.submit("m", "status")
    assert ("trouble" in outcome.out, outcome.err) == (False, "nothing starts: the disk is full\n")
    cli.play("m", answers(report(trouble="the disk is full")))
    assert json.loads(cli.submit("m", "status", "--json").out)["trouble"] == "the disk is full"


def test_status_counts_the_queue_when_it_is_long(cli: CommandLine) -> None:
    head = [{"job": "x", "job_id": number} for number in range(100)]
    cli.play("m", answers(report(queued=101, head=head)))
    found = json.loads(cli.submit("m", "status").out)
    assert (list(found)[-1], found["num_jobs_queued"]) == ("num_jobs_queued", 101)


def test_all_prefixes_names_in_order_and_sums_up_what_went_wrong(cli: CommandLine) -> None:
    cli.play("m1", answers(report()))
    cli.play("m2", GONE)
    cli.play("m3", answers(REFUSAL))
    outcome = cli.submit("all", "status")
    assert (outcome.status, outcome.out[:6]) == (255, "[m1] {")
    assert outcome.err == (
        "[m2] error: no manager here (submit m2 start)\n[m3] error: no\nok 1, failed 1, unreachable 1: m3, m2\n"
    )


def test_a_refusal_alone_exits_1_and_no_answer_255(cli: CommandLine) -> None:
    cli.play("m1", answers(REFUSAL))
    cli.play("m2", GONE)
    assert [cli.submit(name, "status").status for name in ("m1", "m2")] == [1, 255]


def test_json_names_targets_and_errors(cli: CommandLine) -> None:
    cli.play("m1", answers(report(running=1)))
    cli.play("m2", GONE)
    first, second = map(json.loads, cli.submit("all", "status", "--json").out.splitlines())
    assert (first["target"], first["jobs_running"], first["host"]) == ("m1", 1, "fake")
    assert (second["target"], second["error"]["code"]) == ("m2", "no_manager")


def test_configure_prints_the_line_of_old(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"old": 2, "new": 0}))
    assert cli.submit("m", "configure", "--max-jobs-running", "0").out == (
        '{"status": "OK", "old_max_jobs_running": 2, "code": 0, "new_max_jobs_running": 0,'
        ' "message": "configuration successful"}\n'
    )
    assert machine.requests[0]["max_jobs"] == 0


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        ("--keep-days 7", {"keep_days": 7}),
        ("--keep-days forever --keep-jobs all", {"keep_days": 0, "keep_jobs": 0}),
        ("--keep-jobs 1000", {"keep_jobs": 1000}),
        ("--cpus 8 --mem 4G --gpus 0", {"cpus": 8, "mem": 4 << 30, "gpus": 0}),
        ("--cpus found --gpus found", {"cpus": None, "gpus": None}),
        ("--resource a=1 --resource b=2", {"resources": {"a": 1, "b": 2}}),
        ("--low-water 1.5G", {"low_water": 3 << 29}),
        ("--low-water 0", {"low_water": 0}),
        ("--resource a=1 --resource b=", {"resources": {"a": 1, "b": None}}),
        ("--gpu-policy ignore", {"gpu_policy": "ignore"}),
        ("--on-start cat --on-finish '' --hook-timeout 2m", {"on_start": "cat", "on_finish": "", "hook_timeout": 120}),
    ],
)
def test_configure_says_what_is_set_as_the_manager_has_it(
    cli: CommandLine, words: str, wish: dict[str, object]
) -> None:
    has = {name: f"its {name}" for name in wish}
    machine = cli.play("m", answers({"old": 2, "new": 2, "settings": {**has, "other": 1}}))
    line = json.loads(cli.submit("m", "configure", *shlex.split(words)).out)
    assert line == {"status": "OK", "code": 0, **has, "message": "configuration successful"}
    assert {name: machine.requests[0].get(name) for name in wish} == wish
    assert "max_jobs" not in machine.requests[0]


def test_configure_without_options_says_how_all_is_set(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"old": 2, "new": 2, "settings": {"keep_days": 30, "cpus": 8}}))
    wanted = {"max_jobs_running": 2, "keep_days": 30, "cpus": 8}
    assert json.loads(cli.submit("m", "configure").out) == wanted
    assert json.loads(cli.submit("m", "configure", "--json").out) == {"target": "m", **wanted}
    assert machine.requests[0] == {"op": "configure", "id": 1}


@pytest.mark.parametrize(
    "words",
    ["--keep-days never", "--keep-days -1", "--cpus -1", "--mem x", "--resource a", "--resource =", "--gpu-policy x"],
)
def test_configure_takes_no_nonsense(cli: CommandLine, words: str) -> None:
    outcome = cli.submit("m", "configure", *words.split())
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)


def test_a_wait_for_jobs_that_are_long_gone_is_no_success(cli: CommandLine) -> None:
    cli.play("m", answers({"done": True, "counts": {"succeeded": 3, "removed": 2}}))
    outcome = cli.submit("m", "wait", "1-5")
    assert (outcome.status, outcome.err) == (2, "3 succeeded, 2 removed\n")


def test_check_running_says_who_runs(cli: CommandLine) -> None:
    cli.play("m1", answers(report()))
    cli.play("m2", GONE)
    outcome = cli.submit("check-running", "all")
    assert (outcome.status, outcome.out, outcome.err) == (1, "[m1] I am running\n[m2] I am NOT running\n", "")
    assert cli.submit("check-running", "m2").out == "[m2] I am NOT running\n"


def test_job_prints_the_line_of_old(cli: CommandLine) -> None:
    machine = cli.play("m", answers(accepted()))
    assert cli.submit("m", "job", "--command", "echo hello").out == (
        '{"status": "OK", "message": "job submitted successfully", "code": 0, "job_id": 0}\n'
    )
    assert machine.requests[0]["jobs"] == [{"command": "echo hello"}]


def test_job_sends_texts_and_words_unchanged(cli: CommandLine) -> None:
    machine = cli.play("m", answers(accepted()))
    text = "echo '1' \"2\" $HOME \\ \\n\nsecond line é \udcff"
    cli.submit("m", "job", "--command", text)
    cli.submit("m", "job", "--", "ls", "--wait", "a b", "")
    assert [one["jobs"][0] for one in machine.requests] == [{"command": text}, {"argv": ["ls", "--wait", "a b", ""]}]


def test_job_says_what_becomes_of_it_when_it_is_lost(cli: CommandLine) -> None:
    machine = cli.play("one", answers(accepted()))
    for policy in ("requeue", "fail"):
        assert cli.submit("one", "job", "--on-lost", policy, "--command", "make").status == 0
    assert [one["jobs"] for one in machine.requests] == [
        [{"command": "make", "on_lost": "requeue"}],
        [{"command": "make"}],
    ]
    assert cli.submit("one", "job", "--on-lost", "shrug", "--command", "make").status == 2


def test_job_prints_a_line_for_each_of_a_file(cli: CommandLine) -> None:
    cli.play("m", "hello()\ntake(7)\nhear()")
    (cli.folder / "commands.txt").write_text("a\n\n# b\nc\n")
    lines = cli.submit("m", "job", "--command-file", "commands.txt").out.splitlines()
    assert [json.loads(line)["job_id"] for line in lines] == [7, 8]


def test_job_sums_up_above_ten_thousand(cli: CommandLine) -> None:
    machine = cli.play("m", "hello()\nfor number in range(11): take(number * 1000)\nhear()")
    (cli.folder / "commands.txt").write_text("x\n" * 10_001)
    outcome = cli.submit("m", "job", "--command-file", "commands.txt", "--key", "k")
    assert json.loads(outcome.out) == {
        "status": "OK",
        "message": "10001 jobs submitted successfully",
        "code": 0,
        "first_job_id": 0,
        "last_job_id": 10_000,
        "jobs": 10_001,
    }
    assert [one["key"] for one in machine.requests] == [f"k/{number}" for number in range(11)]


def test_parsable_prints_only_ids(cli: CommandLine) -> None:
    cli.play("m1", answers(accepted(4)))
    cli.play("m2", answers(accepted(9)))
    assert cli.submit("m1", "job", "--command", "x", "-p").out == "4\n"
    assert cli.submit("all", "job", "--command", "x", "-p").out == "m1:4\nm2:9\n"


def test_job_warns_when_nothing_may_run(cli: CommandLine) -> None:
    cli.play("m", answers(accepted(maximum=0)))
    warning = "warning: manager accepting at most 0 jobs, job will be queued\n"
    assert cli.submit("m", "job", "--command", "x").err == warning
    assert cli.submit("all", "job", "--command", "x").err == "[m] " + warning


def test_any_takes_the_freest_in_one_session_each(cli: CommandLine) -> None:
    busy = cli.play("m1", answers(report(running=2)))
    free = cli.play("m2", answers(report(), accepted()))
    outcome = cli.submit("any", "job", "--command", "x")
    assert outcome.out.startswith('[m2] {"status": "OK", "message": "job submitted')
    assert (busy.sessions, free.sessions, outcome.status) == (1, 1, 0)


def test_any_passes_over_who_fails(cli: CommandLine) -> None:
    cli.play("m1", "sys.exit('no such host')")
    cli.play("m2", answers(report(), accepted()))
    outcome = cli.submit("any", "job", "--command", "x")
    assert outcome.out.startswith("[m2]")
    assert outcome.status == 0
    assert outcome.err == "[m1] passed over: the link broke: no such host\n"


def test_any_without_anybody_is_unreachable(cli: CommandLine) -> None:
    cli.play("m1", "sys.exit('no such host')")
    outcome = cli.submit("any", "job", "--command", "x")
    assert outcome.status == 255
    assert outcome.err.endswith("submit: no manager can take jobs (see `submit all status`)\n")


def test_a_refused_part_says_how_to_go_on(cli: CommandLine) -> None:
    cli.play(
        "m", "hello()\ntake(0)\nsay(id=hear()['id'], error={'code': 'stopping', 'message': 'about to stop'})\nhear()"
    )
    (cli.folder / "commands.txt").write_text("x\n" * 1_500)
    outcome = cli.submit("m", "job", "--command-file", "commands.txt", "--key", "k", "-p")
    assert (outcome.status, len(outcome.out.splitlines())) == (1, 1_000)
    again = "submit m job --command-file commands.txt --key k -p"
    assert outcome.err == f"[m] error: about to stop (to finish it, nothing twice: {again})\n"


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("sys.exit('no such host')", 255),
        (GONE, 255),
        ("raw(b'sjs 1\\n')\nsay(error={'code': 'stopped', 'message': 'stopped', 'hint': 'start it again first'})", 255),
        ("raw(b'sjs 1\\n')\nsay(error={'code': 'unreachable', 'message': 'no way', 'hint': ''})", 255),
    ],
)
def test_whatever_ends_an_outage_the_way_on_is_named(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, last: str, status: int
) -> None:
    """What was sent may have been taken."""
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    monkeypatch.setattr("sjs.cli.commands.job.uuid4", lambda: UUID(int=7))
    cli.play("m", "hello()\nhear()", last)
    outcome = cli.submit("m", "job", "--command", "echo a b")
    assert outcome.status == status
    again = f"submit m job --key {UUID(int=7).hex} --command 'echo a b'"
    assert outcome.err.splitlines()[-1].endswith(f"to finish it, nothing twice: {again})")


def test_what_keeps_a_manager_from_starting_is_not_met_with_start(cli: CommandLine) -> None:
    cli.play(
        "m", "raw(b'sjs 1\\n')\nsay(error={'code': 'no_manager', 'message': 'no folder', 'hint': 'mkdir -p /project'})"
    )
    assert cli.submit("m", "start").err == "[m] error: no folder (mkdir -p /project)\n"


def test_where_nothing_was_sent_there_is_nothing_to_finish(cli: CommandLine) -> None:
    cli.play("m", "sys.exit('no such host')")
    assert "finish" not in cli.submit("m", "job", "--command", "x").err


@pytest.mark.parametrize("begin", ["the same again, with --key k", "submit m job --key k --snapshot code"])
def test_the_way_on_names_the_files_as_they_were(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, begin: str) -> None:
    """They may be others by then, and other jobs under the same key are refused."""
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    monkeypatch.setattr("sjs.cli.handing.LONG", 1_000 if begin.startswith("submit") else 100)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "cache"))
    (cli.folder / "code").mkdir()
    (cli.folder / "code/words").write_text("one")
    cli.play("m", "raw(b'sjs 1\\n')\nsay(hello={'version': '9', 'snapshots': True})\nhear()")
    outcome = cli.submit("m", "job", "--key", "k", "--snapshot", "code", "--", "x")
    taken = json.loads((cli.folder / "fake-m/requests").read_text().splitlines()[0])["jobs"][0]["snapshot"]["id"]
    way = f"{begin} --snapshot @{taken}{' -- x' if begin.startswith('submit') else ''}"
    assert outcome.err.endswith(f"(to finish it, nothing twice: {way})\n")
    outcome = cli.submit("m", "job", "--snapshot", f"@{'0' * 64}", "--", "x")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)


def test_a_long_command_is_not_typed_out(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    cli.play("m", "hello()\nhear()")
    outcome = cli.submit("m", "job", "--key", "k", "--command", "x" * 1000)
    assert outcome.err.endswith("(to finish it, nothing twice: the same again, with --key k)\n")


def test_list_is_a_plain_table_safe_for_terminals(cli: CommandLine) -> None:
    page = {"jobs": [RECORD], "next": None}
    cli.play("m", answers(page, {**page, "jobs": []}, {**page, "jobs": []}))
    assert cli.submit("m", "list").out == (
        "    ID STATE     EXIT     TIME COMMAND\n     5 failed       3     1:05 echo \\x1b[2J\n"
    )


def test_list_of_some_asks_for_them(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"jobs": [RECORD], "next": None}))
    (line,) = cli.submit("m", "list", "1-3,5", "--state", "failed", "--json").out.splitlines()
    assert (json.loads(line)["id"], json.loads(line)["target"]) == (5, "m")
    assert (machine.requests[0]["jobs"], machine.requests[0]["states"]) == ([[1, 3], [5, 5]], ["failed"])


def test_cancel_says_what_became_of_whom(cli: CommandLine) -> None:
    reply = {"cancelled": [[1, 3], [4, 4]], "stopping": [[5, 5]], "ended": [[9, 9]], "next": None}
    machine = cli.play("m", answers(reply))
    assert cli.submit("m", "cancel", "1-9", "--grace", "2", "--note", "why").out == (
        "4 cancelled (1-4), 1 being ended (5), 1 had ended already (9)\n"
    )
    assert [machine.requests[0][name] for name in ("jobs", "grace", "note")] == [[[1, 9]], 2.0, "why"]
    cli.submit("cancel", "m", "--jid", "all")
    assert machine.requests[1]["jobs"] is None


def test_stop_is_done_also_when_nobody_ran(cli: CommandLine) -> None:
    machine = cli.play("m1", "hello()\nsay(id=hear()['id'], running=1, queued=2)")
    cli.play("m2", GONE)
    outcome = cli.submit("all", "stop", "--force")
    assert outcome.status == 0
    assert outcome.out == "[m1] stopped; 1 running go on, 2 waiting are kept\n[m2] no manager was running\n"
    assert "if_idle" not in machine.requests[0]


def test_a_manager_with_jobs_is_not_stopped_by_accident(cli: CommandLine) -> None:
    machine = cli.play("m", "hello()\nsay(id=hear()['id'], running=1, queued=2)\nhear()")
    outcome = cli.submit("m", "shutdown")
    refusal = "[m] error: 1 job(s) running and 2 job(s) waiting (say --drain, --force or --kill: see --help)\n"
    assert (outcome.status, outcome.out, outcome.err) == (1, "", refusal)
    assert machine.requests[0]["if_idle"] is True
    assert cli.submit("m", "stop", "--drain", "--kill").status == 2


def test_start_starts_even_what_was_stopped_and_sets_the_maximum(cli: CommandLine) -> None:
    machine = cli.play("m", answers(report(), {"old": 2, "new": 3}, report(maximum=3)))
    assert cli.submit("m", "start", "--max-jobs-running", "3").out.endswith("at most 3 jobs at once\n")
    assert (machine.folder / "headers").read_bytes().endswith(b"\0restart=3\n")
    assert machine.requests[1]["max_jobs"] == 3


@pytest.mark.parametrize(("verb", "start"), [("status", b"-"), ("list", b"-"), ("stop", b"-"), ("job", b"start=")])
def test_only_job_and_start_start_a_manager(cli: CommandLine, verb: str, start: bytes) -> None:
    machine = cli.play("m", GONE)
    cli.submit("m", verb, *(["--command", "x"] if verb == "job" else []))
    assert (machine.folder / "headers").read_bytes().rpartition(b"\0")[2] == start + b"\n"


def test_wait_exits_as_the_job_did(cli: CommandLine) -> None:
    cli.play("m", answers({"done": True, "counts": {"failed": 1}, "job": RECORD}))
    outcome = cli.submit("m", "wait", "5")
    assert (outcome.status, outcome.out, outcome.err) == (3, "", "job 5 failed: exit status 3\n")


def test_wait_for_many_exits_with_the_number_of_failed(cli: CommandLine) -> None:
    cli.play("m", answers({"done": True, "counts": {"failed": 2, "lost": 1, "succeeded": 4}}))
    outcome = cli.submit("m", "wait", "0-6")
    assert (outcome.status, outcome.err) == (3, "4 succeeded, 2 failed, 1 lost\n")
    cli.play("m", answers({"done": True, "counts": {"failed": 2_000}}))
    assert cli.submit("m", "wait", "0-1999").status == 101


def test_wait_gives_up_in_time(cli: CommandLine) -> None:
    cli.play("m", answers({"done": False, "counts": {"running": 1}}))
    assert cli.submit("m", "wait", "0-6", "--timeout", "0").status == 124


def test_wait_without_ids_counts_only_what_ends_meanwhile(cli: CommandLine) -> None:
    before = report(counts={"failed": 5, "running": 2})
    newest = {"jobs": [RECORD], "next": None}
    done = {"done": True, "counts": {"failed": 6, "succeeded": 1}}
    machine = cli.play("m", answers(before, newest, done))
    outcome = cli.submit("m", "wait")
    assert (outcome.status, outcome.err) == (1, "1 succeeded, 1 failed\n")
    assert machine.requests[2]["jobs"] == [[0, 5]]


def test_follow_copies_both_streams_and_exits_as_the_job(cli: CommandLine) -> None:
    scene = f"""hello()
take(5)
out, err = hear()["id"], hear()["id"]
say(id=out, bytes=2); raw(b"o\\n")
say(id=err, bytes=2); raw(b"e\\n")
say(id=out, end=None, offset=2); say(id=err, end=None, offset=2)
say(id=hear()["id"], done=True, counts={{"failed": 1}}, job={RECORD!r})
hear()
"""
    cli.play("m", scene)
    outcome = cli.submit("m", "job", "--command", "x", "--follow")
    assert (outcome.status, outcome.out) == (3, "o\n")
    assert outcome.err.splitlines()[1:] == ["e", "job 5 failed: exit status 3"]


def test_a_broken_link_is_told_once_on_stderr(cli: CommandLine) -> None:
    cli.play("m", "hello()\nhear()", answers(report()))
    outcome = cli.submit("m", "status")
    assert (outcome.status, outcome.err.count("\n")) == (0, 1)
    assert "asking again for" in outcome.err


def test_who_leaves_before_the_waiting_begins_is_told_the_way_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*anything: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("sjs.cli.commands.job._until_ended", leave)
    cli.play("m", answers(accepted(7)))
    done = cli.submit("m", "job", "--wait", "--command", "x")
    assert (done.status, done.out.count("\n")) == (130, 1)
    assert done.err == "what was handed in runs on; to come back: submit m wait 7\n"
