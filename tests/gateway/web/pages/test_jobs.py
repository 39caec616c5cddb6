"""The list of jobs."""

from __future__ import annotations

import time
from functools import partial

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from sjs.gateway.desk import Desk
from sjs.gateway.records import listing
from sjs.gateway.records.events import tell
from sjs.gateway.records.tables import jobs
from sjs.gateway.web.pages.jobs import LIMIT
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import enter, token_of


def hand_in(site: str, desk: Desk, command: str, **options: object) -> int:
    asked = httpx.post(
        f"{site}/api/v1/jobs", json={"command": command, "options": options}, headers=bearer(desk), timeout=60
    )
    return int(asked.json()["id"])


def put(desk: Desk, count: int, **said: object) -> None:
    """Rows of jobs that have ended."""
    usual = {"owner": "ann", "origin": "api", "word": "any", "body": "{}", "state": "succeeded", "created": 1.0}
    usual |= {"ended": 2.0, "target": "a"}
    desk.write(lambda connection: connection.execute(insert(jobs), [{**usual, **said} for _ in range(count)]))


def shown(page: Page) -> list[int]:
    return [int(one) for one in page.locator("#listing tbody th").all_inner_texts()]


def test_a_job_appears_runs_and_ends_while_one_looks(page: Page, site: str, desk: Desk) -> None:
    page.goto("/jobs")
    expect(page.get_by_text("There are no jobs yet.")).to_be_visible()
    number = hand_in(site, desk, "exit 3", name="<i>tilted</i>")
    row = page.locator(f"#job-{number}")
    expect(row.get_by_text("failed")).to_be_visible()
    expect(row.get_by_text("<i>tilted</i>")).to_be_visible()


def test_however_much_happens_one_looks_once_a_second(page: Page, desk: Desk) -> None:
    page.goto("/jobs")
    looks: list[str] = []
    page.on("request", lambda asked: looks.append(asked.url) if asked.resource_type == "fetch" else None)
    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        ended(desk, 1)
    began = time.monotonic()
    for number in range(40):
        ended(desk, number)
        page.evaluate("new Promise(requestAnimationFrame)")
    put(desk, 1, name="the last of all")
    ended(desk, 99)
    expect(page.get_by_text("the last of all")).to_be_visible()
    assert len(looks) <= 3 + (time.monotonic() - began)


def ended(desk: Desk, number: int) -> None:
    """Tell that it has."""
    desk.write(partial(tell, kind="job.ended", now=0.0, of=[(number, "ann", {})]))


def test_a_long_list_is_gone_through_in_either_direction(page: Page, desk: Desk) -> None:
    put(desk, 2 * LIMIT + 20)
    last = 2 * LIMIT + 20
    older, newer = page.get_by_role("link", name="Older jobs"), page.get_by_role("link", name="Newer jobs")
    page.goto("/jobs")
    assert shown(page) == list(range(last, last - LIMIT, -1))
    expect(newer).to_have_count(0)
    older.click()
    expect(page.locator(f"#job-{last - LIMIT}")).to_be_visible()
    older.click()
    expect(page.locator("#job-1")).to_be_visible()
    assert shown(page) == list(range(20, 0, -1))
    expect(older).to_have_count(0)
    newer.click()
    expect(page.locator("#job-21")).to_be_visible()
    assert shown(page) == list(range(70, 20, -1))
    newer.click()
    expect(page.locator(f"#job-{last}")).to_be_visible()
    expect(newer).to_have_count(0)
    assert len(shown(page)) == LIMIT
    page.get_by_label("Sort").select_option("oldest")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#job-1")).to_be_visible()
    assert shown(page) == list(range(1, LIMIT + 1))
    newer.click()
    expect(page.locator(f"#job-{LIMIT + 1}")).to_be_visible()
    older.click()
    expect(page.locator("#job-1")).to_be_visible()


def test_filters_are_kept_and_say_what_they_find(page: Page, site: str, desk: Desk) -> None:
    put(desk, 60, name="many", state="failed")
    put(desk, 1, name="one", state="lost", target="b", spec="train")
    put(desk, 1, name="bobs", owner="bob")
    tagged = hand_in(site, desk, "true", hold=True, tags={"project": "a=b"})
    page.goto("/jobs")
    page.get_by_label("failed").check()
    page.get_by_label("Name").fill("many")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#job-60")).to_be_visible()
    page.get_by_role("link", name="Older jobs").click()
    expect(page.locator("#job-1")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("many")
    assert shown(page) == list(range(10, 0, -1))
    for query, found in (
        ("spec=train", [61]),
        ("target=b&state=lost", [61]),
        ("owner=bob", [62]),
        ("tag=project=a=b", [tagged]),
        ("sweep=none", []),
        ("name=nobody", []),
    ):
        page.goto(f"/jobs?{query}")
        assert shown(page) == found, query
    expect(page.get_by_text("No job is so.")).to_be_visible()


def test_who_is_no_administrator_sees_his_own(http: httpx.Client, desk: Desk) -> None:
    put(desk, 1, name="anns")
    put(desk, 1, name="bobs", owner="bob")
    enter(http, token_of(desk, scopes=["read"]))
    for query in ("", "?owner=bob", "?name=bobs"):
        assert "#job-2" not in http.get(f"/jobs{query}").text
        assert "bobs</bdi>" not in http.get(f"/jobs{query}").text
    assert http.get("/jobs/2").status_code == 404


def test_what_is_rare_is_looked_for_a_part_at_a_time(page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED", 10)
    put(desk, 1, target="far")
    put(desk, 25)
    page.goto("/jobs?target=far")
    for _ in range(2):
        expect(page.get_by_text("None so far.")).to_be_visible()
        page.get_by_role("link", name="Look further").click()
    expect(page.locator("#job-1")).to_be_visible()


def test_a_page_of_the_longest_names_is_no_burden(http: httpx.Client, desk: Desk) -> None:
    long = "'\"<&" * 60
    put(desk, LIMIT + 1, name=long, target=long, spec=long, owner=long[:100])
    enter(http, token_of(desk))
    answer = http.get("/jobs")
    assert answer.status_code == 200 and len(answer.content) < 150_000
    for wrong in ("before=x", "after=-1", "before=" + "9" * 30):
        assert http.get(f"/jobs?{wrong}").status_code == 422
