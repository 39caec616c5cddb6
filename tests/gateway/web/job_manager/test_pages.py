"""The pages for people, and that they say when they are others."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import httpx

from sjs.gateway.web.job_manager import pages
from sjs.gateway.web.job_manager.look import POLICY
from sjs.gateway.web.job_manager.pages import Group, Row
from sjs.values import replace
from tests.gateway.web.job_manager.client import Client
from tests.gateway.web.streams import streaming
from tests.live.machine import DEADLINE

EVIL = "</td><script>alert(1)</script>\"'&<!--\u202e"


class Read(HTMLParser):
    """Texts by the ids of their elements, and all elements."""

    VOID = ("meta", "link", "br", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        name = dict(attrs).get("id") or ""
        if name:
            assert name not in self.found, name
            self.found[name] = ""
        if tag not in self.VOID:
            self._open.append(name)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for name in self._open:
            if name:
                self.found[name] += data


def test_a_page_has_the_ids_that_scrapers_know() -> None:
    group = Group(1, [1, 0, 2, 1], [0, 60, 0])
    when = time.mktime((2024, 2, 3, 4, 5, 6, 0, 0, -1))
    rows = [Row(5, 0, "", when, False), Row(7, 2, EVIL, when, True), Row(8, 2, "out", when, False)]
    found = Read(pages.status([group], group, rows)).found
    assert found["progress_percent"] == "50%" and found["progress_total"] == "2/4"
    assert found["datecommitted 7"] == "2024-02-03 04:05:06"
    assert (found["jobid 7"], found["jobstage 7"], found["filename 7"]) == ("7", "2", EVIL)
    assert "5" in found["working_nodes"] and "8" in found["working_nodes"] and "7" in found["flagged_nodes"]
    assert [name for name in found if name.startswith("stagebar")] == [f"stagebar {one}" for one in range(4)]
    assert {"flagged 5", "flagged 7", "flagged 8"} <= set(found)


def test_what_jobs_bring_stays_text() -> None:
    group = Group(1, [1], [])
    page = Read(pages.status([group], group, [Row(1, 0, EVIL, 0.0, False)]))
    assert page.tags.count("script") == 1 and page.found["filename 1"] == EVIL
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert "unsafe" not in POLICY


def test_nothing_is_divided_by_nothing() -> None:
    for group in (Group(1, [], []), Group(1, [0, 0], [0, 60]), Group(1, [3], [60, 60])):
        assert Read(pages.status([group], group, [])).found["progress_percent"] == "0%"
    assert "There are none yet." in pages.status([], None, [])
    assert Read(pages.lifetimes([])).tags.count("li") == 0


def test_of_many_jobs_those_that_are_worked_on_are_listed(mine: Client) -> None:
    mine.post("/set", {str(one): {"jobstage": 0} for one in range(1_100)})
    for _ in range(3):
        mine.get("/get/0")
    page = mine.get("/get")
    assert "3 of 1100 jobs are listed." in page
    assert [name for name in Read(page).found if name.startswith("jobid")] == ["jobid 0", "jobid 1", "jobid 2"]
    mine.post("/set", {str(one): {"jobstage": 5} for one in range(2_000, 3_200)})
    assert f"{pages.MOST} of 2300 jobs are listed." in mine.get("/get")


def test_each_jobix_has_a_page_that_does_not_say_which_it_is(mine: Client) -> None:
    """Who reaches a port that asks for no token could go on with the number as if it were his."""
    other = replace(mine, jobix=f"-9{mine.jobix}8")
    mine.post("/set", {"123": {"jobstage": 0}})
    other.post("/set", {"456": {"jobstage": 0}})
    anybody = replace(mine, jobix=None)
    page = anybody.get("/get")
    keys = [value for name, value in Read(page).attributes if name == "href" and value and "group=" in value]
    shown = [anybody.get(f"/{key}") for key in keys]
    assert sum('id="jobid 123"' in one for one in shown) == sum('id="jobid 456"' in one for one in shown) == 1
    assert not any(f"-9{mine.jobix}8" in one for one in [page, anybody.get("/lifetime"), *shown])
    assert 'id="jobid 123"' in mine.get("/get") and "group=" not in mine.get("/get")
    assert anybody.get("/get?group=none") == anybody.get("/get?group=1%3Cb%3E") == anybody.get("/get")


def test_pages_are_bound_to_what_they_bring(mine: Client) -> None:
    for path in ("/get", "/lifetime", "/lifetime/0"):
        answer = mine.ask(path)
        assert answer.headers["content-security-policy"] == POLICY
        page = Read(answer.text)
        links = [value or "" for name, value in page.attributes if name in ("href", "src", "data-events")]
        assert links and not any(value.startswith(("/", "http")) for value in links)


def test_who_follows_hears_that_a_page_is_another_and_no_more(mine: Client) -> None:
    with httpx.Client(base_url=mine.url, timeout=DEADLINE) as following, streaming(following) as told:
        for path in ("/init/1/1", "/lifetime/0/2", "/lifetime/1/2"):
            mine.get(path)
            block = next(one for one in told if one.event is not None)
            assert (block.event, block.data) == ("reload", {})


def test_who_follows_without_a_token_is_not_sent_away(mine: Client) -> None:
    """At each sign of life it is looked whether who came might come again."""
    with httpx.Client(base_url=mine.url, timeout=DEADLINE) as following, streaming(following) as told:
        for _ in range(3):
            next(one for one in told if one.event is None)
        mine.get("/init/1/1")
        assert next(one for one in told if one.event is not None).event == "reload"
