"""Who could ever run a job, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from sjs.api.fleet import connect
from sjs.cli.source import Source, checked_for
from sjs.config import Manager
from sjs.core.job import Job, Report, Spec
from sjs.core.lifecycle import QUEUED
from sjs.core.needs import Gpu, Machine, Needs
from sjs.errors import Refused, UsageError
from sjs.fitting import Fitting
from sjs.routing import Choice
from sjs.sharing import Sharing
from tests.cli.conftest import CommandLine
from tests.targets import moon

GPU = Spec("train", needs=Needs(gpus=1000))
FULL = Spec("x", native=(("moon", '{"phase": "full", "side": 1}'),))
SWEEP = ["any:luna,io", "sweep", "-p", "lr", "1", "2"]
LUNA = Manager("luna", "", "", kind="moon")
M1, M2 = Manager("m1", "local", "/"), Manager("m2", "local", "/")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moon.installed(tmp_path, monkeypatch)


def test_what_is_said_to_targets_of_a_kind_is_refused_where_there_is_none() -> None:
    Fitting([M1, LUNA]).check(FULL)
    for others, nobody in (([M1], "m1 is none"), ([M1, M2], "none of m1, m2 is one")):
        with pytest.raises(UsageError) as caught:
            Fitting(others).check(FULL)
        assert str(caught.value) == f"--phase, --far-side is for moon targets; {nobody}"
    with pytest.raises(UsageError, match="--job-name is for comet targets; m1 is none"):
        Fitting([M1]).check(Spec("x", native=(("comet", '{"job_name": "n"}'),)))


def test_a_line_of_a_file_is_checked_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_text("a\nb #SJS -G 1\n")
    with (
        pytest.raises(Refused, match="luna: there are no GPUs on the moon"),
        Source((), str(path), (), check=checked_for(Choice([LUNA]))),
    ):
        pass
    with Source((), str(path), (), check=checked_for(Choice([LUNA, M1]))):
        pass


def test_whoever_can_never_run_a_job_is_passed_over_with_the_reason() -> None:
    notices: list[str] = []
    fitting = Fitting([LUNA, M1], lambda name, text: notices.append(f"{name}: {text}"))
    gpus = (Gpu("0"),)
    luna = Report("luna", 0, 100, 0, machine=Machine(100, gpus=gpus))
    other = Report("m1", 2, 2, 9, machine=Machine(2, gpus=gpus))
    dealt = Sharing(fitting).shares([luna, other], [Spec("a"), Spec("b"), GPU, GPU, Spec("c")], False)
    assert [(one.start, one.stop, one.target) for one in dealt] == [(0, 2, "luna"), (2, 4, "m1"), (4, 5, "luna")]
    assert notices == ["luna: passed over: there are no GPUs on the moon"]
    with pytest.raises(Refused, match="^luna: there are no GPUs on the moon$"):
        Sharing(fitting).shares([luna], [GPU], False)


CONFIG = """\
managers:
  luna: {type: moon, slots: 9}
  io: {type: moon, slots: 9}
  m1: {transport: local, root: .}
"""


@pytest.fixture
def config(cli: CommandLine) -> Path:
    path = cli.folder / "config.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


def test_a_command_line_whose_jobs_nobody_can_run_sends_nothing(cli: CommandLine, config: Path) -> None:
    for words in (["luna", "job"], ["any:luna,io", "job"], SWEEP, ["luna,io", "job"]):
        outcome = cli.submit(*words, "-G", "1", "--", "./train", "{1}")
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith("submit: luna: there are no GPUs on the moon")
    assert not any(one.jobs for one in moon.QUEUES.values())


def test_a_target_that_can_never_run_it_is_passed_over_on_the_command_line(cli: CommandLine, config: Path) -> None:
    cli.submit("io", "job", "--command", "a")
    assert cli.submit("io", "export").status == 0
    moon.QUEUES["io"].jobs[0] = Job(0, GPU, QUEUED, 0.0)
    outcome = cli.submit("io", "rerun", "0")
    assert (outcome.status, outcome.out) == (1, "")
    assert "there are no GPUs on the moon" in outcome.err
    outcome = cli.submit("luna,m1", "job", "-G", "1", "--dry-run", "--command", "a")
    assert "[luna] error: there are no GPUs on the moon\n" in outcome.err
    outcome = cli.submit("luna,m1", "job", "-G", "1", "--command", "a")
    assert "[luna] error: there are no GPUs on the moon\n" in outcome.err
    assert not moon.QUEUES["luna"].jobs


def test_python_code_hears_of_it_before_anything_is_sent(cli: CommandLine, config: Path) -> None:
    with connect(str(config)) as fleet:
        for view in (fleet["luna"], fleet["any:luna,io"]):
            with pytest.raises(Refused, match="no GPUs on the moon"):
                view.map_commands(["a", "b"], gpus=1)
        with pytest.raises(Refused, match="no GPUs on the moon"):
            fleet["luna,io"].each("a", gpus=1)
        assert [job.id for job in fleet["luna,io"].each("a")] == [0, 0]
    assert [len(one.jobs) for one in moon.QUEUES.values()] == [1, 1]
