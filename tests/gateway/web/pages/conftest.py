"""Pages as people see them: a real browser, at a gateway over two real queues."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from sjs.gateway import tokens
from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import SCOPES, make
from sjs.gateway.web.app import guarded, native
from sjs.gateway.web.pages import job
from tests.gateway.web.conftest import HOST, served
from tests.live.machine import DEADLINE

CHROMIUM = shutil.which("chromium-headless-shell")
AXE = "axe-core@4.10.3"

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}

expect.set_options(timeout=DEADLINE * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer than a file of tests: while playwright is there, nothing else in this thread can have a loop."""
    assert CHROMIUM, "apt-get install chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page waits longer for machines here, where much else runs on them."""
    monkeypatch.setattr(job, "PATIENCE", DEADLINE)


@pytest.fixture
def site(desk: Desk) -> Iterator[str]:
    """Where the gateway is."""
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        yield f"http://{HOST}:{port}"


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A browser of somebody's own. What goes wrong in a page, or is kept from it by its policy, fails the test."""
    context = browser.new_context(base_url=f"{site}/", viewport=WIDE, color_scheme="light")
    context.set_default_timeout(DEADLINE * 1000)
    troubles: list[str] = []
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    context.on("console", lambda said: troubles.append(said.text) if is_trouble(said.text) else None)
    yield context
    context.close()
    assert troubles == []


@pytest.fixture
def http(site: str) -> Iterator[httpx.Client]:
    """Somebody who has not signed in, without a browser."""
    with httpx.Client(base_url=site, timeout=DEADLINE) as client:
        yield client


def enter(http: httpx.Client, token: str) -> httpx.Response:
    """Sign in, without a browser."""
    return http.post("/sign-in", data={"token": token, "next": ""})


def form_word(http: httpx.Client) -> str:
    """What each form has that was made for who has signed in."""
    found = re.search(r'name="form" value="([0-9a-f]+)"', http.get("/jobs").text)
    assert found is not None
    return found[1]


def is_trouble(text: str) -> bool:
    """Of what a browser says: what a page did that its policy forbids."""
    return "Content Security Policy" in text


def token_of(desk: Desk, owner: str = "ann", scopes: Sequence[str] = SCOPES, limits: Limits | None = None) -> str:
    """The text of a new token."""
    token, shown = make(owner, scopes, time.time(), limits=limits)
    desk.write(lambda connection: tokens.add(connection, token))
    return shown.reveal()


def sign_in(page: Page, token: str) -> None:
    """By the form."""
    page.goto("sign-in")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def become(page: Page, token: str) -> None:
    """Be signed in as somebody else from now on. The form is for tests of it: it takes longer than most pages."""
    answer = page.request.post("sign-in", form={"token": token, "next": ""}, max_redirects=0)
    assert answer.status == 303


@pytest.fixture
def page(context: BrowserContext, desk: Desk) -> Page:
    """Somebody who may do everything, and is signed in."""
    page = context.new_page()
    become(page, token_of(desk))
    return page


@pytest.fixture
def entered(context: BrowserContext, desk: Desk) -> Page:
    """The same, who has come in by the form, and sees where that leads."""
    page = context.new_page()
    sign_in(page, token_of(desk))
    return page


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker of accessibility. It is fetched once, whoever of the processes that run tests comes first."""
    folder = pytestconfig.cache.mkdir("axe")
    kept = folder / f"{AXE}.js"
    with open(folder / "lock", "w") as lock:
        flock(lock, LOCK_EX)
        if not kept.exists():
            fetched = tmp_path_factory.mktemp("axe")
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(fetched), AXE]
            subprocess.run(install, check=True, timeout=300)
            (folder / "new").write_bytes((fetched / "node_modules/axe-core/axe.min.js").read_bytes())
            (folder / "new").rename(kept)
    return kept


FAULTS = """async () => {
    const { violations } = await axe.run({ resultTypes: ['violations'] });
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}"""
"""Nothing else is told: what is in order is hundreds of times as much."""


def faults(page: Page, axe: Path) -> list[Any]:
    """What keeps people from using the page: what axe calls serious or critical."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.read_text())
    found: list[Any] = page.evaluate(FAULTS)
    return found


def everybody_can_use(page: Page, axe: Path, name: str) -> None:
    """The page that is open, in light and dark, wide and narrow: nobody is kept from it, and nothing runs out of the
    screen. With SJS_SHOTS=FOLDER there are pictures of it."""
    shots = os.environ.get("SJS_SHOTS")
    for colours in ("light", "dark"):
        for size in (WIDE, NARROW):
            page.emulate_media(color_scheme="light" if colours == "light" else "dark")
            page.set_viewport_size(size)
            assert faults(page, axe) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if shots:
                page.screenshot(path=f"{shots}/{name}-{colours}-{size['width']}.png", full_page=True)
