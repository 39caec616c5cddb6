"""What happens, over HTTP: as it does, and a page at a time."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from sjs.gateway import tokens
from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import make
from sjs.gateway.records import tables
from sjs.gateway.records.events import Event, tell
from sjs.gateway.settings import Settings
from sjs.gateway.web.app import guarded, native
from sjs.gateway.web.streams import framed
from sjs.values import replace
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.gateway.web.streams import STREAM, Told, blocks, streaming
from tests.live.machine import DEADLINE, until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, heartbeat=0.2)


def happen(desk: Desk, count: int = 1, kind: str = "job.ended", owner: str = "ann", job: int = 1) -> None:
    desk.write(lambda connection: tell(connection, kind, 1.5, [(job, owner, {"state": "failed"})] * count))


def ids(found: Iterator[Any], count: int) -> list[int]:
    return [one.id for one in islice((one for one in found if one.event), count)]


def test_a_client_hears_of_its_job_and_need_not_ask(api: httpx.Client) -> None:
    with streaming(api) as found:
        number = api.post("/jobs", json={"command": "exit 3", "options": {"name": "nämlich"}}).json()["id"]
        told: list[Told] = []
        while not told or told[-1].event != "job.ended":
            told += [one for one in (next(found),) if one.event]
    # one that is over at once may be seen to end before it is seen to run
    assert [one.event for one in told] in (["job.accepted", "job.running", "job.ended"], ["job.accepted", "job.ended"])
    assert {one.data["data"]["id"] for one in told} == {number}
    assert [one.data["id"] for one in told] == [one.id for one in told]
    assert told[0].data["data"]["name"] == "nämlich"
    assert told[-1].data["data"] == {
        "id": number,
        "owner": "ann",
        "state": "failed",
        "reason": "exit",
        "exit": 3,
        "signal": None,
    }


def test_it_goes_on_where_it_was(desk: Desk, api: httpx.Client) -> None:
    happen(desk, 10)
    with streaming(api, "/events?after=4") as found:
        assert ids(found, 6) == [5, 6, 7, 8, 9, 10]
    with streaming(api, "/events?after=4", {"last-event-id": "8"}) as found:  # as a browser comes again
        assert ids(found, 2) == [9, 10]


def test_it_tells_of_what_was_asked_for(desk: Desk, api: httpx.Client) -> None:
    happen(desk, 1, "job.accepted")
    happen(desk, 1, "job.ended", job=2)
    happen(desk, 1, "job.running")
    happen(desk, 1, "job.ended", "bob")
    happen(desk)
    for asked, expected in {
        "kind=job.ended": [2, 4, 5],
        "kind=job.ended&kind=job.accepted": [1, 2, 4, 5],
        "job=1&kind=job.ended": [4, 5],
        "owner=bob": [4],
    }.items():
        with streaming(api, f"/events?after=0&{asked}") as found:
            assert ids(found, len(expected)) == expected
        page = api.get(f"/events?after=0&{asked}").json()
        assert [one["id"] for one in page["events"]] == expected and page["next"] == 5


def test_nobody_hears_of_others_jobs_but_who_administers(desk: Desk, api: httpx.Client) -> None:
    happen(desk)
    happen(desk, owner="bob")
    bob = bearer(desk, "bob", ["read"])
    with streaming(api, "/events?after=0", bob) as found:
        assert ids(found, 1) == [2]
    assert [one["id"] for one in api.get("/events", headers=bob).json()["events"]] == [2]
    for accept in (STREAM, {}):
        assert api.get("/events?owner=ann", headers={**bob, **accept}).status_code == 403
        assert api.get("/events", headers={**bearer(desk, "bob", ["submit"]), **accept}).status_code == 403


def test_pages_have_all_of_it(desk: Desk, api: httpx.Client) -> None:
    happen(desk, 25)
    after, found = 0, []
    while events := (page := api.get(f"/events?after={after}&limit=10").json())["events"]:
        found += [one["id"] for one in events]
        after = page["next"]
    assert found == list(range(1, 26)) and after == 25 and not page["reset"]
    assert api.get("/events?after=99").json() == {"events": [], "next": 25, "reset": True}


def test_whoever_was_away_too_long_is_told_so_first(desk: Desk, api: httpx.Client) -> None:
    happen(desk, 10)
    desk.write(lambda connection: connection.execute(delete(tables.events).where(tables.events.c.seq <= 6)))
    with streaming(api, headers={"last-event-id": "3"}) as found:
        told = [next(found) for _ in range(5)]
    assert [(one.id, one.event) for one in told] == [(6, "reset"), *((seq, "job.ended") for seq in range(7, 11))]
    assert api.get("/events?after=3").json()["reset"]


@pytest.mark.parametrize("place", ["-1", "x", "1.5", "99999999999999999999", ""])
def test_a_place_that_is_none_is_refused(api: httpx.Client, place: str) -> None:
    for where, headers in ((f"/events?after={place}", {}), ("/events", {"last-event-id": place})):
        answer = api.get(where, headers={**headers, **STREAM})
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("asked", ["kind=%00", "kind=nothing", "owner=%00", "owner=%0a"])
def test_what_no_event_has_is_refused(api: httpx.Client, asked: str) -> None:
    """A NUL in a question is an error of PostgreSQL's."""
    for headers in (STREAM, {}):
        assert api.get(f"/events?{asked}", headers=headers).status_code == 422


def test_it_says_that_it_is_alive_while_nothing_happens(api: httpx.Client) -> None:
    with api.stream("GET", "/events", headers=STREAM) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        assert [line for line, _ in zip(lines, range(6), strict=False)][2:] == [":", "", ":", ""]


def test_a_token_that_is_revoked_hears_no_more(desk: Desk, api: httpx.Client) -> None:
    token, shown = make("ann", ["read"], time.time())
    desk.write(lambda connection: tokens.add(connection, token))
    with streaming(api, headers={"authorization": f"Bearer {shown.reveal()}"}) as found:
        desk.write(lambda connection: tokens.revoke(connection, token.id, time.time()))
        assert all(one.event is None for one in found)  # it ends


def test_a_stream_ends_well_when_the_records_do_not_answer(
    desk: Desk, api: httpx.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client comes again, and nobody has to read where in the code that was met."""
    database = tmp_path / "gateway.db"
    with streaming(api) as found:
        shutil.move(database, tmp_path / "moved")
        database.mkdir()
        desk._engine.dispose()
        assert all(one.event is None for one in found)
    database.rmdir()
    shutil.move(tmp_path / "moved", database)
    (line,) = [one for one in caplog.records if "a stream of events has ended" in one.getMessage()]
    assert line.exc_info is None and not [one for one in caplog.records if one.levelname == "ERROR"]


def test_so_many_streams_as_a_token_may_have(desk: Desk, api: httpx.Client) -> None:
    token, shown = make("ann", ["read"], time.time(), limits=Limits(streams=2))
    desk.write(lambda connection: tokens.add(connection, token))
    headers = {"authorization": f"Bearer {shown.reveal()}"}
    with streaming(api, headers=headers), streaming(api, headers=headers):
        answer = api.get("/events", headers={**headers, **STREAM})
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert api.get("/events", headers=headers).status_code == 200

    def opens() -> bool:
        with api.stream("GET", "/events", headers={**headers, **STREAM}) as answer:
            return answer.status_code == 200

    until(opens, "its streams are over")


def test_streams_end_when_the_gateway_does(desk: Desk) -> None:
    told: list[bool] = []

    def follow(port: int, begun: threading.Event) -> None:
        with client(port, bearer(desk)) as api, streaming(api) as found:
            begun.set()
            told.append(all(one.event is None for one in found))  # to its end, which the connection's is not

    threads: list[threading.Thread] = []
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        begun = [threading.Event() for _ in range(5)]
        threads = [threading.Thread(target=follow, args=(port, one)) for one in begun]
        for one in threads:
            one.start()
        assert all(one.wait(DEADLINE) for one in begun)
    for one in threads:
        one.join(DEADLINE)
    assert told == [True] * 5


def test_who_does_not_read_is_not_waited_for_and_costs_no_memory(desk: Desk, api: httpx.Client) -> None:
    """20 MB happen; what is under way to him is what the kernel takes, and nothing waits for him here."""
    long = "x" * 4_000
    port = api.base_url.port
    assert port is not None
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.settimeout(DEADLINE)
        slow.connect((HOST, port))
        head = f"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept: text/event-stream\r\n"
        slow.sendall(f"{head}Authorization: {api.headers['authorization']}\r\n\r\n".encode())
        until(lambda: len(desk.feed._followers) == 1, "it follows")
        for _ in range(20):
            desk.write(lambda connection: tell(connection, "job.ended", 1.0, [(1, "ann", {"detail": long})] * 250))
        with streaming(api, "/events?after=4990") as found:
            assert ids(found, 10) == list(range(4_991, 5_001))
        (follower,) = [one for one in desk.feed._followers if one.place is not None and one.place < 4_990]
        assert follower.place is not None and follower.place < 4_000
        seqs = [one.id for one in blocks(_lines(slow, 5_000)) if one.event == "job.ended"]
    assert seqs == list(range(1, 5_001))


def _lines(stream: socket.socket, events: int) -> Iterator[str]:
    """Those of the stream, until so many events have come."""
    file = stream.makefile("rb")
    while file.readline() != b"\r\n":
        pass
    rest = b""
    while events:
        piece = file.read(int(file.readline(), 16))
        file.readline()
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            events -= line.startswith(b"event: ")
            yield line.decode()
    yield ""


TEXT = st.text(st.characters() | st.sampled_from("\r\n\0\u2028\u2029:\ud800"))


@given(name=TEXT, owner=TEXT)
def test_nothing_in_an_event_breaks_its_frame(name: str, owner: str) -> None:
    said = framed(Event(7, 1.5, "job.ended", owner, 3, json.dumps({"name": name}))).decode("ascii")
    assert "\r" not in said and "\0" not in said
    (one,) = blocks(said.split("\n")[:-1])
    assert (one.id, one.event) == (7, "job.ended")
    assert one.data["data"] == {"id": 3, "owner": owner, "name": name}
