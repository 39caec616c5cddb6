"""What Python says of a job comes to what the command line says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest

from sjs.api.jobs import Job
from sjs.api.options import JobOptions, spec_of, terms
from sjs.cli.commands.job import job as verb
from sjs.cli.options import changed, job_options
from sjs.core.job import Spec
from sjs.errors import UsageError

OF_THE_COMMAND = {
    *(
        "commands",
        "command_file",
        "argv",
        "wait",
        "follow",
        "dry_run",
        "parsable",
    ),  # methods, or what a method is given
    *("json", "config"),  # connect's
    "after_sweeps",  # after=fleet["gpu1"].list(sweep=…)
}
OTHERWISE = {"tags": "tags", "due": "delay", "merge": "merge_output"}


def silent(name: str, line: str) -> None:
    raise AssertionError(f"{name}: {line}")


def typed(*words: str) -> Spec:
    """What the command line makes of options."""
    command = click.command()(job_options(lambda **given: None))
    return changed(Spec(), command.make_context("job", list(words)).params)


def test_each_option_has_its_name_here() -> None:
    there = {OTHERWISE.get(one.name or "", one.name) for one in verb.params} - OF_THE_COMMAND
    assert there == set(JobOptions.__annotations__)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"name": "n", "tags": {"a": "b"}, "cwd": Path("/x"), "env": {"K": "v"}, "priority": 3},
            "-n n --tag a=b --cwd /x --env K=v --priority 3",
        ),
        (
            {"partition": "long", "account": "lab", "qos": "low", "slurm": ["--constraint=big", "-Lmatlab"]},
            "--partition long --account lab --qos low --slurm=--constraint=big --slurm -Lmatlab",
        ),
        (
            {"slots": 2, "cpus": 3, "mem": "4G", "gpus": 0.5, "resources": {"l": 1}},
            "-j 2 -c 3 --mem 4G -G 0.5 --resource l=1",
        ),
        ({"gpus": 2, "gpu_mem": 1 << 30, "mem": 1024}, "-G 2 --gpu-mem 1G --mem 1K"),
        (
            {"timeout": "1h30m", "grace": 0, "nice": 5, "hold": True, "merge_output": True},
            "-t 1h30m --grace 0 --nice 5 --hold --merge-output",
        ),
        (
            {"retries": 2, "backoff": ("10s", 2), "retry_on": ["fail", "exit:3"]},
            "--retries 2 --backoff 10s:2x --retry-on fail,exit:3",
        ),
        (
            {"retries": 2, "backoff": 5.0, "on_lost": "requeue", "stdin": "/in"},
            "--retries 2 --backoff 5 --on-lost requeue --stdin /in",
        ),
        ({"at": datetime(2030, 1, 2, 3, 4)}, "--at 2030-01-02T03:04"),
        ({"at": 5.5}, "--at @5.5"),
    ],
)
def test_the_same_is_the_same(said: JobOptions, words: str) -> None:
    assert spec_of("true", terms(said, silent).spec) == typed(*words.split()).but(command="true")


def test_jobs_are_waited_for_where_they_are() -> None:
    def job(target: str, number: int) -> Job:
        nothing: Any = None
        return Job(nothing, target, number)

    found = terms({"after": [job("a", 3), job("a", 5)]}, silent)
    assert (found.spec.after, found.target) == ((("ok", ((3, 3), (5, 5))),), "a")
    assert terms({"after": job("a", 3)}, silent).spec.after == (("ok", ((3, 3),)),)
    assert terms({"after": {"any": [job("a", 3)], "notok": []}}, silent).spec.after == (("any", ((3, 3),)),)
    with pytest.raises(UsageError, match="a and b"):
        terms({"after": [job("a", 3), job("b", 3)]}, silent)
    with pytest.raises(UsageError, match="ok, any, notok"):
        terms({"after": {"done": [job("a", 3)]}}, silent)


def test_an_environment_is_named_by_its_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("E_ONE", "1")
    monkeypatch.setenv("E_TWO", "2")
    (tmp_path / "env").write_text("E_TWO=two\n")
    found = terms({"capture_env": "E_*", "env_file": tmp_path / "env"}, silent)
    assert [*found.envs.values()] == [{"E_ONE": "1", "E_TWO": "two"}]
    assert found.spec.env_base == next(iter(found.envs))
    assert "HOME" in next(iter(terms({"capture_env": True}, silent).envs.values()))
    assert terms({"capture_env": False}, silent) == terms({}, silent)
