"""What a machine has: found, or said by a person; and what is refused because it has less."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.needs import WHOLE, Gpu
from sjs.daemon.queue.holdings import Holdings
from sjs.daemon.queue.ledger import Ledger
from sjs.errors import BadRequest, TooLarge
from tests.daemon.queues import Queue

GIB = 1 << 30
TWO = [{"name": str(number), "mem": 8 * GIB, "kind": "nvidia", "pids": []} for number in range(2)]


def test_what_was_found_and_what_a_person_says_instead(queue: Queue) -> None:
    holdings = queue.ledger.holdings
    holdings.found(8, 16 * GIB)
    holdings.found_gpus(TWO, [])
    assert list(holdings.machine.gpus) == [Gpu("0", 8 * GIB, "nvidia"), Gpu("1", 8 * GIB, "nvidia")]
    queue.ask("configure", cpus=4, gpus=1, resources={"tape": 2})
    assert (holdings.machine.slots, holdings.machine.cpus, holdings.machine.mem) == (2, 4, 16 * GIB)
    assert list(holdings.machine.gpus) == [Gpu("0", 8 * GIB, "nvidia")]
    assert dict(holdings.machine.named) == {"tape": 2}
    queue.ask("configure", gpus=3)
    assert [gpu.name for gpu in holdings.machine.gpus] == ["0", "1", "2"]
    queue.ask("configure", gpus=[{"name": "MIG-1", "mem": GIB}])
    assert list(holdings.machine.gpus) == [Gpu("MIG-1", GIB, "")]
    queue.ask("configure", cpus=None, gpus=None)
    assert (holdings.machine.cpus, len(holdings.machine.gpus)) == (8, 2)


def test_what_a_person_said_outlives_the_manager(queue: Queue) -> None:
    queue.ask("configure", max_jobs=7, cpus=4, resources={"tape": 2})
    machine = Holdings(queue.store).machine
    assert (machine.slots, machine.cpus, machine.mem, machine.named) == (7, 4, 0, (("tape", 2),))


@pytest.mark.parametrize(
    "said",
    [
        {"cpus": -1},
        {"mem": "4G"},
        {"gpus": 1.5},
        {"gpus": [{"mem": 5}]},
        {"gpus": [{"name": "0"}, {"name": "0"}]},
        {"gpus": [{"name": "0", "mem": -1}]},
        {"resources": {"tape": True}},
        {"gpu_policy": "share"},
    ],
)
def test_what_no_machine_has_is_refused(queue: Queue, said: dict[str, Any]) -> None:
    queue.ledger.commit()
    with pytest.raises(BadRequest):
        queue.ask("configure", **said)
    assert not queue.store.is_changed


def test_gpus_that_others_use_are_left_to_them_unless_a_person_wants_them(queue: Queue) -> None:
    holdings = queue.ledger.holdings
    used = [{**one, "pids": [4711]} for one in TWO]
    holdings.found_gpus(used, ours=["1"])
    assert list(holdings.foreign) == [("0", WHOLE)]
    queue.ask("submit", jobs=[{"command": "a", "gpus": WHOLE}] * 2)
    assert queue.start_all() == ["0.1"]
    assert queue.ledger.live[0].gpus == (("1", WHOLE),)
    assert queue.ask("why", job=1)["why"] == [
        "needs 1 GPU, 0 are free",
        "GPU 0: used by processes that are none of this queue's",
    ]
    queue.ask("configure", gpu_policy="ignore")
    assert list(holdings.foreign) == []
    assert queue.start_all() == ["1.1"]


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ({"cpus": 9}, "needs 9 cpus, it has 8"),
        ({"mem": 17 * GIB}, "needs 17G of memory, it has 16G"),
        ({"gpus": 3 * WHOLE}, "needs 3 GPUs, it has 2"),
        ({"resources": {"tape": 1}}, "needs 1 tape, it has 0"),
        ({"slots": 3}, "needs 3 slots, it has 2"),
    ],
)
def test_what_could_never_run_here_is_refused_and_nothing_is_taken(
    queue: Queue, job: dict[str, Any], line: str
) -> None:
    queue.ledger.holdings.found(8, 16 * GIB)
    queue.ledger.holdings.found_gpus(TWO, [])
    with pytest.raises(TooLarge, match=f"this machine can not hold it: {line}"):
        queue.ask("submit", jobs=[{"command": "small"}, {"command": "a", **job}], key="k")
    assert queue.ledger.next_id == 0


def test_what_was_taken_under_a_key_is_not_refused_when_the_machine_is_less(queue: Queue) -> None:
    queue.ledger.holdings.found(8, 16 * GIB)
    jobs = [{"command": "a", "cpus": 8}]
    queue.ask("submit", jobs=jobs, key="k")
    queue.ask("configure", cpus=1)
    assert queue.ask("submit", jobs=jobs, key="k")["repeated"] is True
    assert queue.ask("why", job=0)["why"] == ["this machine can not hold it: needs 8 cpus, it has 1"]


def test_while_gpus_are_looked_for_nobody_is_refused_for_want_of_one(queue: Queue) -> None:
    queue.ledger.holdings.is_known = False
    queue.ask("submit", jobs=[{"command": "a", "gpus": WHOLE}])
    assert queue.start_all() == []
    queue.ledger.holdings.found_gpus(TWO, [])
    assert queue.start_all() == ["0.1"]


def test_the_report_says_what_there_is_and_what_is_free(queue: Queue) -> None:
    queue.ledger.holdings.found(8, 16 * GIB)
    queue.ledger.holdings.found_gpus(TWO, [])
    queue.ask("submit", jobs=[{"command": "a", "cpus": 3, "gpus": 500}])
    queue.start_all()
    report = queue.ask("report")
    assert [report["machine"][name] for name in ("slots", "cpus", "mem", "resources")] == [2, 8, 16 * GIB, {}]
    assert [(gpu["name"], gpu["free"]) for gpu in report["machine"]["gpus"]] == [("0", 500), ("1", WHOLE)]
    assert report["free"] == {"slots": 1, "cpus": 5, "mem": 16 * GIB, "resources": {}}


def test_the_next_manager_looks_for_itself(queue: Queue) -> None:
    queue.ledger.holdings.found(8, 16 * GIB)
    assert Ledger(queue.store).holdings.machine.cpus == 0
