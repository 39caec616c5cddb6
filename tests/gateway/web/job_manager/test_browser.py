"""The pages in a real browser: live, within their policy, at any width, and to be read without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gateway.web.job_manager.client import Client
from tests.gateway.web.pages.conftest import NARROW, WIDE, faults, is_trouble
from tests.gateway.web.pages.conftest import axe as axe
from tests.gateway.web.pages.conftest import browser as browser
from tests.live.machine import DEADLINE

EVIL = "<script>alert(1)</script>\u202e" + "w" * 400


@pytest.fixture
def seen(browser: Browser, mine: Client) -> Iterator[Callable[..., Page]]:
    """The page of a jobix, to whoever says it. What goes wrong in it fails the test."""
    troubles: list[str] = []
    contexts = []

    def see(**how: object) -> Page:
        headers = {"jobix": str(mine.jobix)}
        context = browser.new_context(base_url=mine.url, extra_http_headers=headers, **how)  # type: ignore[arg-type]
        context.set_default_timeout(DEADLINE * 1000)
        context.on("weberror", lambda error: troubles.append(str(error.error)))
        context.on("console", lambda said: troubles.append(said.text) if is_trouble(said.text) else None)
        context.on("dialog", lambda dialog: troubles.append(dialog.message))
        contexts.append(context)
        page = context.new_page()
        page.goto("/get")
        return page

    yield see
    for context in contexts:
        context.close()
    assert troubles == []


def filled(mine: Client) -> None:
    mine.get("/init/0/60/0")
    mine.post("/set", {str(one): {"jobstage": 0} for one in range(4)})
    mine.post("/update_job/3/1", {"filename": EVIL})


def test_a_page_moves_with_its_jobs(seen: Callable[..., Page], mine: Client) -> None:
    filled(mine)
    page = seen(viewport=WIDE)
    expect(page.locator("[id='jobstage 0']")).to_have_text("0")
    expect(page.locator("[id='filename 3']")).to_have_text(EVIL)
    for stage in (1, 2):
        mine.get(f"/update_job/0/{stage}")
        expect(page.locator("[id='jobstage 0']")).to_have_text(str(stage))
    expect(page.locator("#progress_percent")).to_have_text("25%")
    expect(page).to_have_title("25% of 4 jobs")
    page.get_by_role("link", name="Lifetimes").click()
    expect(page.get_by_text("Job stage: 1; lifetime: 60 minutes")).to_be_visible()
    mine.get("/lifetime/1/7")
    expect(page.get_by_text("Job stage: 1; lifetime: 7 minutes")).to_be_visible()


def test_without_javascript_it_is_there(seen: Callable[..., Page], mine: Client) -> None:
    filled(mine)
    page = seen(java_script_enabled=False)
    expect(page.locator("[id='jobid 3']")).to_have_text("3")
    expect(page.locator("noscript meta[http-equiv=refresh]")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_read_it(seen: Callable[..., Page], mine: Client, axe: Path, size: object, scheme: str) -> None:
    filled(mine)
    page = seen(viewport=size, color_scheme=scheme, bypass_csp=True)  # for what checks it: it is a script of ours
    assert faults(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
