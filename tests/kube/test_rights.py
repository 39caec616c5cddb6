"""Who may do only some of what we do there is told so, and nothing half done is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sjs.core.job import Spec
from sjs.errors import Refused
from tests.kube.auth import Rule
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target
from tests.kube.kinds import JOBS
from tests.kube.test_asking import Types, types, write

__all__ = ["types"]

FOUR = [Spec(command=f"run {number}") for number in range(4)]


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    return still


def test_who_may_not_read_what_jobs_run_is_told_so_once(cluster: Cluster) -> None:
    hand_in(target(cluster), *FOUR)
    cluster.accounts.forbid("admin", "list", resource="configmaps")
    told: list[str] = []
    one = target(cluster, told)
    for _ in range(2):
        assert [(job.state, job.spec.is_known) for job in one.list()] == [("queued", False)] * 4
    (line,) = told
    assert line.startswith("what jobs of command files and sweeps run can not be read: not allowed: configmaps is")
    cluster.accounts.allow_again("admin")
    assert [job.spec for job in one.list()] == FOUR, "what could not be read once is not taken for unreadable"


def test_what_can_not_be_read_is_not_tried_again(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, *FOUR)
    hand_in(one, Spec(command="plain"), key="plain/0")
    for pod in pods(cluster):
        end(cluster, begin(cluster, pod), 1)
    before = cluster.store.all(JOBS, "default")
    cluster.accounts.forbid("admin", "list", resource="configmaps")
    with pytest.raises(Refused, match=r"job 0 is not tried again, for what it ran can not be read .*list ConfigMaps"):
        target(cluster).change("again", None)
    cluster.settle()
    assert cluster.store.all(JOBS, "default") == before, "of all that were named, none"
    cluster.accounts.allow_again("admin")
    assert list(one.change("again", None)) == [(0, 4)]


def test_what_can_not_be_read_is_not_handed_in_again(cluster: Cluster, tmp_path: Path, types: Types) -> None:
    hand_in(target(cluster), *FOUR)
    write(cluster, tmp_path)
    cluster.accounts.forbid("admin", "list", resource="configmaps")
    status, out, told = types("k", "list")
    assert (status, out.count("(not readable)")) == (0, 4)
    assert told.count("can not be read: not allowed") == 1
    for words, said in (
        (("k", "rerun", "2"), "what job 2 ran can not be read, so it can not be handed in again"),
        (("k", "export"), "what job 0 runs can not be read, so it can not be written down"),
    ):
        status, out, told = types(*words)
        assert (status, out) == (1, "")
        assert said in told


def test_the_role_that_is_recommended_is_enough(cluster: Cluster) -> None:
    """All verbs of ours, by somebody who may do what docs/kubernetes.md says, and no more."""
    text = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text().partition("\nrules:\n")[2]
    rules = yaml.safe_load(text.partition("```")[0])
    may = tuple(Rule(tuple(one["verbs"]), tuple(one["resources"])) for one in rules)
    cluster.add_user("somebody", may)
    told: list[str] = []
    one = target(cluster, told, kubeconfig=str(cluster.kubeconfig("somebody")))
    hand_in(one, *FOUR)
    hand_in(one, FOUR[0].but(hold=True), key="held/0")
    for pod in pods(cluster):
        end(cluster, begin(cluster, pod), 1)
    assert one.report().counts == {"failed": 4, "held": 1}
    assert one.configure(50).new == 50
    one.change("release", [(4, 4)])
    assert one.why(4) and one.details(4).job.id == 4
    one.change("hold", [(4, 4)])
    one.change("again", [(0, 0)])
    assert list(one.read(4, ["out"])) == []
    one.cancel(None, grace=1.0)
    cluster.settle()
    assert one.wait(None, 20.0).done
    assert one.decline("never/0") is None
    assert one.change("clean", None)
    assert one.cluster.queue().notice == ""
    assert told == []
