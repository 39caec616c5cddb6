"""Behind a real nginx, below a path, as docs/pages.md says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sjs.gateway.desk import Desk
from sjs.gateway.settings import Settings
from sjs.gateway.web.app import guarded, native
from sjs.gateway.web.pages.application import PLACES
from sjs.values import replace
from tests.gateway.web.conftest import HOST, served
from tests.gateway.web.nginx import before
from tests.gateway.web.pages.conftest import sign_in, token_of
from tests.gateway.web.pages.test_jobs import hand_in
from tests.live.machine import ROOT

BASE = "/sjs"
LINKS = """[...document.querySelectorAll("[href], [src], [action], [data-live]")].map(one => ({
    tag: one.localName,
    address: new URL(one.getAttribute("href") ?? one.getAttribute("src") ?? one.getAttribute("action")
        ?? one.dataset.live, location.href).href,
}))"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, path=BASE)


@pytest.fixture
def site(desk: Desk, tmp_path: Path) -> Iterator[str]:
    [location] = re.findall(r"^```nginx\n(.*?)^```$", (ROOT / "docs/pages.md").read_text(), re.MULTILINE | re.DOTALL)
    assert f"location {BASE}/ " in location and ":8765/" in location
    folder = tmp_path / "nginx"
    folder.mkdir()
    app = guarded(desk, native(desk, {}), [HOST])
    with served(desk, app) as port, before(location.replace(":8765/", f":{port}/"), folder) as address:
        yield address + BASE


@pytest.fixture
def page(entered: Page) -> Page:
    return entered


@pytest.fixture
def answers(context: BrowserContext) -> dict[str, int]:
    """What the browser was answered, by its address."""
    found: dict[str, int] = {}
    context.on("response", lambda response: found.update({response.url: response.status}))
    return found


def test_each_link_of_each_page_stays_below_it(page: Page, site: str, desk: Desk, answers: dict[str, int]) -> None:
    number = hand_in(site, desk, "exit 3", name="one")
    page.goto("jobs")
    expect(page.locator(f"#job-{number}").get_by_text("failed")).to_be_visible()
    to_see, known = [f"{site}/"], {f"{site}/"}
    while to_see:
        answer = page.request.get(to_see.pop())
        assert answer.ok and answer.url.startswith(f"{site}/"), answer
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page.goto(answer.url)
        for link in page.evaluate(LINKS):
            address, page_of = link["address"], link["address"].partition("?")[0].partition("#")[0]
            assert address.startswith(f"{site}/"), (page.url, link)
            if link["tag"] == "a" and page_of not in known:  # whatever is chosen there: a timeline has many times
                known.add(page_of)
                to_see.append(address)
    assert known >= {site + place.path for place in PLACES}
    assert {one.rpartition(".")[2] for one in answers if f"{site}/static/" in one} >= {"css", "js"}
    assert {address: status for address, status in answers.items() if status >= 400} == {}


def test_what_happens_is_seen_as_it_happens(page: Page, site: str, desk: Desk, tmp_path: Path) -> None:
    """The second thing that a page shows without having been opened again, a stream has told it."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    page.goto("jobs")
    row = page.locator(f"#job-{hand_in(site, desk, f'cat {gate}; exit 3')}")
    expect(row.get_by_text("running")).to_be_visible()
    gate.write_text("go on")
    expect(row.get_by_text("failed")).to_be_visible()


def test_forms_are_taken_and_lead_below_it(page: Page, site: str, desk: Desk) -> None:
    """The origin of the page is compared with the name by which the gateway is asked for, with the port."""
    page.goto("machines")
    page.get_by_role("button", name="Drain").first.click()
    page.get_by_role("button", name="Undrain").click()
    expect(page.get_by_role("button", name="Undrain")).to_have_count(0)
    expect(page).to_have_url(f"{site}/machines")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site}/sign-in")
    page.goto("jobs?state=failed")
    expect(page).to_have_url(re.compile(re.escape(f"{site}/sign-in?next=")))
    page.get_by_label("Token").fill(token_of(desk))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site}/jobs?state=failed")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, token_of(desk))
    expect(page).to_have_url(f"{site}/")
