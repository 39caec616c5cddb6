"""A queue whose jobs others run: to people a job waits until it has begun, wherever it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sjs import wire
from sjs.core.lifecycle import HELD, QUEUED, RUNNING, STARTING
from sjs.core.schedule import plan
from sjs.daemon.ground import kind
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.desk import Ask
from sjs.daemon.manager.elsewhere import IDLE, QUIET, Elsewhere
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.manager.orders import keeper_order
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.errors import Refused, TooLarge
from tests.daemon.queues import NOW, Queue

WHERE = Places("/nowhere", "jobs.pipe", "/nowhere/state")


@pytest.fixture
def queue() -> Queue:
    store = Store(":memory:")
    store.begin_as(kind.SLURM)
    ledger = Ledger(store)
    ledger.configure(5_000)
    waits = Waits()
    return Queue(store, ledger, waits, Handlers(WHERE, ledger, store, waits))


@pytest.fixture
def said() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def elsewhere(queue: Queue, said: list[dict[str, Any]]) -> Elsewhere:
    return Elsewhere(queue.ledger, queue.waits, said.append)


def begun(queue: Queue, count: int, *running: int) -> None:
    """So many were handed on, of which these have begun."""
    queue.submit(*["true"] * count)
    queue.start_all()
    for number in running:
        queue.ledger.on_started(f"{number}.1", 7, 1.0)
    queue.ledger.write_starts()


def states(queue: Queue, **asked: Any) -> list[tuple[int, str, int]]:
    return [(one["id"], one["state"], one["attempt"]) for one in queue.ask("list", **asked)["jobs"]]


def ask(op: str, **fields: Any) -> Ask:
    return Ask(None, {"op": op, **fields})


def test_what_was_handed_on_waits_until_it_has_begun(queue: Queue) -> None:
    begun(queue, 3, 1)
    assert [queue.job(number).state for number in range(3)] == [STARTING, RUNNING, STARTING]
    assert states(queue) == [(0, QUEUED, 0), (1, RUNNING, 1), (2, QUEUED, 0)]
    assert [one for one, _, _ in states(queue, states=[QUEUED])] == [0, 2]
    assert states(queue, states=[STARTING]) == []
    assert [one for one, _, _ in states(queue, states=[STARTING, RUNNING])] == [1]
    report = queue.ask("report", head=9)
    assert (report["running"], report["queued"], report["counts"].get(STARTING)) == (1, 2, None)
    assert [[one["job_id"] for one in report[name]] for name in ("live", "head")] == [[1], [0, 2]]
    assert queue.ask("stop", if_idle=True) == {"running": 1, "queued": 2}
    assert queue.ask("details", job=0)["job"]["state"] == QUEUED
    assert queue.handlers.answer({"op": "wait", "jobs": [[0, 2]]}, False)["counts"] == {QUEUED: 2, RUNNING: 1}


def test_a_sweep_is_counted_alike(queue: Queue) -> None:
    job = {"command": "true", "task": {"sweep": "s", "number": 1, "values": {"a": "1"}}}
    queue.ask("submit", jobs=[job])
    queue.start_all()
    (told,) = queue.ask("sweeps")["sweeps"]
    assert told["counts"] == {QUEUED: 1}
    assert queue.ask("members", sweep="s", states=[QUEUED])["jobs"] == [(0, 0)]


def test_many_are_handed_on_at_once_and_take_nothing_but_slots(queue: Queue) -> None:
    queue.ledger.holdings.found(4, 1 << 30)
    queue.ask("submit", jobs=[{"command": "true", "cpus": 4}] * 1_000)
    queue.ask("submit", jobs=[{"command": "true", "cpus": 4}] * 1_000)
    assert len(plan(queue.ledger.snapshot(False))) == 2_000


def test_what_no_node_could_hold_is_refused(queue: Queue) -> None:
    queue.ledger.holdings.found(4, 1 << 30)
    with pytest.raises(TooLarge, match="no node can hold it: needs 5 cpus, it has 4"):
        queue.ask("submit", jobs=[{"command": "true", "cpus": 5}])
    with pytest.raises(Refused, match="whole GPUs"):
        queue.ask("submit", jobs=[{"command": "true", "gpus": 500}])


def test_slurm_is_told_what_it_has_to_know_and_no_gpu_is_pinned(queue: Queue) -> None:
    queue.ledger.holdings.found_gpus([{"name": "0", "mem": 0, "kind": "", "pids": []}], ())
    native = {"slurm": {"partition": "p"}}
    told = {"command": "true", "name": "n", "gpus": 1000, "priority": -2, "native": native}
    queue.ask("submit", jobs=[told])
    (action,) = plan(queue.ledger.snapshot(False))
    queue.ledger.begin(action.job, action.slot, action.gpus)  # type: ignore[union-attr]
    order = keeper_order(WHERE, queue.ledger, queue.store, action)  # type: ignore[arg-type]
    assert order["slurm"] == {"name": "n", "gpus": 1000, "priority": -2, "native": {"partition": "p"}}
    assert not [name for name in order["env"] if "VISIBLE" in name]


def test_what_is_held_comes_back_first(queue: Queue, elsewhere: Elsewhere, said: list[dict[str, Any]]) -> None:
    begun(queue, 4, 0)
    request = ask("hold", jobs=[[0, 2]])
    assert elsewhere.must_wait(request)
    assert said == [{"do": "withdraw", "tags": ["1.1", "2.1"]}]
    (back,) = elsewhere.withdrawn({"tags": ["1.1", "2.1"]}, NOW)
    assert back is request
    assert not elsewhere.must_wait(back)
    assert queue.ask("hold", jobs=[[0, 2]])["changed"] == [(1, 2)]
    assert states(queue) == [(0, RUNNING, 1), (1, HELD, 0), (2, HELD, 0), (3, QUEUED, 0)]
    assert elsewhere.is_quiet(NOW.steady) and not elsewhere.is_quiet(NOW.steady + QUIET)


def test_a_queue_that_is_paused_has_nothing_begin_there(
    queue: Queue, elsewhere: Elsewhere, said: list[dict[str, Any]]
) -> None:
    begun(queue, 3, 0)
    assert not elsewhere.must_wait(ask("pause", jobs=[[1, 1]])), "it does not run"
    assert not elsewhere.must_wait(ask("pause", submitter="alice")), "it is about her jobs"
    assert elsewhere.must_wait(ask("pause"))
    assert said == [{"do": "withdraw", "tags": ["1.1", "2.1"]}]
    queue.submit("true")
    assert queue.ledger.gates.reasons, "what comes meanwhile is not handed on"
    (back,) = elsewhere.withdrawn({"tags": ["1.1", "2.1"]}, NOW)
    assert not elsewhere.must_wait(back)
    assert queue.ask("pause") == {"changed": [(0, 0)], "next": None, "paused": True}
    assert states(queue) == [(0, RUNNING, 1), (1, QUEUED, 0), (2, QUEUED, 0), (3, QUEUED, 0)]
    queue.ask("resume")
    assert not queue.ledger.gates.reasons


def test_who_begins_meanwhile_runs_on(queue: Queue, elsewhere: Elsewhere) -> None:
    begun(queue, 1)
    assert elsewhere.must_wait(ask("hold"))
    queue.ledger.on_started("0.1", 7, 1.0)
    queue.ledger.write_starts()
    (back,) = elsewhere.withdrawn({"tags": []}, NOW)
    assert not elsewhere.must_wait(back)
    assert queue.ask("hold")["changed"] == []
    assert queue.job(0).state == RUNNING


def test_no_more_come_back_than_can_move(queue: Queue, elsewhere: Elsewhere, said: list[dict[str, Any]]) -> None:
    begun(queue, 1_000)
    queue.submit("true")
    queue.start_all()
    assert elsewhere.must_wait(ask("move", key="k", to="there", jobs=[[0, 1_000]]))
    assert said[0]["tags"] == [f"{number}.1" for number in range(wire.MAX_CHUNK_JOBS)]
    assert not elsewhere.must_wait(ask("move", key="k", to="there"))  # it only asks
    assert not elsewhere.must_wait(ask("hold", jobs="nonsense"))
    assert not elsewhere.must_wait(ask("list"))


def test_whose_end_was_wanted_meanwhile_is_cancelled(queue: Queue, elsewhere: Elsewhere) -> None:
    begun(queue, 1)
    queue.ledger.want_end([(0, 0)], None)
    assert elsewhere.withdrawn({"tags": ["0.1"], "unasked": True}, NOW) == []
    assert queue.job(0).state == "cancelled"
    assert not elsewhere.is_quiet(NOW.steady)


def test_what_slurm_says_of_a_job_is_told(queue: Queue, elsewhere: Elsewhere) -> None:
    begun(queue, 2)
    assert queue.ask("why", job=0)["why"] == ["it was handed to Slurm, which has not told of it yet"]
    queue.handlers.condition.elsewhere = "no answer"
    assert queue.ask("why", job=1)["why"] == ["waits to be handed to Slurm, which takes nothing now: no answer"]
    elsewhere.seen([("0.1", {"id": "4_0", "partition": "p"}, "PENDING", "Priority", "")])
    assert queue.ask("why", job=0) == {
        "why": ["waits in Slurm as job 4_0 of Slurm's, partition p: others come before it (Priority)"],
        "state": QUEUED,
    }
    queue.ledger.is_at("0.1", {"node": "h1"})
    queue.ledger.on_started("0.1", 7, 1.0)
    queue.end("0.1")
    place = {"id": "4_0", "partition": "p", "node": "h1"}
    assert queue.ask("details", job=0)["job"]["slurm"] == place
    queue.ask("again", jobs=[[0, 0]])
    queue.ledger.work(NOW.wall)
    queue.start_all()
    assert queue.ask("details", job=0)["attempts"][0]["slurm"] == place
    assert "slurm" not in queue.ask("details", job=0)["job"]


def test_who_waits_is_told_of_to_the_keeper(queue: Queue, elsewhere: Elsewhere, said: list[dict[str, Any]]) -> None:
    begun(queue, 1)
    elsewhere.attend()
    queue.ask("wait", jobs=[[0, 0]])
    elsewhere.attend()
    elsewhere.attend()
    queue.waits.drop("session")
    elsewhere.attend()
    assert said == [{"do": "attend", "awaited": True}, {"do": "attend", "awaited": False}]


def test_a_pause_that_slurm_does_not_allow_is_none(queue: Queue) -> None:
    begun(queue, 1, 0)
    queue.ledger.pause([(0, 0)], True)
    assert queue.job(0).paused
    queue.ledger.not_paused("0.1", True)
    assert not queue.job(0).paused
    assert plan(queue.ledger.snapshot(False)) == ()


def test_it_ends_when_there_was_nothing_to_do_for_long(queue: Queue, elsewhere: Elsewhere) -> None:
    assert not elsewhere.is_idle(1.0, True)
    assert not elsewhere.is_idle(IDLE, True)
    assert elsewhere.next_time() == 1.0 + IDLE
    assert elsewhere.is_idle(1.0 + IDLE, True)
    assert not elsewhere.is_idle(2.0 + IDLE, False)  # somebody is there
    queue.submit("true")
    assert not elsewhere.is_idle(3.0 + IDLE, True)
    assert elsewhere.next_time() is None


def test_after_a_keepers_death_all_are_handed_on_at_once(queue: Queue) -> None:
    begun(queue, 3)
    for number in range(3):
        queue.ledger.on_unseen(f"{number}.1", NOW.wall)
    assert len(plan(queue.ledger.snapshot(False))) == 3


def test_an_ordinary_queue_knows_nothing_of_it(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    store = Store(str(tmp_path / "jobs.db"))
    ledger = Ledger(store)
    elsewhere = Elsewhere(ledger, Waits(), said.append)
    assert not elsewhere.must_wait(ask("hold"))
    assert not elsewhere.is_idle(10 * IDLE, True)
    elsewhere.attend()
    assert (said, elsewhere.next_time()) == ([], None)
