"""Behind a real nginx, below a path of its own, as docs/job_manager.md says."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.web.app import guarded, native
from sjs.values import replace
from tests.gateway.web.conftest import HOST, bearer, served
from tests.gateway.web.job_manager.client import HTML, Client
from tests.gateway.web.nginx import before
from tests.gateway.web.streams import streaming
from tests.live.machine import DEADLINE, ROOT

PAGE = (ROOT / "docs" / "job_manager.md").read_text(encoding="utf-8")


def locations(own: int, main: int) -> str:
    """The one of the page, and the same for the gateway's own port."""
    [location] = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [other] = re.findall(r"`proxy_pass (http://127.0.0.1:8765/stages/;)`", PAGE)
    assert "http://127.0.0.1:5000/;" in location
    first = location.replace(":5000/", f":{own}/")
    second = location.replace("/jobs/", "/tokens/").replace("http://127.0.0.1:5000/;", other)
    found = first + second.replace(":8765/", f":{main}/")
    assert isinstance(found, str)
    return found


@pytest.fixture(scope="module")
def proxy(url: str, at_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    own, folder = int(url.rpartition(":")[2]), tmp_path_factory.mktemp("nginx")
    app = guarded(at_desk, native(at_desk, {}), [HOST])
    with served(at_desk, app) as main, before(locations(own, main), folder) as address:
        yield address


def test_clients_go_on_behind_it(proxy: str, mine: Client) -> None:
    behind = replace(mine, url=f"{proxy}/jobs")
    assert behind.get("/") == "Hello World!"
    assert behind.get("/init/0/5") == '{"0": 0, "1": 5}'
    assert behind.post("/set", {"1": {"jobstage": 0}}) == f"Accepted to {mine.jobix}!"
    assert json.loads(behind.get("/get/0"))["jobid"] == 1
    assert behind.get("/update_job/1/1") == "Success, job 1 was updated to stage 1!"
    assert '<span id="progress_total">1/1</span>' in behind.get("/get")
    assert (behind.ask("/nothing").status, replace(behind, jobix=None).ask("/get/0").status) == (404, 403)
    assert mine.get("/get") == behind.get("/get")


def test_links_of_pages_lead_to_pages(proxy: str, mine: Client) -> None:
    mine.get("/init/1")
    with httpx.Client(timeout=DEADLINE) as browser:
        for path in ("/jobs/get", "/jobs/lifetime", "/jobs/lifetime/0"):
            found = browser.get(proxy + path)
            links = re.findall(r'(?:href|data-events)="([^"]+)"', found.text)
            assert len(links) > 1
            for link in links:
                with browser.stream("GET", found.url.join(link)) as answer:
                    assert answer.status_code == 200 and str(answer.url).startswith(f"{proxy}/jobs/")


def test_large_bodies_go_through_it(proxy: str, mine: Client) -> None:
    """As large as the gateway takes them; what is larger, nginx itself refuses."""
    behind = replace(mine, url=f"{proxy}/jobs")
    chance = random.Random(7)
    commands = {str(one): chance.randbytes(400_000).hex() for one in range(9)}
    behind.post("/set", {number: {"jobstage": 0, "jobcmd": text} for number, text in commands.items()})
    for number, text in commands.items():
        assert json.loads(behind.get("/get/0"))["jobcmd"] == text, number
    assert behind.ask("/set", chance.randbytes(9 << 20)).status == 413


def test_events_come_through_it_as_they_happen(proxy: str, mine: Client) -> None:
    with httpx.Client(base_url=f"{proxy}/jobs", timeout=DEADLINE) as following, streaming(following) as told:
        mine.get("/init/1")
        assert next(one for one in told if one.event is not None).event == "reload"


def test_with_a_token_it_is_the_gateways_own_port(proxy: str, at_desk: Desk) -> None:
    token = bearer(at_desk, "gil", ("submit", "read"))["authorization"].removeprefix("Bearer ")
    gil = Client(f"{proxy}/tokens", 5, token)
    assert gil.post("/set", {"1": {"jobstage": 0}}) == "Accepted to 5!"
    assert json.loads(gil.get("/get/0"))["jobix"] == 5
    assert gil.ask("/get").headers["content-type"] == HTML
    assert replace(gil, token="").ask("/get/0").status == 401
