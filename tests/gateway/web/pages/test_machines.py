"""Machines, as people see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from sjs.config import Config, from_mapping
from sjs.gateway.desk import Desk
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import become, token_of
from tests.gateway.web.pages.test_jobs import hand_in
from tests.live.machine import DEADLINE


@pytest.fixture
def config(said: dict[str, Any], tmp_path: Path) -> Config:
    """Beside the two there is one that never was started, and one whose name nobody knows."""
    silent = {"transport": "openssh", "host": "nobody.invalid", "root": "/tmp"}
    away = {"transport": "local", "root": str(tmp_path / "nowhere")}
    return from_mapping({**said, "managers": {**said["managers"], "away": away, "silent": silent}}, {})


def test_each_is_shown_as_it_is_and_who_is_away_holds_up_no_page(page: Page, site: str, desk: Desk) -> None:
    page.goto("/machines")
    cards = page.locator(".machine")
    expect(cards).to_have_count(4)
    a = cards.filter(has=page.get_by_role("heading", name="a ready"))
    expect(a.get_by_role("img", name="0 of 2 slots run a job")).to_be_visible()
    expect(cards.filter(has_text="away").locator(".trouble").first).to_be_visible()
    hand_in(site, desk, "sleep 600", name="busy")
    expect(page.get_by_role("img", name="1 of 2 slots run a job")).to_be_visible()
    httpx.post(f"{site}/api/v1/jobs/1/cancel", headers=bearer(desk), timeout=DEADLINE).raise_for_status()
    expect(page.get_by_role("img", name="1 of 2 slots run a job")).to_have_count(0)


def test_an_administrator_has_nothing_new_start(page: Page, site: str, desk: Desk) -> None:
    page.goto("/machines")
    a = page.locator(".machine").filter(has=page.get_by_role("heading", name="a ready"))
    a.get_by_role("button", name="Drain").click()
    drained = page.locator(".machine").filter(has=page.get_by_role("heading", name="a drained"))
    drained.get_by_role("button", name="Undrain").click()
    expect(page.get_by_role("heading", name="a ready")).to_be_visible()


def test_others_can_only_look(page: Page, site: str, desk: Desk) -> None:
    become(page, token_of(desk, "bob", ["read"]))
    page.goto("/machines")
    expect(page.get_by_role("heading", name="a ready")).to_be_visible()
    expect(page.get_by_role("button", name="Drain")).to_have_count(0)
    status = page.evaluate(
        """async () => (await fetch("/machines/a", {method: "POST", body: new URLSearchParams({what: "drain",
        form: document.querySelector("input[name=form]").value})})).status"""
    )
    assert status == 403
