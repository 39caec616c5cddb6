"""How it stands, at one look."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from sjs.gateway.desk import Desk
from sjs.gateway.records.listing import COUNTED
from tests.gateway.web.pages.conftest import NARROW, WIDE, become, token_of
from tests.gateway.web.pages.test_jobs import hand_in
from tests.gateway.web.pages.test_timeline import keep, row


def test_what_runs_and_what_went_wrong_is_seen_as_it_happens(page: Page, site: str, desk: Desk) -> None:
    page.goto("/")
    expect(page.get_by_text("Nothing went wrong.")).to_be_visible()
    expect(page.get_by_role("link", name="a", exact=True)).to_be_visible()
    number = hand_in(site, desk, "exit 3", name="<i>x</i>")
    wrong = page.locator("section").filter(has_text="Went wrong last")
    expect(wrong.get_by_text("exit 3")).to_be_visible()
    expect(wrong.get_by_text("<i>x</i>")).to_be_visible()
    wrong.get_by_role("link", name=str(number)).click()
    expect(page).to_have_url(f"/jobs/{number}")


def test_so_many_that_they_are_not_counted(page: Page, desk: Desk) -> None:
    now = time.time()
    keep(desk, *(row(number, "ann", now, now) for number in range(1, COUNTED + 3)))
    keep(desk, row(COUNTED + 10, "bob", now, None))
    page.goto("/")
    expect(page.get_by_role("link", name="succeeded")).to_contain_text("+")
    become(page, token_of(desk, "bob", ["read"]))
    page.goto("/")
    expect(page.get_by_role("link", name="running")).to_contain_text("1")
    expect(page.get_by_role("link", name="succeeded")).to_contain_text("0")


def test_beside_a_machine_with_a_long_name_a_job_keeps_its_own(page: Page, desk: Desk) -> None:
    keep(desk, row(1, "ann", time.time(), None, name="evaluate", target="a-machine-with-a-long-name." * 9))
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        page.goto("/")
        box = page.get_by_text("evaluate", exact=True).bounding_box()
        assert box is not None
        assert box["width"] > 60
        assert box["height"] < 40
