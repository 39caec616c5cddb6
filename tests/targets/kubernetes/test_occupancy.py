"""What all users have in the queue of a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sjs.answers import Occupied
from sjs.errors import BadRequest
from sjs.targets.kubernetes import marks, occupancy
from sjs.targets.kubernetes.occupancy import Active

GPUS = ("nvidia.com/gpu", "amd.com/gpu")


def job(
    namespace: str, resources: dict[str, Any], flavor: str = "", spec: Any = (), status: Any = ()
) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "annotations": {"f": flavor} if flavor else None},
        "spec": {"template": {"spec": {"containers": [{"resources": resources}]}}, **dict(spec)},
        "status": dict(status),
    }


def asked(**amounts: Any) -> dict[str, Any]:
    return {"requests": amounts}


def test_who_asks_for_the_same_is_one_row() -> None:
    small = asked(cpu="500m", memory="1G")
    jobs = [
        job("me", small, "small", status={"active": 1, "ready": 1}),
        job("you", asked(cpu="0.5", memory="1000M"), "small"),
        job("you", asked(cpu="4"), "small"),
        job("me", {}),
        job("you", small, status={"conditions": [{"type": "Complete", "status": "True"}]}),
        job("you", small, status={"conditions": [{"type": "Failed", "status": "True"}]}),
        job("me", small, status={"conditions": [{"type": "Suspended", "status": "True"}]}),
    ]
    assert occupancy.rows(occupancy.of_jobs(jobs, "f"), "me", GPUS) == [
        Occupied("small", 0.5, 10**9, {}, 2, 1, 1),
        Occupied("", 0.0, 0, {}, 1, 1, 0),
        Occupied("", 0.5, 10**9, {}, 1, 1, 0),
        Occupied("small", 4.0, 0, {}, 1, 0, 0),
    ]


def test_each_kind_of_gpu_is_by_itself() -> None:
    jobs = [
        job("me", {"limits": {"nvidia.com/gpu": "1"}}),
        job("me", asked(**{"amd.com/gpu": 2})),
        job("me", asked(**{"example.org/gpu": 1})),
    ]
    found = occupancy.rows(occupancy.of_jobs(jobs, "f"), "me", GPUS)
    kinds = ["nvidia.com/gpu", "amd.com/gpu", "example.org/gpu"]
    assert sorted(tuple(row.gpus[kind] for kind in kinds) for row in found) == [(0, 0, 1), (0, 2, 0), (1, 0, 0)]


def test_of_many_in_one_those_are_counted_that_have_not_ended() -> None:
    indexed = {"completionMode": "Indexed", "completions": 10}
    status = {"succeeded": 3, "failed": 7, "failedIndexes": "1,4-5", "ready": 2}
    (row,) = occupancy.rows(occupancy.of_jobs([job("me", {}, "", indexed, status)], "f"), "me", GPUS)
    assert (row.total, row.mine, row.running) == (4, 4, 2)


@pytest.mark.parametrize(
    ("said", "status", "rows"),
    [
        ({marks.CANCELLED: marks.note_text(marks.Note(1.0))}, {}, 0),
        ({marks.CANCELLED: "by hand"}, {"terminating": 1}, 1),
        ({marks.CANCELLED: "by hand"}, {"active": 1}, 1),
        ({marks.DECLINED: "true"}, {}, 0),
        ({}, {}, 1),
    ],
)
def test_what_is_suspended_for_good_has_ended(said: dict[str, str], status: dict[str, int], rows: int) -> None:
    one = job("me", {}, spec={"suspend": True}, status=status)
    one["metadata"]["annotations"] = said
    assert len(occupancy.of_jobs([one], "f")) == rows


def test_all_containers_of_a_pod_count() -> None:
    one = job("me", asked(cpu="1"))
    one["spec"]["template"]["spec"]["containers"].append({"resources": asked(cpu="500m")})
    one["spec"]["template"]["spec"]["containers"].append({})
    (row,) = occupancy.rows(occupancy.of_jobs([one], "f"), "me", GPUS)
    assert row.cpus == 1.5


def written(**resources: Any) -> dict[str, Any]:
    return {"namespace": "me", "name": "j", "updated": "2026-11-22T02:00:00Z", "resources": resources}


def test_what_jobman_writes_down() -> None:
    jobs = [
        written(flavor="a", requests={"cpu": "1"}),
        written(label="a", requests={"cpu": "1"}),
        written(requests=None),
    ]
    found, updated = occupancy.of_map(json.dumps({"updated": "2026-11-22T02:00:00Z", "jobs": jobs}))
    assert (found[2], updated) == (Active("me", "", {}), "2026-11-22T02:00:00Z")
    rows = occupancy.rows(found, "me", GPUS)
    assert [(row.flavor, row.total, row.running) for row in rows] == [("a", 2, None), ("", 1, None)]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"jobs": [1], "updated": ""}', '{"jobs": [{}], "updated": ""}'])
def test_what_nobody_like_jobman_wrote(text: str) -> None:
    with pytest.raises(BadRequest, match="not what jobman writes"):
        occupancy.of_map(text)
