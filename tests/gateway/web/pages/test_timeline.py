"""Who ran what where, and what has happened."""

from __future__ import annotations

import json
import time
from typing import Any

from playwright.sync_api import Page, expect
from sqlalchemy import insert

from sjs.gateway.desk import Desk
from sjs.gateway.records import tables
from sjs.gateway.records.events import Event, tell
from sjs.gateway.web.pages.events import told
from tests.gateway.web.pages.conftest import NARROW, become, token_of
from tests.gateway.web.pages.test_jobs import hand_in


def row(number: int, owner: str, begun: float, ended: float | None, **more: Any) -> dict[str, Any]:
    usual = {"origin": "api", "word": "a", "target": "a", "number": number, "body": "{}", "attempt": 1}
    state = {"state": "running" if ended is None else "succeeded", "created": begun, "begun": begun, "ended": ended}
    return {"id": number, "owner": owner, "name": "", **usual, **state, **more}


def keep(desk: Desk, *rows: dict[str, Any]) -> None:
    desk.write(lambda connection: connection.execute(insert(tables.jobs), list(rows)))


def test_a_job_is_seen_where_it_ran_as_soon_as_it_did(page: Page, site: str, desk: Desk) -> None:
    page.goto("/timeline")
    expect(page.get_by_text("Nothing ran then.")).to_be_visible()
    number = hand_in(site, desk, "exit 3", name="<b>bold</b>")
    expect(page.locator(f".gantt a[href='/jobs/{number}']")).to_have_count(1)
    expect(page.locator(f"#job-{number}").get_by_text("failed")).to_be_visible()
    page.locator(f".gantt a[href='/jobs/{number}']").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"/jobs/{number}")


def test_what_ran_long_ago_is_found_by_going_back(page: Page, desk: Desk) -> None:
    now = time.time()
    keep(desk, row(1, "ann", now - 5_000, now - 4_900), row(2, "bob", now - 5_000, now - 4_900))
    page.goto("/timeline")
    expect(page.get_by_text("Nothing ran then.")).to_be_visible()
    page.get_by_role("link", name="Earlier").click()
    expect(page.locator(".gantt a")).to_have_count(2)
    page.get_by_role("link", name="6 hours").click()
    expect(page.locator(".gantt a")).to_have_count(2)


def test_who_is_no_administrator_sees_what_is_his(page: Page, desk: Desk) -> None:
    now = time.time()
    keep(desk, row(1, "ann", now - 60, None), row(2, "bob", now - 60, now - 5))
    desk.write(lambda connection: tell(connection, "job.ended", now, [(1, "ann", {}), (2, "bob", {"state": "lost"})]))
    become(page, token_of(desk, "bob", ["read"]))
    page.goto("/timeline")
    expect(page.locator(".gantt a")).to_have_count(1)
    page.goto("/events")
    expect(page.locator("#happened tbody tr")).to_have_count(1)
    expect(page.locator("#happened tbody")).to_contain_text("lost")


def test_events_come_as_they_happen_and_are_chosen_by_kind_and_job(page: Page, site: str, desk: Desk) -> None:
    page.goto("/events")
    expect(page.get_by_text("Nothing has happened that is so.")).to_be_visible()
    number = hand_in(site, desk, "exit 3")
    rows = page.locator("#happened tbody tr")
    expect(rows.get_by_role("rowheader", name="job.ended")).to_be_visible()
    page.get_by_label("job.accepted").check()
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    page.get_by_label("Job", exact=True).fill(str(number + 1))
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Nothing has happened that is so.")).to_be_visible()


def test_older_events_are_a_page_further(page: Page, desk: Desk) -> None:
    desk.write(lambda connection: tell(connection, "job.ended", 1.0, [(one, "ann", {}) for one in range(1, 151)]))
    page.goto("/events")
    expect(page.locator("#happened tbody tr")).to_have_count(100)
    page.get_by_role("link", name="Older events").click()
    expect(page.locator("#happened tbody tr")).to_have_count(50)


def test_a_narrow_screen_has_all_of_the_picture(page: Page, desk: Desk) -> None:
    now = time.time()
    keep(desk, row(1, "ann", now - 3_500, now - 3_400), row(2, "ann", now - 60, None))
    page.set_viewport_size(NARROW)
    page.goto("/timeline")
    bars = page.locator(".gantt .bar")
    expect(bars).to_have_count(2)
    boxes = [bars.nth(at).bounding_box() for at in range(2)]
    assert all(box is not None and box["x"] > 0 and box["x"] + box["width"] <= NARROW["width"] for box in boxes)


def test_what_stages_tell_is_words() -> None:
    stages = [
        {"stage": 0, "total": 7, "claimed": 2, "flagged": 1},
        {"stage": 3, "total": 4, "claimed": 0, "flagged": 0},
    ]
    data = {"pipeline": "scans", "stages": stages, "steps": {"claimed": 2, "expired": 1}, "expired": [1, 2, 3, 7]}
    assert told(Event(1, 1.0, "stage.expired", "ann", None, json.dumps(data))) == [
        ("pipeline", "scans"),
        ("stages", "0: 7 (2 claimed, 1 flagged), 3: 4"),
        ("steps", "2 claimed, 1 expired"),
        ("expired", "1-3, 7"),
    ]
