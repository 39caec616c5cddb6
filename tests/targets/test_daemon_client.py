from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import spec_json, wire
from sjs.answers import Accepted, Configured, Piece
from sjs.core.job import Spec
from sjs.errors import Conflict, LinkLost, NoManager, NotReached, Refused, Stopped, Unreachable
from sjs.protocols import Stream
from sjs.targets import daemon_client, reading
from sjs.targets.chunks import chunks
from sjs.targets.session import Parcel
from sjs.transport.local import LocalTransport
from tests.targets.fake import FakeMachine

REPORT = "say(id=hear()['id'], running=1, max=2, queued=3, head=[{'job': 'x', 'job_id': 7}], counts={'queued': 3})\n"
RECORD = (
    "{'id': 5, 'state': 'failed', 'reason': 'exit', 'exit': 3, 'attempt': 1, 'submitted': 1.0, 'started': 2.0,"
    " 'ended': 3.0, 'command': 'x'}"
)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_client, "PATIENCE", 1.0)
    monkeypatch.setattr(daemon_client, "FIRST_PATIENCE", 0.3)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "fake"


def test_a_report_holds_what_the_manager_said(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\n" + REPORT)
    status = machine.target.report(head=1)
    machine.target.close()
    assert (status.report.running, status.report.max_running, status.report.queued) == (1, 2, 3)
    assert (status.head[0].id, status.head[0].command, status.host, status.version) == (7, "x", "fake", "9")


def test_the_header_says_where_and_whether_to_start(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\n" + REPORT)
    machine.target.report()
    machine.target.close()
    assert (folder / "headers").read_bytes() == b"sjs 1\0/fake\0jobs.pipe\0\0-\n"


def test_all_requests_of_a_target_share_one_session(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\n" + REPORT * 2 + "say(id=hear()['id'], old=2, new=0)\nhear()")
    machine.target.report()
    machine.target.report()
    assert machine.target.configure(0) == Configured(2, 0)
    machine.target.close()
    assert machine.sessions == 1


def test_the_noise_of_a_login_shell_is_skipped(folder: Path) -> None:
    machine = FakeMachine(folder, "raw(b'Welcome!\\n\\xff\\xfe\\nno line end')\nhello()\n" + REPORT)
    assert machine.target.report().host == "fake"
    machine.target.close()


def test_a_flood_before_the_greeting_is_no_manager(folder: Path) -> None:
    machine = FakeMachine(folder, "for _ in range(100000): raw(b'noise\\n')")
    with pytest.raises(Unreachable, match="something else"):
        machine.target.report()


def test_another_version_of_the_wire_is_said(folder: Path) -> None:
    with pytest.raises(Unreachable, match="version 2 of the wire"):
        FakeMachine(folder, "raw(b'sjs 2\\n')").target.report()


def test_a_program_that_cannot_run_is_not_asked_again(folder: Path) -> None:
    machine = FakeMachine(folder, "sys.exit('no such module')")
    with pytest.raises(Unreachable, match="no such module"):
        machine.target.report()
    assert machine.sessions == 1


@pytest.mark.parametrize(("code", "kind"), [("stopped", Stopped), ("no_manager", NoManager), ("conflict", Conflict)])
def test_an_error_instead_of_a_greeting_is_raised_as_it_was_meant(folder: Path, code: str, kind: type) -> None:
    scene = f"raw(b'sjs 1\\n')\nsay(error={{'code': {code!r}, 'message': 'm', 'hint': 'h'}})"
    machine = FakeMachine(folder, scene)
    with pytest.raises(kind, match="m [(]h[)]"):
        machine.target.report()
    assert machine.sessions == 1


def test_a_chunk_that_is_sent_once_more_says_so(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nhear()", "hello()\ntake(7)\nhear()")
    machine.target.post("k", [Spec(command="true")], if_free=True)
    assert machine.target.collect().first == 7
    assert [(one.get("again"), one["if_free"]) for one in machine.requests] == [(None, True), (True, True)]
    assert "asking again for" in machine.notices[0]
    assert machine.notices[1:] == ["asked again by key: 1 job(s) are taken now; nothing runs twice"]
    machine.target.close()


def test_a_chunk_that_had_arrived_is_told_as_that(folder: Path) -> None:
    again = "say(id=hear()['id'], first=7, count=2, repeated=True, max=1)\nhear()"
    machine = FakeMachine(folder, "hello()\nhear()", f"hello()\n{again}")
    machine.target.post("k", [Spec(command="true")] * 2)
    assert machine.target.collect().repeated
    assert machine.notices[1:] == ["asked again by key: 2 job(s) had been taken before; nothing runs twice"]
    machine.target.close()


def test_a_lookup_is_read_page_by_page(folder: Path) -> None:
    pages = [{"parts": [["0-1", 0, 1]], "next": "0-1"}, {"parts": [["1-2", 1, 1]], "next": None}]
    machine = FakeMachine(folder, "hello()\n" + "".join(f"say(id=hear()['id'], **{page!r})\n" for page in pages))
    assert machine.target.lookup("k") == ["0-1", "1-2"]
    assert [(one["key"], one.get("after")) for one in machine.requests] == [("k", None), ("k", "0-1")]
    machine.target.close()


def test_a_broken_link_is_mended_and_said_once(folder: Path) -> None:
    lost = "hello()\nhear()"
    machine = FakeMachine(folder, lost, lost, "hello()\n" + REPORT)
    assert machine.target.report().report.running == 1
    machine.target.close()
    assert machine.sessions == 3
    assert len(machine.notices) == 1


def test_patience_has_an_end(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nhear()")
    with pytest.raises(LinkLost):
        machine.target.report()
    assert machine.sessions > 2


def test_a_manager_stopped_during_an_outage_is_not_waited_for(folder: Path) -> None:
    stopped = "raw(b'sjs 1\\n')\nsay(error={'code': 'stopped', 'message': 'was stopped'})"
    machine = FakeMachine(folder, "hello()\nhear()", stopped)
    with pytest.raises(Stopped):
        machine.target.report()
    assert machine.sessions == 2


@pytest.mark.parametrize(
    "garbage", ["{nonsense}", "[1]", '{"id":"x"}', '{"id":1,"bytes":-1}', '{"id":1,"bytes":99999999}']
)
def test_garbage_is_a_broken_link(folder: Path, garbage: str) -> None:
    machine = FakeMachine(folder, f"hello()\nhear()\nraw({garbage.encode()!r} + b'\\n')", "hello()\n" + REPORT)
    assert machine.target.report().report.queued == 3
    machine.target.close()


def test_what_is_to_be_run_for_jobs_is_said_before_they_come(folder: Path) -> None:
    """Once, unless it is known there already."""
    greet = "raw(b'sjs 1\\n')\nsay(hello={'version': '9', 'hooks': {'on_start': 'x', 'on_finish': ''}})\n"
    machine = FakeMachine(
        folder, greet + "say(id=hear()['id'], old=1, new=1)\ntake(0)\ntake(1)", hooks={"on_finish": "y"}
    )
    for number in range(2):
        machine.target.post(f"k/{number}", [Spec(command="x")])
        machine.target.collect()
    machine.target.close()
    assert [one["op"] for one in machine.requests] == ["configure", "submit", "submit"]
    assert machine.requests[0] == {"op": "configure", "id": 1, "on_finish": "y"}


@pytest.mark.parametrize("hooks", ["{'on_finish': 'y'}", "None"])
def test_what_is_run_already_or_not_known_at_all_is_not_said(folder: Path, hooks: str) -> None:
    greet = f"raw(b'sjs 1\\n')\nsay(hello={{'version': '9', 'hooks': {hooks}}})\n"
    machine = FakeMachine(folder, greet + "take(0)", hooks={"on_finish": "y"})
    machine.target.post("k", [Spec(command="x")])
    machine.target.collect()
    machine.target.close()
    assert [one["op"] for one in machine.requests] == ["submit"]


def test_a_reply_without_its_fields_is_said_in_one_line(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nsay(id=hear()['id'], running='many')")
    with pytest.raises(Unreachable, match="makes no sense"):
        machine.target.report()
    machine.target.close()


def test_chunks_without_an_answer_are_sent_again_under_their_keys(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\ntake(0)\nhear()\nhear()", "hello()\ntake(1)\ntake(3)")
    for number, size in enumerate((1, 2, 3)):
        machine.target.post(f"k/{number}", [Spec(command="x")] * size)
    assert [machine.target.collect() for _ in range(3)] == [Accepted(0, 1, 1), Accepted(1, 2, 1), Accepted(3, 3, 1)]
    machine.target.close()
    assert [one["key"] for one in machine.requests] == ["k/0", "k/1", "k/2", "k/1", "k/2"]


def test_a_refused_chunk_does_not_stand_in_the_way_of_the_next(folder: Path) -> None:
    refuse = "say(id=hear()['id'], error={'code': 'conflict', 'message': 'other content'})\n"
    machine = FakeMachine(folder, "hello()\n" + refuse + "take(5)")
    machine.target.post("k/0", [Spec(command="x")])
    machine.target.post("k/1", [Spec(command="y")])
    with pytest.raises(Conflict):
        machine.target.collect()
    assert machine.target.collect().first == 5
    machine.target.close()


def test_a_list_is_asked_page_by_page(folder: Path) -> None:
    pages = f"say(id=hear()['id'], jobs=[{RECORD}], next=5)\nsay(id=hear()['id'], jobs=[], next=None)"
    machine = FakeMachine(folder, "hello()\n" + pages)
    (job,) = machine.target.list([(0, 9)], ["failed"])
    machine.target.close()
    assert (job.id, job.end and job.end.exit) == (5, 3)
    assert [one.get("after") for one in machine.requests] == [None, 5]


def test_a_cancel_is_asked_page_by_page(folder: Path) -> None:
    replies = (
        "say(id=hear()['id'], cancelled=[[0, 3]], stopping=[[9, 9]], ended=[], next=3)\n"
        "say(id=hear()['id'], cancelled=[[4, 4]], stopping=[], ended=[[5, 6]], next=None)"
    )
    machine = FakeMachine(folder, "hello()\n" + replies)
    found = machine.target.cancel(None, 2.5)
    machine.target.close()
    assert (found.cancelled, found.stopping, found.ended) == ([(0, 3), (4, 4)], [(9, 9)], [(5, 6)])
    assert [one["grace"] for one in machine.requests] == [2.5, 2.5]


def test_waiting_survives_a_manager_that_is_restarted(folder: Path) -> None:
    done = f"say(id=hear()['id'], done=True, counts={{'failed': 1}}, job={RECORD})"
    machine = FakeMachine(folder, "hello()\nhear()", "hello()\n" + done)
    waited = machine.target.wait([(5, 5)])
    machine.target.close()
    assert waited.done and waited.job is not None and waited.job.id == 5


def test_waiting_ends_in_time(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nsay(id=hear()['id'], done=False, counts={'running': 1})\nhear()")
    assert not machine.target.wait([(5, 5)], timeout=0.0).done
    machine.target.close()


def test_both_streams_are_read_in_one_session_in_the_order_of_arrival(folder: Path) -> None:
    scene = """hello()
out, err = hear()["id"], hear()["id"]
say(id=err, bytes=2); raw(b"e\\n")
say(id=out, bytes=3); raw(b"o\\n\\xff")
say(id=out, end=None, offset=3)
say(id=err, end=None, offset=2)
"""
    machine = FakeMachine(folder, scene)
    assert list(machine.target.read(5, ("out", "err"), follow=True)) == [Piece("err", b"e\n"), Piece("out", b"o\n\xff")]
    machine.target.close()


def test_reading_goes_on_at_the_byte_where_the_link_broke(folder: Path) -> None:
    first = "hello()\nn = hear()['id']\nsay(id=n, bytes=4)\nraw(b'abcd')\nsay(id=n, bytes=9)\nraw(b'ef')"
    second = "hello()\nn = hear()['id']\nsay(id=n, bytes=2)\nraw(b'ef')\nsay(id=n, end=None, offset=6)"
    machine = FakeMachine(folder, first, second)
    assert b"".join(piece.data for piece in machine.target.read(5, ("out",), follow=True)) == b"abcdef"
    machine.target.close()
    assert [one["offset"] for one in machine.requests] == [0, 4]


def test_last_lines_go_on_where_their_place_is_known(folder: Path) -> None:
    first = "hello()\nn = hear()['id']\nsay(id=n, bytes=4, offset=100)\nraw(b'abcd')"
    second = "hello()\nn = hear()['id']\nsay(id=n, end=None, offset=104)"
    machine = FakeMachine(folder, first, second)
    assert [piece.data for piece in machine.target.read(5, ("out",), follow=True, lines=1)] == [b"abcd"]
    machine.target.close()
    assert (machine.requests[0]["lines"], machine.requests[1]["offset"]) == (1, 104)


def test_a_place_is_one_in_the_output_of_one_attempt(folder: Path) -> None:
    """And a stream that has been silent so far begins anew as it began."""
    first = "hello()\nn = hear()['id']\nhear()\nsay(id=n, bytes=4, offset=100, attempt=2)\nraw(b'abcd')"
    second = "hello()\n" + "say(id=hear()['id'], end=None, offset=104)\n" * 2
    machine = FakeMachine(folder, first, second)
    found = list(machine.target.read(5, ("out", "err"), follow=True, lines=1, since=9.5))
    machine.target.close()
    assert [(one.data, one.start) for one in found] == [(b"abcd", 100)]
    asked = [{name: one.get(name) for name in ("lines", "since", "offset", "attempt")} for one in machine.requests]
    begin = {"lines": 1, "since": 9.5, "offset": None, "attempt": None}
    assert asked == [begin, begin, {"lines": None, "since": None, "offset": 104, "attempt": 2}, begin]


def test_last_lines_are_never_shown_twice(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nn = hear()['id']\nsay(id=n, bytes=4)\nraw(b'abcd')", "hello()\nhear()")
    pieces = machine.target.read(5, ("out",), follow=True, lines=1)
    assert next(pieces).data == b"abcd"
    with pytest.raises(Unreachable, match="how much"):
        next(pieces)
    machine.target.close()


def test_a_manager_that_knows_only_last_attempts_is_not_asked_for_others(folder: Path) -> None:
    machine = FakeMachine(folder, "hello()\nhear()")
    with pytest.raises(Refused, match="the last attempt alone"):
        list(machine.target.read(5, ("out",), attempt=1))
    machine.target.close()
    assert [one["op"] for one in machine.requests] == []


def test_a_silent_manager_is_asked_for_a_sign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SLICE", 0.05)
    scene = "hello()\nn = hear()['id']\n" + REPORT + "say(id=n, end=None, offset=0)"
    machine = FakeMachine(folder, scene)
    assert list(machine.target.read(5, ("out",), follow=True)) == []
    machine.target.close()
    assert [one["op"] for one in machine.requests][:2] == ["read", "report"]


@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3_000), max_size=60)
)
def test_chunks_keep_order_and_fit_into_a_request(texts: list[str]) -> None:
    specs = [Spec(command=text * 40, cwd="/x") for text in texts]
    pieces = list(chunks(specs))
    assert [spec for piece in pieces for spec in piece] == specs
    for piece in pieces:
        line = wire.encode({"jobs": [spec_json.to_wire(spec) for spec in piece]})
        assert 0 < len(piece) <= wire.MAX_CHUNK_JOBS
        assert len(line) <= wire.MAX_CHUNK_BYTES or len(piece) == 1


def test_a_chunk_has_at_most_a_thousand_jobs() -> None:
    assert [len(piece) for piece in chunks([Spec(command="x")] * 2_500)] == [1_000, 1_000, 500]


def test_a_machine_that_lost_its_shell_is_quoted(folder: Path) -> None:
    machine = FakeMachine(folder, "raw(b'This account is currently not available.\\n')\nsys.exit(1)")
    with pytest.raises(Unreachable, match="exit status 1; it said: This account is currently not available"):
        machine.target.report()


@pytest.mark.parametrize(("word", "said"), [("missing", "has no python3"), ("3.6.9", "python3 is version 3.6.9")])
def test_a_machine_without_a_fitting_python_is_refused(folder: Path, word: str, said: str) -> None:
    with pytest.raises(Unreachable, match=f"{said}.*3.8 or newer"):
        FakeMachine(folder, f"raw(b'sjs python {word}\\n')").target.report()


def parcel(machine: FakeMachine) -> Parcel:
    return Parcel(machine.argv, lambda: b"everything\n")


def test_what_is_missing_is_put_there_and_asked_again(folder: Path) -> None:
    scenes = "raw(b'sjs missing\\n')", "raw(b'noise sjs unpacked\\n')", "hello()\n" + REPORT
    machine = FakeMachine(folder, *scenes, parcel=parcel)
    assert machine.target.report().host == "fake"
    machine.target.close()
    assert (folder / "headers").read_bytes().splitlines()[1] == b"everything"
    assert machine.notices == []


def test_what_is_missing_stays_so_where_nothing_may_be_put(folder: Path) -> None:
    with pytest.raises(Unreachable, match="not in this version.*deploy: never"):
        FakeMachine(folder, "raw(b'sjs missing\\n')").target.report()


def test_a_delivery_that_fails_is_told(folder: Path) -> None:
    machine = FakeMachine(folder, "raw(b'sjs missing\\n')", "raw(b'sjs failed disk full\\n')", parcel=parcel)
    with pytest.raises(Unreachable, match="cannot be put there: disk full"):
        machine.target.report()
    assert machine.sessions == 2


class Absent:
    """A way that ends nowhere after so many times."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.way = LocalTransport()

    def open(self, argv: Sequence[str]) -> Stream:
        self.good -= 1
        if self.good < 0:
            raise NotReached("no route")
        return self.way.open(argv)

    def close(self) -> None:
        self.way.close()


@pytest.mark.parametrize(("good", "notices"), [(0, 0), (1, 1)])
def test_who_was_never_reached_is_not_waited_for_but_who_was_is(folder: Path, good: int, notices: int) -> None:
    machine = FakeMachine(folder, "hello()\nhear()", transport=Absent(good))
    with pytest.raises(NotReached, match="no route"):
        machine.target.report()
    assert len(machine.notices) == notices
