"""The verbs, typed: what a person sees of a cluster is what they see of any machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, cli  # noqa: F401 (a fixture)
from tests.kube.cluster import Cluster

Typed = Callable[..., str]


@pytest.fixture
def typed(cli: CommandLine, cluster: Cluster) -> Typed:  # noqa: F811
    """Types a command about the cluster, which is to end with this status, and gives what it prints."""
    path = cli.folder / "config.yaml"
    path.write_text(f"managers:\n  k8s: {{type: kubernetes, kubeconfig: {cluster.kubeconfig()}, image: alpine}}\n")
    path.chmod(0o600)

    def type_it(*words: str, status: int = 0, err: bool = False) -> str:
        outcome = cli.submit("k8s", *words)
        assert outcome.status == status, (outcome.out, outcome.err)
        return outcome.err if err else outcome.out

    return type_it


def test_a_job_from_its_first_word_to_its_last(typed: Typed) -> None:
    typed("job", "--name", "greet", "--command", "echo hello $SJS_JOB_ID; exit 3")
    typed("wait", "0", status=3)
    assert typed("logs", "-f", "0") == "hello 0\n"
    row = typed("list").splitlines()[-1].split()
    assert (row[:3], row[4:]) == (["0", "failed", "3"], ["echo", "hello", "$SJS_JOB_ID;", "exit", "3"])
    assert "exit status 3" in typed("details", "0")
    details = json.loads(typed("details", "0", "--json"))
    assert (details["state"], details["exit"], details["attempt"]) == ("failed", 3, 1)
    assert details["kubernetes"]["job"]["metadata"]["annotations"]["sjs.dev/count"] == "1"
    assert details["kubernetes"]["pods"][0]["status"]["phase"] == "Failed"
    assert typed("why", "0") == "it has ended: failed\n"
    assert json.loads(typed("status"))["jobs_running"] == 0
    assert "greet" in typed("history", "--json")
    typed("retry", "0")
    typed("wait", "0", status=3)
    assert len(json.loads(typed("details", "0", "--json"))["attempts"]) == 2
    assert typed("check-running") == "[k8s] I am running\n"
    typed("clean", "0")
    assert "no record of job 0" in typed("details", "0", status=1, err=True)


def test_a_job_that_is_waited_for_leaves_its_exit_status(typed: Typed) -> None:
    typed("job", "--wait", "--command", "exit 7", status=7)
    assert typed("job", "--follow", "--command", "echo a; kill -9 $$", status=137) == "a\n"


def test_a_file_of_commands_is_one_job_of_the_cluster(typed: Typed, cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "commands"
    path.write_text("".join(f"echo line {number}\n" for number in range(50)))
    typed("job", "--command-file", str(path))
    typed("wait", "0-49")
    assert typed("logs", "42") == "line 42\n"
    counts = cluster.api.counts()
    assert counts["create", "jobs"] == 1
    assert len(json.loads(f"[{','.join(typed('list', '--all', '--json').splitlines())}]")) == 50


def test_a_sweep_has_results(typed: Typed) -> None:
    words = ("--name", "s", "-p", "lr", "0.1", "0.2", "0.3", "--", "sh", "-c", "echo loss={lr}")
    typed("sweep", "--wait", *words)
    table = typed("results", "s", "--json")
    assert sorted(json.loads(line)["metrics"]["loss"] for line in table.splitlines()) == [0.1, 0.2, 0.3]


def test_a_job_is_ended_and_held_and_refused(typed: Typed, cluster: Cluster) -> None:
    typed("job", "--cpus", "100", "--command", "sleep 60")
    cluster.settle()
    assert "\nattempt 1:  not started yet, sjs-" in typed("details", "0")
    assert "0" in typed("cancel", "0")
    typed("wait", "0", status=1)
    assert "cancelled" in typed("list", "0")
    typed("job", "--hold", "--command", "true")
    assert "held" in typed("list", "1")
    typed("release", "1")
    typed("wait", "1")
    assert "--after" in typed("job", "--after", "1", "--command", "true", status=1, err=True)
    assert "can not pause" in typed("pause", "1", status=1, err=True)
    assert "can not be drained" in typed("drain", status=1, err=True)
