"""Each page in light and dark, wide and narrow: nobody is kept from using it, and nothing runs out of the screen.
With SJS_SHOTS=FOLDER there are pictures of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sjs.gateway.desk import Desk
from tests.gateway.web.pages.conftest import NARROW, WIDE, faults
from tests.gateway.web.pages.test_jobs import hand_in

PAGES = ("/", "/machines", "/jobs", "/jobs/new", "/jobs/1", "/sweeps", "/pipelines", "/timeline", "/events")
COLOURS = (*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108))
SHOTS = os.environ.get("SJS_SHOTS")


@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_it(page: Page, site: str, desk: Desk, axe: Path, path: str) -> None:
    prints = "".join(f"\\033[{one}m {one}" for one in COLOURS)
    number = hand_in(site, desk, f"printf '{prints}\\033[0m\\nplain\\n'; exit 3", name="a name " * 20)
    page.goto("/jobs")
    expect(page.locator(f"#job-{number}").get_by_text("failed")).to_be_visible()
    page.goto(path)
    for colours in ("light", "dark"):
        for size in (WIDE, NARROW):
            page.emulate_media(color_scheme=colours)
            page.set_viewport_size(size)
            assert faults(page, axe) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if SHOTS:
                name = f"{path.strip('/').replace('/', '-') or 'first'}-{colours}-{size['width']}.png"
                page.screenshot(path=f"{SHOTS}/{name}", full_page=True)
