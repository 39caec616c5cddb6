"""Each page in light and dark, wide and narrow: nobody is kept from using it, and nothing runs out of the screen.
With SJS_SHOTS=FOLDER there are pictures of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sjs.gateway.desk import Desk
from tests.gateway.web.pages.conftest import everybody_can_use
from tests.gateway.web.pages.test_jobs import hand_in

PAGES = ("/", "/machines", "/jobs", "/jobs/new", "/jobs/1", "/sweeps", "/pipelines", "/timeline", "/events")
SIXTEEN = (*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108))
COLOURS = (SIXTEEN, *([f"0;{kind};5;{one}" for one in range(16, 256)] for kind in (38, 48)))
"""A line of each."""


@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_it(page: Page, site: str, desk: Desk, axe: Path, path: str) -> None:
    prints = "\\n".join("".join(f"\\033[{one}m {one}" for one in line) for line in COLOURS)
    number = hand_in(site, desk, f"printf '{prints}\\033[0m\\nplain\\n'; exit 3", name="a name " * 20)
    page.goto("/jobs")
    expect(page.locator(f"#job-{number}").get_by_text("failed")).to_be_visible()
    page.goto(path)
    everybody_can_use(page, axe, path.strip("/").replace("/", "-") or "first")
