"""Pages where there is much of what they show, and many who look: light, and made from little."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from sjs.answers import Status
from sjs.core.job import Report
from sjs.core.metrics import Measured
from sjs.core.needs import WHOLE, Gpu, Machine
from sjs.gateway.desk import Desk
from sjs.gateway.engine.office import Office
from sjs.gateway.records import sweeps as records
from sjs.gateway.records import tables
from sjs.gateway.records.events import tell
from sjs.gateway.records.stages.values import MOST_STAGES
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.web.pages import gantt, overview, pipelines, sights, tried
from sjs.gateway.web.pages.sights import Sights
from sjs.gateway.web.pages.tried import Board
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import enter, form_word, token_of
from tests.gateway.web.pages.test_timeline import keep, row
from tests.gateway.web.streams import streaming
from tests.live.machine import DEADLINE

MOST = 150_000
"""Bytes of a page."""


def swept(desk: Desk, name: str, settings: Sequence[Mapping[str, str]], first: int = 1, **more: Any) -> None:
    """A sweep whose jobs have ended, and are known to have printed a loss."""
    now = time.time()
    bodies = [
        json.dumps({"command": "x", "task": {"sweep": name, "number": number, "values": values}})
        for number, values in enumerate(settings, 1)
    ]
    keep(desk, *(row(first + at, "ann", now - 9, now, body=body, **more) for at, body in enumerate(bodies)))
    new = NewSweep(name, "a", "[]", "{}")
    desk.write(lambda connection: records.add(connection, [(new, "ann", (first, first + len(bodies) - 1))], now))
    known = {first + at: (1, {"loss": 1.0 / (at + 1)}) for at in range(len(bodies))}
    desk.write(lambda connection: records.keep(connection, known))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs each look has read in the records, …"""
    found: list[int] = []
    asked = records.tried

    def counted(*args: Any) -> Any:
        rows = asked(*args)
        found.append(len(rows))
        return rows

    monkeypatch.setattr(records, "tried", counted)
    return found


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """… and of how many settings something was drawn."""
    found: list[int] = []
    draws = Board._drawn

    def counted(board: Board, what: Any, view: Any) -> Any:
        found.append(len(what.rows))
        return draws(board, what, view)

    monkeypatch.setattr(Board, "_drawn", counted)
    return found


def test_who_looks_again_has_only_read_what_has_changed(
    http: httpx.Client, desk: Desk, read: list[int], drawn: list[int]
) -> None:
    swept(desk, "s", [{"n": str(n)} for n in range(1_000)])
    enter(http, token_of(desk))
    pages = [http.get("/sweeps/s?best=min:loss&sort=-n").text for _ in range(3)]
    assert "job 1000</a>)" in pages[0] and pages[0] == pages[1] == pages[2]
    assert (read, drawn) == ([1_000], [1_000])
    assert http.get("/sweeps/s").status_code == 200
    assert (read, drawn) == ([1_000], [1_000, 1_000])
    desk.write(lambda connection: records.keep(connection, {7: (1, {"loss": 1e-9})}))
    assert "job 7</a>)" in http.get("/sweeps/s?best=min:loss&sort=-n").text
    assert read == [1_000, 1] and len(drawn) == 3


def test_many_who_look_at_a_time_have_it_drawn_once(
    http: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, so it is another at each look: those who come while it is drawn share the next."""
    swept(desk, "s", [{"n": str(n)} for n in range(10)])
    keep(desk, row(20, "ann", time.time(), None, body=json.dumps({"task": {"sweep": "t", "number": 1, "values": {}}})))
    new = NewSweep("t", "a", "[]", "{}")
    desk.write(lambda connection: records.add(connection, [(new, "ann", (20, 20))], 1.0))
    monkeypatch.setattr(Office, "measured", lambda *args: Measured({}))
    enter(http, token_of(desk))
    many, came, goes = 12, threading.Semaphore(0), threading.Event()
    rounds: list[int] = []
    draws, looks = Board._drawn, Board.of

    async def counted(board: Board, *args: Any) -> Any:
        came.release()
        return await looks(board, *args)

    def slow(board: Board, *args: Any) -> Any:
        rounds.append(1)
        assert goes.wait(DEADLINE)
        return draws(board, *args)

    monkeypatch.setattr(Board, "of", counted)
    monkeypatch.setattr(Board, "_drawn", slow)
    with ThreadPoolExecutor(many) as pool:
        asked = [pool.submit(http.get, "/sweeps/t") for _ in range(many)]
        for _ in range(many):
            assert came.acquire(timeout=DEADLINE)
        goes.set()
        assert {one.result().status_code for one in asked} == {200}
    assert 1 <= len(rounds) < many


def test_however_long_its_words_are_a_sweep_has_room_in_a_page(http: httpx.Client, desk: Desk) -> None:
    """All settings can be had, page by page."""
    words = "<&'\u2603" * 60
    swept(desk, "wide", [{f"{n}-{'x' * 60}": f"{at}{words}" for n in range(60)} for at in range(150)])
    enter(http, token_of(desk))
    seen: list[str] = []
    path = "/sweeps/wide?best=min:loss"
    while path:
        answer = http.get(path)
        assert answer.status_code == 200 and len(answer.content) < MOST
        assert "columns more" in answer.text
        here = re.findall(r'id="setting-(\d+)"', answer.text)
        assert here
        seen += here
        more = re.search(r'rel="next" href="([^"]+)"', answer.text)
        path = more[1].replace("&amp;", "&") if more else ""
    assert seen == [str(number) for number in range(150, 0, -1)]
    swept(desk, "plain", [{"lr": f"{n}e-5", "n": str(n)} for n in range(1, 401)], first=1_000)
    answer = http.get("/sweeps/plain?start=100")
    assert 50 < answer.text.count('id="setting-') <= tried.ROWS and len(answer.content) < MOST
    assert http.get("/sweeps/plain?start=100000").text.count('id="setting-') == 0


def test_a_page_waits_no_longer_for_what_jobs_have_printed_than_a_moment(
    http: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    keep(desk, row(1, "ann", now, now, body=json.dumps({"task": {"sweep": "s", "number": 1, "values": {"n": "1"}}})))
    new = NewSweep("s", "a", "[]", "{}")
    desk.write(lambda connection: records.add(connection, [(new, "ann", (1, 1))], now))
    says, said = threading.Event(), threading.Event()

    def measured(office: Office, name: str, attempts: Any) -> Measured:
        assert says.wait(DEADLINE)
        said.set()
        return Measured({1: {"loss": 0.25}})

    monkeypatch.setattr(Office, "measured", measured)
    monkeypatch.setattr(tried, "PATIENCE", 0.05)
    enter(http, token_of(desk))
    assert "Of 1 jobs nobody has read yet" in http.get("/sweeps/s").text
    assert not said.is_set()  # it was answered before the machine had
    says.set()
    monkeypatch.setattr(tried, "PATIENCE", DEADLINE)
    page = http.get("/sweeps/s").text
    assert "0.25" in page and "nobody has read" not in page


def test_who_follows_a_sweep_or_a_pipeline_hears_of_no_other(http: httpx.Client, desk: Desk) -> None:
    swept(desk, "s", [{"n": "1"}, {"n": "2"}], first=10)
    enter(http, token_of(desk))

    def happens(kind: str, *of: tuple[int | None, str, Mapping[str, Any]]) -> None:
        desk.write(lambda connection: tell(connection, kind, time.time(), of))

    with streaming(http, "/live?kind=job.ended&sweep=s&owner=ann") as told:
        happens("job.ended", (9, "ann", {}), (12, "ann", {}), (11, "ann", {"state": "lost"}))
        happens("job.running", (10, "ann", {}))
        happens("job.ended", (10, "ann", {}))
        assert [next(told).data["data"]["id"] for _ in range(2)] == [11, 10]
    with streaming(http, "/live?kind=stage.moved&pipeline=p&owner=ann") as told:
        happens("stage.moved", (None, "ann", {"pipeline": "pp"}), (None, "bob", {"pipeline": "p"}))
        happens("stage.moved", (None, "ann", {"pipeline": "p", "steps": {}}))
        heard = next(told)
        assert heard.data["data"] == {"owner": "ann", "pipeline": "p", "steps": {}}
    happens(
        "stage.moved", *[(None, "ann", {"pipeline": f"p{n}"}) for n in range(300)], (None, "ann", {"pipeline": "p"})
    )
    since = {"last-event-id": str(heard.id)}
    with streaming(http, "/live?kind=stage.moved&pipeline=p&owner=ann", since) as told:
        assert next(told).data["data"] == {"owner": "ann", "pipeline": "p"}
    assert http.get("/live?sweep=none", headers={"accept": "text/event-stream"}).status_code == 404
    enter(http, token_of(desk, "bob", ["read"]))
    for path in ("/live?sweep=s", "/live?sweep=s&owner=ann", "/live?pipeline=p&owner=ann"):
        with http.stream("GET", path, headers={"accept": "text/event-stream"}) as answer:
            assert answer.status_code in (403, 404), path


def test_all_stages_of_a_long_pipeline_are_shown_a_part_at_a_time(http: httpx.Client, site: str, desk: Desk) -> None:
    stages = [{"name": f"s{n}-{'x' * 50}", "lifetime": 60} for n in range(MOST_STAGES)]
    with httpx.Client(base_url=f"{site}/api/v1", headers=bearer(desk), timeout=DEADLINE) as client:
        assert client.put("/stages/p", json={"stages": stages}).status_code == 201
        items = [{"command": "<" * 5_000, "stage": n} for n in range(100)]
        assert client.post("/stages/p/items", json={"items": items}).status_code == 201
        said = {"stage": 0, "worker": "'" * 100, "count": 1}
        assert client.post("/stages/p/claims", json=said).status_code == 200
    enter(http, token_of(desk))
    seen: list[str] = []
    path = "/pipelines/p"
    while path:
        page = http.get(path)
        assert len(page.content) < MOST, path
        seen += re.findall(r'id="stage-(\d+)"', page.text)
        more = re.search(r'href="([^"]+)">Stages behind', page.text)
        path = more[1].replace("&amp;", "&") if more else ""
    assert seen == [str(number) for number in range(MOST_STAGES)]
    last = http.get(f"/pipelines/p?from={MOST_STAGES - 10}").text
    assert f"from={MOST_STAGES - 10 - pipelines.STAGES}" in last and "Stages behind" not in last
    assert http.get(f"/pipelines/p?from={MOST_STAGES}").status_code == 200
    assert http.get("/pipelines/p?from=x").status_code == 422


@pytest.fixture
def hundred(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hundred machines, each as full as one is; who of them was asked."""
    asked: list[str] = []
    gpus = tuple(Gpu(str(n), 80 << 30, "<b>NVIDIA H100 80GB HBM3</b>") for n in range(24))
    machine = Machine(400, 256, 1 << 41, gpus)

    def report(office: Office, name: str) -> Status:
        asked.append(name)
        granted = tuple((one.name, WHOLE) for one in gpus[:9])
        said = Report(name, 130, 400, 5, machine=machine, granted=granted, sick="<" * 5_000)
        return Status(said, (), {}, "h", 1, "/r", "1", trouble="<" * 5_000, load=1.0, mem_free=1 << 40)

    monkeypatch.setattr(Office, "report", report)
    monkeypatch.setattr(Sights, "names", lambda sights, token: [f"m{n:03}" for n in range(100)])
    return asked


def shown(page: str) -> Iterator[str]:
    return iter(re.findall(r"<h2><bdi>(m\d+)</bdi>", page))


def test_of_many_machines_those_are_asked_that_are_shown(
    http: httpx.Client, desk: Desk, hundred: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sjs.gateway.web.pages.sights.PATIENCE", DEADLINE)
    enter(http, token_of(desk))
    hundred.clear()
    seen: list[str] = []
    path = "/machines"
    while path:
        page = http.get(path)
        assert page.status_code == 200 and len(page.content) < MOST
        here = list(shown(page.text))
        assert sorted(hundred) == here and len(here) <= sights.LIMIT
        hundred.clear()
        seen += here
        more = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = more[1] if more else ""
    assert seen == [f"m{n:03}" for n in range(100)]
    assert "130 of 400 slots run a job" in page.text and "It has 24 GPUs." in page.text
    assert "There are no more." in http.get("/machines?start=1000").text
    assert http.get("/machines?start=-1").status_code == 422
    hundred.clear()
    front, count = http.get("/").text, overview.MACHINES
    assert len(hundred) == count and f'/machines?start={count}">{100 - count} more' in front
    assert '/machines?start=16#machine-17"' in front and '/machines#machine-16"' in front


def test_who_steers_a_machine_is_back_at_its_part(
    http: httpx.Client, desk: Desk, hundred: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[tuple[str, bool]] = []
    monkeypatch.setattr(Office, "drain", lambda office, name, is_to_end: drained.append((name, is_to_end)))
    enter(http, token_of(desk))
    said = {"form": form_word(http), "what": "drain", "start": "32"}
    answer = http.post("/machines/m040", data=said)
    assert answer.status_code == 303 and answer.headers["location"] == "/machines?start=32"
    assert drained == [("m040", True)]


def test_a_timeline_of_many_machines_shows_those_that_had_most_to_do(http: httpx.Client, desk: Desk) -> None:
    now = time.time()
    names = [f"{'<' * 90}{n:03}" for n in range(300)]
    rows = [row(n + 1, "ann", now - 600 - n, now - 1, target=names[n % 300], name="'" * 250) for n in range(3_000)]
    keep(desk, *rows)
    enter(http, token_of(desk))
    page = http.get("/timeline")
    assert len(page.content) < MOST
    assert page.text.count('class="lane"') == gantt.LANES and f"{300 - gantt.LANES} others had less" in page.text
    for query, status in (
        ("seconds=3600&until=999999999999999999", 200),
        ("seconds=0", 422),
        ("seconds=x", 422),
        ("until=-1", 422),
        (f"until={'9' * 30}", 422),
    ):
        assert http.get(f"/timeline?{query}").status_code == status, query


def test_a_list_of_many_sweeps_and_pipelines_is_no_burden(http: httpx.Client, desk: Desk) -> None:
    name = "x" * 128
    new = [(NewSweep(f"{n}{name}", "a", "[]", "{}"), "ann", (n * 10, n * 10 + 9)) for n in range(1, 200)]
    desk.write(lambda connection: records.add(connection, new, 1.0))
    made = [
        {"owner": "ann", "name": f"{n}{name}", "loose": False, "last": 1, "next": 1, "created": 1.0} for n in range(200)
    ]
    desk.write(lambda connection: connection.execute(insert(tables.pipelines), made))
    enter(http, token_of(desk))
    for path in ("/sweeps", "/pipelines"):
        page = http.get(path)
        assert page.status_code == 200 and len(page.content) < MOST, path
