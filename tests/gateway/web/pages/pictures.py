"""Makes the pictures of pages: `pictures.py FOLDER [NAME…]`, of all or of these; scripts/screenshots calls it.

They are of a gateway with two real queues on this machine, which has been handed a sweep and some other jobs. Those
take seconds; their times are stretched before anybody looks, so that they fill the hour which the timeline shows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright
from sqlalchemy import Connection, func, select, update

from sjs.config import from_mapping
from sjs.gateway.desk import Desk, opened
from sjs.gateway.records.tables import events, jobs
from sjs.gateway.settings import usual
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.gateway.web.pages.conftest import CHROMIUM, FLAGS, sign_in, token_of
from tests.live.machine import DEADLINE, running

PAGES = {"overview": "/", "machines": "/machines", "jobs": "/jobs", "timeline": "/timeline", "sweep": "/sweeps/tune"}
SIZE: ViewportSize = {"width": 1200, "height": 800}
MOST = 250_000
"""Bytes of a picture."""

FILLED = 3_000
"""Seconds that all of it seems to have taken."""

TRAIN = """sleep $(awk -v bs={bs} 'BEGIN {{print 24 / bs}}')
awk -v lr={lr} -v bs={bs} 'BEGIN {{x = log(lr) / log(10) + 2.4; print "loss=" 0.08 + 0.1 * x * x + bs / 2000}}'"""
SETTINGS = {"lr": "log:1e-4..1e-1:7", "bs": [16, 32, 64]}
SWEEP = {"name": "tune", "command": TRAIN, "metric": "min:loss", "parameters": SETTINGS}

SHORT: Sequence[tuple[str, str, str, dict[str, Any]]] = (
    ("prepare", "gpu1", "sleep 2", {}),
    ("evaluate", "gpu2", "sleep 1; exit 3", {}),
    ("convert", "gpu2", "sleep 60", {"timeout": 1}),
    ("digest", "gpu1", "sleep 1", {}),
)
LONG = (("pretrain", "gpu1", 6), ("serve", "gpu2", 3))
"""More than there are slots at one of them: some wait."""

SLOTS = {"gpu1": 4, "gpu2": 6}


def main(folder: Path, names: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, fleet(Path(home)) as desk:
        app = guarded(desk, native(desk, {}), [HOST])
        with served(desk, app) as port, seen(f"http://{HOST}:{port}") as page:
            show(desk, port, page)
            for name in names or PAGES:
                page.goto(PAGES[name])
                made = folder / f"{name}.png"
                page.screenshot(path=made)
                assert made.stat().st_size < MOST, f"{made}: has more than {MOST} bytes"


def show(desk: Desk, port: int, page: Page) -> None:
    """Have something to be seen."""
    with client(port, bearer(desk)) as asking:
        work(asking)
    sign_in(page, token_of(desk))
    page.goto("/machines")
    expect(page.get_by_role("img", name="4 of 4 slots run a job")).to_be_visible()
    expect(page.get_by_role("img", name="3 of 6 slots run a job")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("link", name="7 running")).to_be_visible()
    page.goto("/sweeps/tune")
    expect(page.locator(".scatter circle")).to_have_count(21)
    desk.write(stretch)


@contextmanager
def fleet(home: Path) -> Iterator[Desk]:
    """A gateway over two queues, all of it in this folder."""
    os.environ["HOME"] = str(home)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    (home / "jobspecs").mkdir()
    config = from_mapping({"managers": {name: {"transport": "local", "root": str(home / name)} for name in SLOTS}}, {})
    with ExitStack() as all_of_it:
        for name, slots in SLOTS.items():
            all_of_it.enter_context(running(home / name, slots))
        yield all_of_it.enter_context(opened(usual(str(home)), config, {}))
    for thread in threading.enumerate():
        if thread.name.removeprefix("sjs ") in SLOTS:  # it hears that its queue has ended, and looks what is left there
            thread.join(DEADLINE)


@contextmanager
def seen(site: str) -> Iterator[Page]:
    assert CHROMIUM, "apt-get install chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(base_url=site, viewport=SIZE, color_scheme="light", timezone_id="UTC")
        page.set_default_timeout(DEADLINE * 1000)
        yield page
        browser.close()


def work(asking: httpx.Client) -> None:
    """What has ended, and then what runs and waits."""
    asking.post("/sweeps", json=SWEEP).raise_for_status()
    for name, target, command, options in SHORT:
        hand_in(asking, name, target, command, options)
    for one in asking.get("/jobs").raise_for_status().json()["jobs"]:
        asking.get(f"/jobs/{one['id']}/wait").raise_for_status()
    for name, target, count in LONG:
        for _ in range(count):
            hand_in(asking, name, target, "sleep 600", {})


def hand_in(asking: httpx.Client, name: str, target: str, command: str, options: dict[str, Any]) -> None:
    said = {"command": command, "target": target, "options": {"name": name, **options}}
    asking.post("/jobs", json=said).raise_for_status()


def stretch(connection: Connection) -> None:
    """As if it had taken the better part of an hour."""
    now = time.time()
    first = connection.execute(select(func.min(jobs.c.created))).scalar_one()
    times = FILLED / (now - first)
    for table, columns in ((jobs, ("created", "begun", "ended")), (events, ("time",))):
        connection.execute(update(table).values({one: now - (now - table.c[one]) * times for one in columns}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
