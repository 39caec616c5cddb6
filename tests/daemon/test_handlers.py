"""Every request, and every way in which one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sjs import wire
from sjs.core.job import GRACE, Range
from sjs.daemon.manager.explaining import PAGE_TEXT
from sjs.daemon.manager.handlers import PARKED, Handlers
from sjs.daemon.queue.pending import PIECE
from sjs.errors import BadRequest, Conflict, Full, NoManager, Refused, SjsError, Stopping, UnknownJob, UnknownRequest
from tests.daemon import queues
from tests.daemon.queues import NOW, Queue

JOB = {"command": "true"}
REFUSED: list[tuple[dict[str, Any], type[SjsError]]] = [
    ({}, UnknownRequest),
    ({"op": "dance"}, UnknownRequest),
    ({"op": ["submit"]}, UnknownRequest),
    ({"op": "submit"}, BadRequest),
    ({"op": "submit", "jobs": []}, BadRequest),
    ({"op": "submit", "jobs": [JOB] * 1001}, BadRequest),
    ({"op": "submit", "jobs": [{}]}, BadRequest),
    ({"op": "submit", "jobs": [{"command": "a\0b"}]}, BadRequest),
    ({"op": "submit", "jobs": [JOB], "key": 7}, BadRequest),
    ({"op": "submit", "jobs": [JOB], "key": ""}, BadRequest),
    ({"op": "submit", "jobs": [JOB], "key": "\ud800"}, BadRequest),
    ({"op": "lookup"}, BadRequest),
    ({"op": "lookup", "key": ""}, BadRequest),
    ({"op": "lookup", "key": "\ud800"}, BadRequest),
    ({"op": "lookup", "key": "k", "after": 5}, BadRequest),
    ({"op": "report", "head": 101}, BadRequest),
    ({"op": "configure", "max_jobs": None}, BadRequest),
    ({"op": "configure", "max_jobs": -1}, BadRequest),
    ({"op": "configure", "max_jobs": True}, BadRequest),
    ({"op": "list", "limit": 0}, BadRequest),
    ({"op": "list", "limit": 1001}, BadRequest),
    ({"op": "list", "states": "queued"}, BadRequest),
    ({"op": "list", "states": ["asleep"]}, BadRequest),
    ({"op": "list", "states": [["queued"]]}, BadRequest),
    ({"op": "list", "jobs": [[1, 0]]}, BadRequest),
    ({"op": "cancel", "jobs": [[0, 0]]}, UnknownJob),
    ({"op": "cancel", "jobs": None, "grace": -1}, BadRequest),
    ({"op": "cancel", "jobs": None, "grace": float("nan")}, BadRequest),
    ({"op": "cancel", "jobs": None, "grace": "soon"}, BadRequest),
    ({"op": "wait", "jobs": [[0, 5]]}, UnknownJob),
    ({"op": "wait", "jobs": None, "timeout": -1}, BadRequest),
    ({"op": "wait", "jobs": None, "timeout": float("nan")}, BadRequest),
    ({"op": "output"}, BadRequest),
    ({"op": "output", "job": 0}, UnknownJob),
]


@pytest.mark.parametrize(("request_", "error"), REFUSED, ids=lambda one: str(one)[:50])
def test_what_is_refused_changes_nothing(queue: Queue, request_: dict[str, Any], error: type[SjsError]) -> None:
    queue.ledger.commit()
    with pytest.raises(error):
        queue.handlers.handle(request_, "session", NOW)
    assert not queue.store.is_changed


def test_hello(queue: Queue) -> None:
    assert {"version", "wire", "host", "pid", "root", "pipe"} <= set(queue.handlers.hello()["hello"])


def test_submit(queue: Queue) -> None:
    assert queue.ask("submit", jobs=[JOB, JOB]) == {"first": 0, "count": 2, "repeated": False, "max": 2}
    assert queue.ask("submit", jobs=[JOB], key="k")["first"] == 2
    assert queue.ask("submit", jobs=[JOB], key="k") == {"first": 2, "count": 1, "repeated": True, "max": 2}
    with pytest.raises(Conflict):
        queue.ask("submit", jobs=[{"command": "false"}], key="k")


def test_nothing_is_accepted_by_a_manager_that_stops(queue: Queue) -> None:
    queue.ask("stop")
    with pytest.raises(Stopping):
        queue.submit("true")


@pytest.mark.parametrize("close", [{"op": "stop"}, {"op": "configure", "max_jobs": 0}])
def test_what_was_taken_is_never_refused_later(queue: Queue, close: dict[str, Any]) -> None:
    queue.ask("submit", jobs=[JOB], key="k")
    queue.ask(**close)
    assert queue.ask("submit", jobs=[JOB], key="k", if_free=True)["repeated"] is True
    with pytest.raises((Stopping, Full)):
        queue.ask("submit", jobs=[JOB], key="other", if_free=True)


def test_jobs_for_free_slots_are_taken_or_refused_together(queue: Queue) -> None:
    with pytest.raises(Full, match="2 free slots for 3 jobs"):
        queue.ask("submit", jobs=[JOB] * 3, if_free=True)
    assert queue.ask("submit", jobs=[JOB] * 2, if_free=True)["first"] == 0
    with pytest.raises(Full, match="no free slot"):
        queue.ask("submit", jobs=[JOB], if_free=True)
    queue.start_all()
    queue.end("0.1")
    assert queue.ask("submit", jobs=[JOB], if_free=True)["first"] == 2


def test_what_is_free_is_what_jobs_need(queue: Queue) -> None:
    queue.ask("configure", resources={"licence": 1})
    wide = {**JOB, "slots": 2}
    with pytest.raises(Full, match="1 free slots for 2 jobs"):
        queue.ask("submit", jobs=[JOB, wide], if_free=True)
    with pytest.raises(Full, match="not enough licence free for 2 job"):
        queue.ask("submit", jobs=[{**JOB, "resources": {"licence": 1}}] * 2, if_free=True)
    queue.ask("submit", jobs=[wide], if_free=True)
    queue.start_all()
    with pytest.raises(Full, match="no free slot"):
        queue.ask("submit", jobs=[JOB], if_free=True)


def test_lookup_finds_what_was_taken_under_a_key(queue: Queue) -> None:
    for key in ("k/0-1", "k/1-2", "kk/0-1", "k", "k/" + "x" * 65, "j/9-9", None):
        queue.ask("submit", jobs=[JOB], key=key)
    assert queue.ask("lookup", key="k") == {"parts": [("0-1", 0, 1), ("1-2", 1, 1)], "next": None}
    assert queue.ask("lookup", key="k", after="0-1")["parts"] == [("1-2", 1, 1)]
    assert queue.ask("lookup", key="nobody's")["parts"] == []


def test_lookup_comes_in_pages(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.daemon.manager.handlers.MAX_KEYS", 2)
    for number in range(3):
        queue.ask("submit", jobs=[JOB], key=f"k/{number}")
    assert queue.ask("lookup", key="k")["next"] == "1"
    assert queue.ask("lookup", key="k", after="1") == {"parts": [("2", 2, 1)], "next": None}


def test_report(queue: Queue) -> None:
    queue.submit("a", "b", "c", "d")
    queue.start_all()
    report = queue.ask("report", head=1)
    assert (report["running"], report["max"], report["queued"]) == (2, 2, 2)
    assert report["head"] == [{"job": "c", "job_id": 2}]
    assert report["live"] == [{"job": "a", "job_id": 0}]
    assert report["counts"] == {**dict.fromkeys(report["counts"], 0), "starting": 2, "queued": 2}


def test_an_argv_is_named_as_a_shell_would_read_it(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"argv": ["echo", "a b"]}])
    assert queue.ask("report", head=1)["head"] == [{"job": "echo 'a b'", "job_id": 0}]


def test_configure(queue: Queue) -> None:
    reply = queue.ask("configure", max_jobs=0)
    assert (reply["old"], reply["new"]) == (2, 0)
    queue.submit("a")
    assert queue.start_all() == []


def listed(queue: Queue, **fields: Any) -> list[int]:
    return [job["id"] for job in queue.ask("list", **fields)["jobs"]]


def test_list(queue: Queue) -> None:
    queue.submit(*"abcdef")
    queue.start_all()
    queue.end("0.1")
    assert listed(queue) == [0, 1, 2, 3, 4, 5]
    assert listed(queue, jobs=[[1, 1], [3, 4]]) == [1, 3, 4]
    assert listed(queue, jobs=[[4, 99]], after=4) == [5]
    assert listed(queue, states=["succeeded", "queued"]) == [0, 2, 3, 4, 5]
    assert listed(queue, states=["lost"] * 100_000) == []
    assert listed(queue, newest=True, limit=2) == [4, 5]
    assert listed(queue, newest=True, limit=2, jobs=[[0, 2], [4, 4]]) == [2, 4]
    assert listed(queue, newest=True, limit=2, states=["succeeded", "queued"]) == [4, 5]


@pytest.mark.parametrize("jobs", [None, [[3, 5], [0, 2]], [[0, 4], [2, 5]]])
def test_pages_make_up_the_whole(queue: Queue, jobs: list[Range] | None) -> None:
    queue.submit(*"abcdef")
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = queue.ask("list", jobs=jobs, limit=2, after=after)
        seen += [job["id"] for job in page["jobs"]]
        after = page["next"]
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_reply_never_outgrows_a_line(queue: Queue) -> None:
    queue.submit(*["é" * 60_000] * 20)
    page = queue.ask("list")
    assert len(wire.encode(page)) < wire.MAX_LINE
    assert page["next"] == page["jobs"][-1]["id"] == PAGE_TEXT // 60_000
    assert len(wire.encode(queue.ask("report", head=20))) < wire.MAX_LINE


def test_cancel(queue: Queue) -> None:
    queue.submit(*"abcd")
    queue.start_all()
    queue.end("0.1")
    reply = queue.ask("cancel", jobs=[[0, 2]], grace=3)
    assert reply == {"cancelled": [(2, 2)], "stopping": [(1, 1)], "ended": [(0, 0)], "moving": [], "next": None}
    assert queue.job(2).state == "cancelled"
    assert queue.ledger.live[1].grace == 3


def test_ranges_that_overlap_count_once(queue: Queue) -> None:
    queue.submit(*"abcd")
    assert queue.ask("cancel", jobs=[[2, 3], [2, 2], [3, 3]])["cancelled"] == [(2, 3)]
    assert queue.ledger.counts["queued"] == 2
    assert queue.ask("wait", jobs=[[2, 3], [2, 3]])["counts"] == {"cancelled": 2}


def test_a_large_cancel_comes_in_pieces(queue: Queue) -> None:
    queue.ledger.submit(None, queues.specs(*["true"] * (PIECE + 1)), NOW.wall)
    first = queue.ask("cancel", jobs=None)
    assert (first["cancelled"], first["next"]) == ([(0, PIECE - 1)], PIECE - 1)
    assert queue.ask("cancel", jobs=None)["cancelled"] == [(PIECE, PIECE)]


def test_seed_clients_cancel_queued_jobs_only(queue: Queue) -> None:
    queue.submit(*"abc")
    queue.start_all()
    assert queue.ask("cancel", jobs=None, queued_only=True) == {"jobs": [{"job": "c", "job_id": 2}]}
    assert queue.ledger.live[0].grace is None


def test_what_has_ended_is_answered_at_once(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    queue.end("0.1", exit=3)
    reply = queue.ask("wait", jobs=[[0, 0]])
    assert (reply["done"], reply["counts"], reply["job"]["exit"]) == (True, {"failed": 1}, 3)
    assert queue.ask("wait", jobs=None) == {"done": True, "counts": {"failed": 1}, "job": reply["job"]}


def test_a_wait_for_all_is_for_those_that_there_are(queue: Queue) -> None:
    queue.submit("a")
    assert queue.ask("wait", jobs=None) is PARKED
    queue.submit("b")
    queue.waits.happened("end", queue.ask("cancel", jobs=[[0, 0]])["cancelled"][0][:1])
    (waiting,) = queue.waits.due(NOW.steady)
    assert queue.handlers.answer(waiting.request, waiting.done)["counts"] == {"cancelled": 1}


def test_a_wait_ends_with_its_time(queue: Queue) -> None:
    queue.submit("a")
    assert queue.ask("wait", jobs=[[0, 0]], timeout=5) is PARKED
    assert queue.waits.next_time() == NOW.steady + 5
    (waiting,) = queue.waits.due(NOW.steady + 5)
    assert queue.handlers.answer(waiting.request, waiting.done)["done"] is False


def test_output_is_where_the_attempt_wrote(queue: Queue) -> None:
    queue.submit("a")
    reply = queue.ask("output", job=0)
    assert reply["out"].endswith("/jobs/0/0.out")
    assert (reply["final"], reply["record"]["state"]) == (False, "queued")


def test_output_of_an_attempt_before_is_where_that_wrote(queue: Queue) -> None:
    queue.submit("a")
    for _ in range(2):
        (tag,) = queue.start_all()
        queue.end(tag, exit=3)
        queue.ask("again", jobs=[[0, 0]])
    found = [queue.ask("output", job=0, of=attempt) for attempt in (1, 2)]
    assert [one["err"].rpartition("/")[2] for one in found] == ["0.err", "0.2.err"]
    assert [(one["final"], one["record"]["attempt"]) for one in found] == [(True, 1), (False, 2)]
    with pytest.raises(Refused, match=r"job 0 has had 2 attempt\(s\)"):
        queue.ask("output", job=0, of=3)
    with pytest.raises(BadRequest, match="'of' must be"):
        queue.ask("output", job=0, of="1")


def test_who_follows_a_queued_job_waits_for_its_start(queue: Queue) -> None:
    queue.submit("a")
    assert queue.ask("output", job=0, follow=True) is PARKED
    queue.waits.happened("start", [0])
    (waiting,) = queue.waits.due(NOW.steady)
    assert queue.handlers.answer(waiting.request, waiting.done)["record"]["id"] == 0


@pytest.mark.parametrize(("fields", "stops"), [({}, True), ({"if_idle": True}, False), ({"kill": True}, True)])
def test_stop(queue: Queue, fields: dict[str, Any], stops: bool) -> None:
    queue.submit(*"abc")
    queue.start_all()
    assert queue.ask("stop", **fields) == {"running": 2, "queued": 1}
    assert queue.handlers.condition.stopping is stops
    assert queue.ledger.live[0].grace == (GRACE if "kill" in fields else None)


def test_who_drained_it_to_stop_it_leaves_no_drained_queue(queue: Queue) -> None:
    queue.ask("drain")
    queue.ask("stop", undrain=True)
    assert (queue.handlers.condition.stopping, queue.ledger.gates.reasons) == (True, [])


def test_jobs_that_wait_for_a_time_keep_it_from_being_idle(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "x", "at": NOW.wall + 9}, {"command": "y", "hold": True}])
    assert queue.ask("stop", if_idle=True) == {"running": 0, "queued": 2}
    assert not queue.handlers.condition.stopping


def test_an_idle_manager_stops_when_asked_to_if_idle(queue: Queue) -> None:
    assert queue.ask("stop", if_idle=True) == {"running": 0, "queued": 0}
    assert queue.handlers.condition.stopping


def test_where_no_manager_is_nothing_can_be_waited_for(queue: Queue) -> None:
    queue.submit("a")
    reading = Handlers(queue.handlers._where, queue.ledger, queue.store, None)
    with pytest.raises(NoManager):
        reading.handle({"op": "wait"}, None, NOW)


def test_who_waits_for_an_attempt_hears_when_the_job_waits_again(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "a", "on_lost": "requeue"}])
    queue.start_all()
    assert queue.ask("wait", jobs=[[0, 0]], attempt=2)["done"] is False  # that is not the one that there is
    assert queue.ask("wait", jobs=[[0, 0]], attempt=1) is PARKED
    assert queue.ask("wait", jobs=[[0, 0]]) is PARKED
    queue.end("0.1", reason="host-lost", exit=None)
    queue.waits.happened("end", queue.ledger.ended)
    queue.waits.happened("attempt", queue.ledger.ended + queue.ledger.requeued)
    (due,) = queue.waits.due(NOW.steady)
    assert due.request["attempt"] == 1
    assert queue.ask("wait", jobs=[[0, 0]], attempt=1)["job"]["state"] == "queued"
