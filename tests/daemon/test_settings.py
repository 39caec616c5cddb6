from __future__ import annotations

from typing import Any

import pytest

from sjs.daemon.queue.holdings import Holdings
from sjs.daemon.queue.hook_list import USUAL, HookList
from sjs.errors import BadRequest
from tests.daemon.queues import Queue

USUALLY = {
    "keep_days": 30,
    "keep_jobs": 0,
    "low_water": 0,
    "cpus": 0,
    "mem": 0,
    "gpus": 0,
    "resources": {},
    "gpu_policy": "avoid",
    **USUAL,
}


def test_without_a_wish_all_is_told_and_nothing_changed(queue: Queue) -> None:
    assert queue.ask("configure") == {"old": 2, "new": 2, "settings": USUALLY}


@pytest.mark.parametrize(
    ("wish", "back"),
    [
        ({"keep_days": 5}, {"keep_days": 30}),
        ({"low_water": 0}, {}),
        ({"cpus": 4, "mem": 1 << 30, "gpus": 2}, {"cpus": None, "mem": None, "gpus": None}),
        ({"gpu_policy": "ignore"}, {"gpu_policy": None}),
        ({"resources": {"tape": 2, "net": 1}}, {"resources": {"net": None, "tape": None, "none": None}}),
        ({"resources": {"tape": 2}}, {"resources": None}),
        (
            {"on_start": "a", "on_finish": "b", "hook_timeout": 5.0},
            {"on_start": None, "on_finish": "", "hook_timeout": None},
        ),
    ],
)
def test_each_is_set_and_told_and_set_back(queue: Queue, wish: dict[str, Any], back: dict[str, Any]) -> None:
    assert queue.ask("configure", **wish)["settings"] == {**USUALLY, **wish}
    assert {**Holdings(queue.store).summary(), **HookList(queue.store).said}.items() <= {**USUALLY, **wish}.items()
    assert queue.ask("configure", **back)["settings"] == USUALLY


def test_of_resources_each_counts_by_itself(queue: Queue) -> None:
    queue.ask("configure", resources={"tape": 2, "net": 1})
    assert queue.ask("configure", resources={"tape": 3})["settings"]["resources"] == {"net": 1, "tape": 3}
    assert queue.ask("configure", resources={"net": None})["settings"]["resources"] == {"tape": 3}


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_finish": 5},
        {"on_start": "a\0b"},
        {"hook_timeout": 0},
        {"hook_timeout": "1m"},
        {"resources": {"tape": "many"}},
        {"resources": ["tape"]},
        {"cpus": -1},
        {"keep_days": None},
        {"max_jobs": None},
    ],
)
def test_of_a_request_that_makes_no_sense_nothing_counts(queue: Queue, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        queue.ask("configure", **{"max_jobs": 1, "cpus": 7, "low_water": 9, "on_finish": "a", **wrong})
    assert queue.ask("configure") == {"old": 2, "new": 2, "settings": USUALLY}
    assert queue.store.meta("low_water") is None


@pytest.mark.parametrize("wrong", [-1, True, "1G", 1.5, 2**63, None])
def test_no_nonsense_is_kept_free(queue: Queue, wrong: object) -> None:
    with pytest.raises(BadRequest, match="'low_water' must be a whole number"):
        queue.ask("configure", max_jobs=1, low_water=wrong)
    assert queue.ledger.max_running == 2
    assert queue.store.meta("low_water") is None
