"""How the gateway is, for those who look after it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.metrics import Counter, Histogram, line
from sjs.gateway.web.app import guarded, native, of_dialect
from sjs.gateway.web.health import Numbers
from tests.gateway.web.conftest import HOST, bearer, served
from tests.live.machine import DEADLINE, until

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (-?[0-9.e+-]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Found:
    """As Prometheus reads it: of each name first what it is, then its samples, none twice, no line that is nothing."""
    found: Found = {}
    kinds: dict[str, str] = {}
    assert text.endswith("\n")
    for one in text.splitlines():
        if one.startswith("# HELP "):
            continue
        if one.startswith("# TYPE "):
            _, _, name, kind = one.split(" ")
            assert name not in kinds
            kinds[name] = kind
            continue
        match = SAMPLE.fullmatch(one)
        assert match, one
        family = match[1] if match[1] in kinds else match[1].rsplit("_", 1)[0]
        assert family in kinds, one
        key = match[1], frozenset(LABEL.findall(match[2] or ""))
        assert key not in found, one
        found[key] = float(match[3])
    return found


def has_ended(at: httpx.Client, number: int, auth: dict[str, str]) -> bool:
    return at.get(f"/api/v1/jobs/{number}", headers=auth).json()["ended"] is not None


@pytest.fixture
def at(desk: Desk) -> Iterator[httpx.Client]:
    numbers = Numbers(desk)
    guard = guarded(desk, native(desk, {}, numbers), [HOST], numbers.done)
    numbers.guards = [guard]
    with served(desk, guard) as port, httpx.Client(base_url=f"http://{HOST}:{port}", timeout=DEADLINE) as client:
        yield client


def test_numbers_are_those_of_what_has_happened(at: httpx.Client, desk: Desk) -> None:
    auth, scrapes = bearer(desk), bearer(desk, "prometheus", ["metrics"])
    before = read(at.get("/metrics", headers=scrapes).text)
    assert before[("sjs_target_up", frozenset({("target", "a")}))] == 1
    assert before[("sjs_target_slots", frozenset({("target", "b")}))] == 2
    made = [
        at.post("/api/v1/jobs", headers=auth, json={"command": one, "target": "a"}).json()["id"]
        for one in ("true", "exit 3", "exit 4")
    ]
    for number in made:
        until(partial(has_ended, at, number, auth), "its end")
    assert at.get("/api/v1/jobs/99999", headers=auth).status_code == 404
    assert at.get("/no/such/path", headers=auth).status_code == 404
    assert at.get("/jobmgr/", headers=auth).status_code == 200
    found = read(at.get("/metrics", headers=scrapes).text)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("sjs_jobs", state="failed") == 2 and value("sjs_jobs", state="succeeded") == 1
    assert value("sjs_jobs_ended_total", state="failed", reason="exit") == 2
    assert value("sjs_job_seconds_count", state="failed") == value("sjs_job_seconds_bucket", state="failed", le="+Inf")
    assert value("sjs_job_seconds_count", state="failed") == 2
    posted = {"route": "/api/v1/jobs", "method": "POST", "status": "201"}
    assert value("sjs_request_seconds_count", **posted) == 3
    assert value("sjs_request_seconds_count", route="/api/v1/jobs/{number}", method="GET", status="404") == 1
    assert value("sjs_request_seconds_count", route="other", method="GET", status="404") == 1
    assert value("sjs_request_seconds_count", route="/jobmgr", method="GET", status="200") == 1
    assert 1 <= value("sjs_transactions_total") <= value("sjs_writes_total")
    assert value("sjs_requests_open") == 1, "the one that asks"
    again = read(at.get("/metrics", headers=scrapes).text)
    ended = "sjs_jobs_ended_total", frozenset({("state", "failed"), ("reason", "exit")})
    assert again[ended] == 2, "nothing is counted twice"


def test_what_comes_by_a_dialects_own_port_counts_as_where_it_is_mounted(desk: Desk) -> None:
    numbers = Numbers(desk)
    for name, path in (("jobmgr", "/jobs/get?id=1"), ("jobd", "/api/get/it")):
        with served(desk, of_dialect(desk, name, "web", [HOST], {}, numbers.done)) as port:
            assert httpx.get(f"http://{HOST}:{port}{path}").status_code in (200, 404)
    counts = {dict(key[1])["route"] for key in read("\n".join([*numbers._requests.text(), ""])) if "_count" in key[0]}
    assert counts == {"/jobmgr", "/jobd"}


def test_numbers_are_for_who_may_read_them(at: httpx.Client, desk: Desk) -> None:
    assert at.get("/metrics").status_code == 401
    assert at.get("/metrics", headers=bearer(desk, scopes=["read", "admin"])).status_code == 403
    scrapes = bearer(desk, "prometheus", ["metrics"])
    assert at.get("/metrics", headers=scrapes).headers["content-type"].startswith("text/plain; version=0.0.4")
    assert at.get("/api/v1/jobs", headers=scrapes).status_code == 403


def test_it_is_alive_and_ready_until_its_records_do_not_answer(at: httpx.Client, desk: Desk, tmp_path: Path) -> None:
    assert at.get("/healthz").json() == {"status": "alive"}
    assert [at.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    assert (at.get("/readyz").status_code, at.get("/readyz").json()) == (200, {"status": "ready"})
    database = tmp_path / "gateway.db"
    shutil.move(database, tmp_path / "moved")
    database.mkdir()
    desk._engine.dispose()
    until(lambda: at.get("/readyz").status_code == 503, "that it is not")
    assert at.get("/readyz").json() == {"status": "not ready"}
    assert at.get("/healthz").status_code == 200
    database.rmdir()
    shutil.move(tmp_path / "moved", database)
    until(lambda: at.get("/readyz").status_code == 200, "that it is again")


def test_what_a_label_holds_ends_no_line() -> None:
    assert line("x", {"a": 'b"c\\d\ne'}, 1.5) == 'x{a="b\\"c\\\\d\\ne"} 1.5'
    assert line("x", {}, 3.0) == "x 3"


def test_what_is_counted_together_is_counted_once() -> None:
    times = Histogram("t", "Times.", (1.0, 2.5), ("kind",))
    for value in (0.5, 1.0, 2.0, 9.0):
        times.add(value, ("a",))
    assert list(times.text())[2:] == [
        't_bucket{kind="a",le="1"} 2',
        't_bucket{kind="a",le="2.5"} 3',
        't_bucket{kind="a",le="+Inf"} 4',
        't_sum{kind="a"} 12.5',
        't_count{kind="a"} 4',
    ]
    count = Counter("c_total", "Counts.")
    count.add(count=3)
    count.add()
    assert list(count.text()) == ["# HELP c_total Counts.", "# TYPE c_total counter", "c_total 4"]
