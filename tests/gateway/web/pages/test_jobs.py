"""The list of jobs."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from sjs.gateway.desk import Desk
from tests.gateway.web.conftest import bearer


def hand_in(site: str, desk: Desk, command: str, **options: object) -> int:
    asked = httpx.post(
        f"{site}/api/v1/jobs", json={"command": command, "options": options}, headers=bearer(desk), timeout=30
    )
    return int(asked.json()["id"])


def test_a_job_appears_runs_and_ends_while_one_looks(page: Page, site: str, desk: Desk) -> None:
    page.goto("/jobs")
    expect(page.get_by_text("There are no jobs yet.")).to_be_visible()
    number = hand_in(site, desk, "exit 3", name="<i>tilted</i>")
    row = page.locator(f"#job-{number}")
    expect(row.get_by_text("failed")).to_be_visible()
    expect(row.get_by_text("<i>tilted</i>")).to_be_visible()
