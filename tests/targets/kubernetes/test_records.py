"""What a Job of a cluster and its pods come to, where the one tells later than the others."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import Spec
from sjs.targets.kubernetes import names, records
from sjs.targets.kubernetes.ends import INDEX
from sjs.targets.kubernetes.records import Held


def held(count: int = 6, **status: Any) -> Held:
    """A Job of so many, that stands so."""
    meta = {"name": "j", "uid": "u", "labels": {names.FIRST: "10"}, "annotations": {names.COUNT: str(count)}}
    spec = {"completionMode": "Indexed"} if count > 1 else {}
    found = records.held({"metadata": meta, "spec": spec, "status": status})
    assert found is not None
    return found


def pod(index: int, phase: str = "Running", **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"j-{index}", "uid": str(index), "annotations": {INDEX: str(index)}, **meta},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("status", "pods", "unseen"),
    [
        ({}, [], False),
        ({"active": 2}, [pod(0), pod(1, "Pending")], False),
        ({"active": 2}, [pod(1)], True),
        ({"active": 2}, [pod(0), pod(1, deletionTimestamp="t")], True),
        ({"active": 2, "completedIndexes": "0,2"}, [pod(1), pod(3)], False),
        ({"active": 2, "completedIndexes": "0,2"}, [pod(3), pod(4)], True),
        ({"active": 1, "failedIndexes": "0", "completedIndexes": "1-3"}, [pod(4)], False),
        ({"completedIndexes": "1"}, [pod(0, "Failed")], False),
        ({"completedIndexes": "1"}, [], True),
        ({"active": 1, "conditions": [{"type": "Complete", "status": "True"}]}, [], False),
    ],
)
def test_of_ends_of_which_only_pods_tell_the_others_show_that_they_are(
    status: dict[str, Any], pods: list[dict[str, Any]], unseen: bool
) -> None:
    assert records.has_unseen(held(**status), pods) is unseen


def test_who_is_suspended_has_no_pods() -> None:
    one = held(active=1)
    one.raw["spec"]["suspend"] = True
    assert not records.has_unseen(one, [])


@pytest.mark.parametrize("status", [{"succeeded": 1}, {"uncountedTerminatedPods": {"succeeded": ["u"]}}])
def test_an_end_that_is_counted_is_one_before_the_job_is_called_complete(status: dict[str, Any]) -> None:
    (job,) = records.jobs(held(1, **status), [Spec(command="x")], ())
    assert (job.state, job.end is not None and job.end.exit) == ("succeeded", 0)
