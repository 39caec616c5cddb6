"""A person's commands at starts and ends of jobs, run by the real programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.live.machine import Machine, until
from tests.live.test_cli import Person, person

__all__ = ["person"]


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_command_gets_the_record_of_each_job(machine: Machine) -> None:
    seen = machine.root / "seen"
    with machine.client() as client:
        client.ask("configure", on_start="cat >> began", on_finish=f"cat >> {seen}", max_jobs=1)
        client.run("exit 3", "kill -9 $$", "/bin/true", "nowhere")
        until(lambda: len(told(seen)) == 4 and len(told(machine.root / "began")) == 4, "each record")
        client.ask("configure", on_finish="")
        client.run("true")
    ends = {one["id"]: (one["event"], one["state"], one["reason"], one["exit"], one["signal"]) for one in told(seen)}
    assert ends == {
        0: ("on_finish", "failed", "exit", 3, None),
        1: ("on_finish", "failed", "signal", None, 9),
        2: ("on_finish", "succeeded", "exit", 0, None),
        3: ("on_finish", "failed", "exit", 127, None),
    }
    until(lambda: len(told(machine.root / "began")) == 5, "the last start")
    assert len(told(seen)) == 4


def test_the_config_says_what_is_run(machine: Machine, person: Person) -> None:
    """To a manager that hears of it with the first job, and, once it says something else, with `start`."""
    config = person.home / "config.yaml"
    entry = config.read_text().rstrip("}\n")

    def types(hook: str, words: str) -> None:
        config.write_text(f"{entry}, on_finish: {hook}}}\n")
        assert person.types(f"m {words} --config config.yaml").returncode == 0

    types("cat >> first", "job --wait --command true")
    until(lambda: len(told(machine.root / "first")) == 1, "the first record")
    types("cat >> second", "start")
    with machine.client() as client:
        client.run("true")
    until(lambda: len(told(machine.root / "second")) == 1, "the second record")
    refused = person.types("m status")
    assert (refused.returncode, b"this file was not named" in refused.stderr) == (2, True)


def test_no_job_waits_for_them_and_what_is_owed_outlives_the_manager(machine: Machine) -> None:
    """Four run at once, and wait themselves; two more are owed."""
    with machine.client() as client:
        client.ask("configure", max_jobs=1, on_finish="until [ -e go ]; do sleep 0.05; done; cat >> seen")
        assert {one["state"] for one in client.run(*["true"] * 6)} == {"succeeded"}
        assert not (machine.root / "seen").exists()
    machine.kill_manager()
    with machine.client() as client:
        client.run("touch go")
    until(lambda: len(told(machine.root / "seen")) == 7, "each record, once")
    assert sorted(one["id"] for one in told(machine.root / "seen")) == list(range(7))


def test_what_hangs_is_ended_and_what_fails_is_in_the_log(machine: Machine) -> None:
    log = machine.state / "hooks.log"

    def has(words: str) -> bool:
        return log.exists() and words in log.read_text()

    with machine.client() as client:
        client.ask("configure", on_finish="exec sleep 600", hook_timeout=0.2)
        assert client.run("true")[0]["state"] == "succeeded"
        until(lambda: has("on_finish of job 0 failed: it ran longer than 0.2s"), "the end of what hangs")
        client.ask("configure", on_finish="echo oh >&2; exit 4")
        assert client.run("true")[0]["state"] == "succeeded"
        until(lambda: has("on_finish of job 1 failed: exit status 4"), "what went wrong")
        assert has("oh\n")
