"""What a job can be told, and what can be done with it, from the command line to the process and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.still import stand_still
from tests.live.inside import Insider
from tests.live.machine import Machine, until
from tests.live.test_cli import Person
from tests.live.test_tree import of_job


@pytest.fixture
def person(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with the manager m."""
    home = tmp_path / "home"
    home.mkdir()
    return Insider(home, machine)


def ids(person: Person, line: str) -> list[int]:
    done = person.types(f"m job -p {line}")
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def state(person: Person, number: int) -> str:
    return str(person.job(number)["state"])


def table(person: Person, words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in person.types(f"m {words} --json").stdout.splitlines()]


def test_a_job_has_the_environment_that_was_given_and_no_secrets(person: Person) -> None:
    person.environment.update(FOR_JOBS="here", MORE="here", MY_TOKEN="secret")
    (person.home / "env").write_text("MORE=file\nFROM_FILE='a b'\n")
    command = "echo $FOR_JOBS $MORE $FROM_FILE $OWN $MY_TOKEN."
    done = person.types(f"m job --capture-env --env-file env --env OWN=1 --follow --command '{command}'")
    assert done.stdout == b"here file a b 1 .\n"


def test_a_line_of_a_file_says_more(person: Person) -> None:
    (person.home / "jobs").write_text("echo $A $SJS_JOB_NAME\necho $A $SJS_JOB_NAME  #SJS -n second --env A=2\n")
    first, second = ids(person, "--env A=1 -n all --command-file jobs")
    assert person.types(f"m wait {first},{second}").returncode == 0
    assert [person.types(f"m logs {one}").stdout for one in (first, second)] == [b"1 all\n", b"2 second\n"]


def test_a_job_is_tried_again_until_it_succeeds(person: Person, machine: Machine) -> None:
    command = '[ "$SJS_ATTEMPT" = 3 ]'
    done = person.types(f"m job --retries 5 --backoff 0.01 --wait --command '{command}'")
    assert (done.returncode, person.job(0)["attempt"]) == (0, 3)
    assert len(json.loads(person.types("m details 0 --json").stdout)["attempts"]) == 2
    done = person.types("m job --retries 5 --retry-on exit:7 --wait --command 'exit 8'")
    assert (done.returncode, person.job(1)["attempt"]) == (8, 1)


def test_a_job_waits_for_others_and_says_so(person: Person, machine: Machine) -> None:
    go = machine.root / "go"
    (parent,) = ids(person, f"--command 'until [ -e {go} ]; do sleep 0.05; done'")
    (child,) = ids(person, f"-d afterok:{parent} --command true")
    (other,) = ids(person, f"-d afternotok:{parent} --command true")
    assert state(person, child) == "waiting"
    assert str(parent) in person.types(f"m why {child}").stdout.decode()
    go.touch()
    assert person.types(f"m wait {parent}-{other}").returncode == 1
    assert [state(person, one) for one in (child, other)] == ["succeeded", "cancelled"]
    assert person.job(other)["reason"] == "dependency"
    refused = person.types("m job -d 99 --command true")
    assert (refused.returncode, b"no job 99" in refused.stderr) == (1, True)


def test_a_held_job_goes_when_it_is_released(person: Person) -> None:
    (held,) = ids(person, "--hold --command true")
    assert state(person, held) == "held"
    assert person.types(f"m release {held}").stdout == b"1 released (0)\n"
    assert person.types(f"m wait {held}").returncode == 0


def test_a_job_starts_when_its_time_has_come(person: Person) -> None:
    (late, soon) = (*ids(person, "--in 1h --command true"), *ids(person, "--in 0.5 --command true"))
    assert person.types(f"m wait {soon}").returncode == 0
    assert person.job(soon)["started"] >= person.job(soon)["at"]
    assert state(person, late) == "waiting"
    assert person.types(f"m cancel {late}").stdout == b"1 cancelled (0)\n"


def test_who_has_priority_and_needs_slots(person: Person, machine: Machine) -> None:
    order = machine.root / "order"
    (holder,) = ids(person, "-j 2 --hold --command true")
    person.types("m configure --max-jobs-running 0")
    for number, priority in enumerate((0, 5, -5), 1):
        ids(person, f"-j 2 --priority {priority} --command 'echo {number} >> {order}'")
    person.types("m configure --max-jobs-running 2")
    assert person.types("m wait 1-3").returncode == 0
    assert order.read_text().split() == ["2", "1", "3"]


def test_what_failed_runs_again_by_hand(person: Person, machine: Machine) -> None:
    flag = machine.root / "flag"
    ids(person, f"--command true --command '[ -e {flag} ]'")
    assert person.types("m wait 0-1").returncode == 1
    flag.touch()
    assert person.types("m retry --failed").stdout == b"1 waiting again (1)\n"
    assert person.types("m wait 0-1").returncode == 0
    assert [person.job(number)["attempt"] for number in (0, 1)] == [1, 2]


def test_a_drained_queue_starts_nothing(person: Person) -> None:
    assert person.types("m drain").returncode == 0
    (waiting,) = ids(person, "--command true")
    assert state(person, waiting) == "queued"
    assert b"drain" in person.types(f"m why {waiting}").stdout
    assert b"undrain" in person.types("m status").stderr
    assert person.types("m undrain").returncode == 0
    assert person.types(f"m wait {waiting}").returncode == 0


def test_jobs_are_found_by_what_was_said_of_them(person: Person) -> None:
    ids(person, "-n lr-1 --tag kind=a --command true")
    ids(person, "-n lr-2 --tag kind=b --command false")
    ids(person, "-n other --hold --command true")
    assert person.types("m wait 0-1").returncode == 1
    for words, wanted in (
        ("list --name 'lr-*'", [0, 1]),
        ("list --tag kind=b", [1]),
        ("list --since 1h", [0, 1, 2]),
        ("list --since @9999999999", []),
        ("history --name '*'", [0, 1]),
        ("history --state failed", [1]),
    ):
        assert [one["id"] for one in table(person, words)] == wanted, words


def test_history_holds_what_a_job_took_also_after_a_restart(person: Person, machine: Machine) -> None:
    ids(person, "--command 'exit 3'")
    person.types("m wait 0")
    machine.kill_manager()
    log = person.types("m history --format joblog").stdout.decode().splitlines()
    assert [line.split("\t")[index] for line in log for index in (0, 1, 6, 7, 8)] == [
        *("Seq", "Host", "Exitval", "Signal", "Command"),
        *("0", "m", "3", "0", "exit 3"),
    ]
    (record,) = table(person, "history")
    assert record["usage"]["max_rss_kb"] > 0
    assert person.types("m history").stdout.split()[-2:] == [b"exit", b"3"]


def test_both_outputs_go_to_one_place(person: Person) -> None:
    done = person.types("m job --merge-output --wait --command 'echo a; echo b >&2; echo c'")
    assert (done.returncode, person.types("m logs 0").stdout) == (0, b"a\nb\nc\n")


def test_a_job_is_ended_when_its_time_is_over(person: Person) -> None:
    done = person.types("m job -t 0.2 --grace 0 --wait --command 'sleep 600'")
    assert (done.returncode, state(person, 0)) == (124, "timeout")
    assert person.types("m wait 0").returncode == 124
    assert b"job 0 was timeout" not in done.stderr
    assert b"job 0 timed out" in done.stderr


def test_a_job_reads_a_file_and_lets_others_go_first(person: Person, machine: Machine) -> None:
    (machine.root / "in").write_text("from a file\n")
    done = person.types("m job --stdin in --nice 7 --follow --command 'cat; nice'")
    assert done.stdout == b"from a file\n7\n"


def test_a_running_job_stands_still_and_goes_on(person: Person, machine: Machine) -> None:
    go = machine.root / "go"
    ids(person, f"--command 'until [ -e {go} ]; do sleep 0.02; done'")
    until(lambda: state(person, 0) == "running", "the start")
    assert person.types("m pause 0").stdout == b"1 paused (0)\n"
    until(lambda: stand_still(of_job(machine, 0)), "the stop")
    go.touch()
    assert person.types("m resume 0").stdout == b"1 resumed (0)\n"
    assert person.types("m wait 0").returncode == 0


def test_a_signal_reaches_the_job_and_ends_nothing_by_itself(person: Person, machine: Machine) -> None:
    ready = machine.root / "ready"
    ids(person, f"--command 'trap \"exit 9\" USR1; touch {ready}; while :; do sleep 0.02; done'")
    until(ready.exists, "the trap")
    assert person.types("m cancel 0 --signal USR1").stdout == b"1 signalled (0)\n"
    assert person.types("m wait 0").returncode == 9


def test_what_the_machine_could_never_give_is_refused(person: Person) -> None:
    ids(person, "--command true")  # by now the queue knows what its machine has
    person.types("m wait 0")
    for line in ("-c 100000", "-G 1000", "--resource nothing=1"):
        done = person.types(f"m job {line} --command true")
        assert (done.returncode, done.stdout) == (1, b""), line
    assert person.types("m job -c 1 --mem 64M --wait --command true").returncode == 0


def test_who_needs_the_same_thing_takes_turns(person: Person, machine: Machine) -> None:
    assert person.types("m configure --resource licence=1 --cpus 64").returncode == 0
    busy = machine.root / "busy"
    found = ids(
        person, f"--resource licence=1 --command 'mkdir {busy} && sleep 0.2 && rmdir {busy}'" + " --command true" * 3
    )
    assert len(found) == 4
    again = ids(person, f"--resource licence=1 --command 'mkdir {busy} && sleep 0.1 && rmdir {busy}'")
    assert person.types(f"m wait {found[0]}-{again[0]}").returncode == 0


def test_what_was_cleaned_away_is_gone(person: Person) -> None:
    ids(person, "--command 'echo a' --command 'echo b'")
    person.types("m wait 0-1")
    assert person.types("m clean 0").stdout == b"1 cleaned away (0)\n"
    until(lambda: person.types("m logs 0").returncode == 1, "the removal")
    assert [one["id"] for one in table(person, "history")] == [1]


def test_each_attempt_has_a_folder_of_its_own_that_stays_if_it_is_used(person: Person, machine: Machine) -> None:
    used, unused = ids(person, "--command 'echo found > $SJS_JOB_DIR/it; stat -c %a $SJS_JOB_DIR' --command true")
    assert person.types(f"m wait {used},{unused}").returncode == 0
    assert person.types(f"m logs {used}").stdout == b"700\n"
    outputs = machine.state / "jobs" / "0"
    assert (outputs / f"{used}.dir" / "it").read_text() == "found\n"
    assert sorted(path.name for path in outputs.iterdir()) == [f"{used}.dir", f"{used}.out"]
    assert person.types(f"m clean {used}").returncode == 0
    until(lambda: not outputs.exists() or not list(outputs.iterdir()), "the folder went with its outputs")


def test_a_job_that_leaves_artifacts_has_an_empty_folder_for_each_attempt(machine: Machine) -> None:
    """Who says nothing of them is told of none, and none is made."""
    look = 'ls -A "$SJS_ARTIFACTS_DIR"; [ "$JOBMGR_ARTIFACTS_DIR" = "$SJS_ARTIFACTS_DIR" ]'
    command = f'{look} && touch "$SJS_ARTIFACTS_DIR/$SJS_ATTEMPT" && [ $SJS_ATTEMPT = 2 ]'
    quiet = 'env | grep -c ARTIFACTS_DIR; ls -A "$SJS_JOB_DIR"'
    jobs = [{"command": command, "artifacts": True, "retry": {"count": 1}}, {"command": quiet}]
    with machine.client() as client:
        first = client.ask("submit", jobs=jobs)["first"]
        client.ask("wait", jobs=[[first, first + 1]])
        assert client.ask("details", job=first)["job"]["state"] == "succeeded"
        assert (client.output(first), client.output(first + 1)) == (b"", b"0\n")
        outputs = machine.state / "jobs" / "0"
        left = sorted(str(path.relative_to(outputs)) for path in outputs.rglob("*") if path.is_file())
        assert left == [f"{first}.2.dir/artifacts/2", f"{first}.dir/artifacts/1", f"{first + 1}.out"]
        client.ask("clean", jobs=[[first, first]])
        until(lambda: not list(outputs.glob(f"{first}.*")), "what it left went with its outputs")
