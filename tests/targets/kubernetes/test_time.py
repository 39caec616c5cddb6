"""What a job in a cluster is told of its time, which begins before it does."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import Job, Spec
from sjs.targets.kubernetes.ends import end_of
from sjs.targets.kubernetes.records import held
from sjs.targets.kubernetes.why import why

JOB = {
    "metadata": {
        "name": "x",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-21T02:24:51Z",
        "labels": {"sjs.dev/first": "0"},
        "annotations": {"sjs.dev/key": "k", "sjs.dev/count": "1"},
    },
    "spec": {},
}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"terminated": {"exitCode": 137, "startedAt": "2026-11-21T02:24:51Z"}}, "it ran for longer than it was to"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "its time was over before it had begun: "),
    ],
)
def test_a_job_that_never_ran_did_not_run_for_too_long(state: dict[str, Any], said: str) -> None:
    status = {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": [{"name": "main", "state": state}]}
    end = end_of({"status": status})
    assert (end.reason, end.detail.startswith(said)) == ("timeout", True)


@pytest.mark.parametrize(
    ("spec", "status", "is_said"),
    [
        ({"activeDeadlineSeconds": 60}, {"startTime": "2026-11-21T02:24:51Z"}, True),
        ({"activeDeadlineSeconds": 60}, {}, False),
        ({}, {"startTime": "2026-11-21T02:24:51Z"}, False),
    ],
)
def test_who_asks_why_hears_that_the_time_runs(spec: dict[str, Any], status: dict[str, Any], is_said: bool) -> None:
    waiting = [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    pod = {
        "metadata": {"uid": "p"},
        "spec": spec,
        "status": {"phase": "Pending", "containerStatuses": waiting, **status},
    }
    one = held(JOB)
    assert one is not None
    lines = why(one, Job(0, Spec(command="x"), "queued", 0.0), [pod], ())
    assert lines[0].startswith("its image can not be pulled")
    assert [line for line in lines if line.startswith("its time (60 s) runs since")] == lines[1:]
    assert bool(lines[1:]) is is_said
