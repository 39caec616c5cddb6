"""Pages that stay open: what they hold while nobody sees them, and what they do when they are refused."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from sjs.gateway.desk import Desk
from tests.gateway.web.pages.test_jobs import hand_in

COUNTED = """
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(address) { super(address); window.streams.push(this); }
};
"""
OPEN = "streams.filter((one) => one.readyState !== EventSource.CLOSED).length"


def seen(page: Page, is_seen: bool) -> None:
    """As if its tab were chosen, or another one."""
    page.evaluate(
        """(hidden) => { Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange")); }""",
        not is_seen,
    )


def test_a_page_that_nobody_sees_holds_no_connection_and_goes_on_where_it_was(
    page: Page, site: str, desk: Desk, tmp_path: Path
) -> None:
    """A browser has six to one host: that many tabs must not keep the seventh from coming."""
    gate = tmp_path / "gate"
    number = hand_in(site, desk, f"echo one; until [ -e {gate} ]; do sleep 0.05; done; echo two; sleep 600")
    page.add_init_script(COUNTED)
    page.goto(f"/jobs/{number}")
    lines = page.locator(".printed > div")
    expect(page.get_by_role("button", name="Stop following")).to_be_visible()
    expect(lines).to_have_text(["one"])
    assert page.evaluate(OPEN) == 2
    seen(page, False)
    page.evaluate('dispatchEvent(new Event("pagehide"))')
    assert page.evaluate(OPEN) == 0
    gate.touch()
    seen(page, True)
    expect(lines).to_have_text(["one", "two"])
    assert page.evaluate(OPEN) == 2
    page.get_by_role("button", name="Stop following").click()
    seen(page, False)
    seen(page, True)
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()
    assert page.evaluate(OPEN) == 1


def test_a_page_that_was_refused_comes_again(page: Page, site: str, desk: Desk) -> None:
    """As by a proxy while the gateway is started anew: a browser does not ask again by itself then."""
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=502, body="Bad Gateway")

    page.route("**/live?*", refuse, times=1)
    page.goto("/jobs")
    expect(page.locator("#link")).to_have_text("The gateway is away; this page comes back with it.")
    expect(page.locator("#link")).to_have_text("")
    assert len(refused) == 1
    number = hand_in(site, desk, "exit 3")
    expect(page.locator(f"#job-{number}").get_by_text("failed")).to_be_visible()


def test_a_page_whose_session_is_over_leads_to_the_door(page: Page) -> None:
    def expire(route: Route) -> None:
        page.context.clear_cookies()
        route.continue_(headers={**route.request.headers, "cookie": ""})

    page.route("**/live?*", expire)
    page.goto("/jobs")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
