"""Jobs that are made to do harm to whoever looks at them: nothing of them runs, and pages stay pages."""

from __future__ import annotations

import json
from base64 import b64encode
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import httpx
from markupsafe import Markup
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from sjs.gateway.desk import Desk
from sjs.gateway.records import artifacts as kept
from sjs.gateway.records.artifacts import Artifact, Leaving
from sjs.gateway.records.tables import jobs
from sjs.gateway.web.pages.printed import TAIL, shown
from sjs.gateway.web.pages.screen import Place
from sjs.gateway.web.pages.words import exact, untwisted
from tests.gateway.web.pages.conftest import enter, token_of
from tests.gateway.web.pages.test_jobs import hand_in
from tests.live.machine import until

SCRIPT = "</pre></script><script>window.ran=1</script><img src=x onerror='window.ran=1'>"
TURNED = "\u202e\u2066\u200f"
EVIL = f"{SCRIPT}{TURNED}{{{{7*7}}}}\"'"
MOST = 150_000


def test_whatever_its_words_are_nothing_runs(page: Page, site: str, desk: Desk) -> None:
    text = f"{EVIL}\x1b]8;;javascript:window.ran=1\x07link\x1b]8;;\x07\x1b[31m{SCRIPT}\x00\x9b31m\n".encode()
    command = f": {json.dumps(SCRIPT)}\necho {b64encode(text).decode()} | base64 -d"
    number = hand_in(site, desk, command, name=SCRIPT)
    row = {"owner": "ann", "origin": "api", "word": EVIL, "state": "failed", "created": 1.0, "body": "{}", "name": EVIL}
    desk.write(lambda connection: connection.execute(insert(jobs), [row]))
    page.goto(f"/jobs/{number}")
    expect(page.locator("#head .state")).to_have_text("succeeded")
    expect(page.locator(".printed .f1")).to_contain_text("<script>")
    expect(page.locator(".printed")).to_contain_text("{{7*7}}")
    for path in (f"/jobs/{number}", f"/jobs/{number + 1}", "/jobs", "/jobs?name=" + SCRIPT.replace("#", "")):
        page.goto(path)
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert page.evaluate("window.ran") is None
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("main a[href^=javascript]").count() == 0


def test_no_text_turns_what_stands_behind_it(page: Page, desk: Desk) -> None:
    """What a form brings back is as it was."""
    twisted = f"photo{TURNED}gpj.sh"
    row = {"owner": "ann", "origin": "api", "word": "a", "state": "failed", "created": 1.0, "body": "{}"}
    desk.write(lambda connection: connection.execute(insert(jobs), [{**row, "name": twisted}]))
    page.goto("/jobs?" + urlencode({"name": twisted}))
    expect(page.locator("td[data-label=Name]")).to_have_text("photo\ufffd\ufffd\u200fgpj.sh")
    expect(page.get_by_label("Name")).to_have_value(twisted)
    assert untwisted(Markup("<b>\u202e</b>")) == Markup("<b>\ufffd</b>")
    assert isinstance(untwisted(Markup("\u202e")), Markup)
    assert untwisted(exact(twisted)) == twisted
    assert untwisted(7) == 7


def test_live_output_is_text_too(page: Page, site: str, desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    said = b64encode(f"\x1b[32m{SCRIPT}\x1b[0m\r\n{SCRIPT}".encode()).decode()
    number = hand_in(site, desk, f"until [ -e {gate} ]; do sleep 0.02; done; echo {said} | base64 -d; sleep 600")
    page.goto(f"/jobs/{number}")
    expect(page.get_by_role("button", name="Stop following")).to_be_visible()
    gate.touch()
    expect(page.locator(".printed > div")).to_have_text([SCRIPT, SCRIPT])
    assert page.evaluate("window.ran") is None
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#head .state")).to_have_text("cancelled")


def test_a_line_of_ten_megabytes_and_all_else_at_its_longest(http: httpx.Client, site: str, desk: Desk) -> None:
    """The page has its bounds; what it leaves out can be had."""
    enter(http, token_of(desk))
    number = hand_in(site, desk, "head -c 10485760 /dev/zero | tr '\\0' '<'")
    until(lambda: "succeeded" in http.get(f"/jobs/{number}").text, "its end")
    assert b"&lt;&lt;&lt;" in http.get(f"/jobs/{number}").content
    every = dict.fromkeys((f"{EVIL}{n}" for n in range(100)), EVIL * 40)
    body = json.dumps({"command": EVIL * 1_000, "tags": every, "cwd": EVIL * 50})
    row = {"owner": "<" * 255, "origin": "api", "word": "'" * 255, "state": "failed", "created": 1.0, "body": body}
    row |= {"name": "'" * 255, "spec": '"' * 255, "parameters": json.dumps(every), "attempt": 1, "reason": "exit"}
    row |= {"detail": EVIL * 1_000, "rules": "{}", "kept": "wanted", "left_out": "\n".join([EVIL * 20] * 100)}
    desk.write(lambda connection: connection.execute(insert(jobs), [row]))
    of = Leaving(number + 1, "ann", "a", 1, 1, "failed", "{}", "wanted")
    files = [Artifact(f"{'&' * 200}{n}.png", "image/png", 1, "0" * 64, _uuid(n), f"{n}/1/x") for n in range(100)]
    desk.write(lambda connection: kept.add(connection, of, files, 1.0))
    for path in (f"/jobs/{number}", f"/jobs/{number + 1}", "/jobs"):
        answer = http.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < MOST, path
    assert len(http.get(f"/jobs/{number}/output.txt").content) == 10 << 20
    assert json.loads(http.get(f"/jobs/{number + 1}/command.json").text)["command"] == EVIL * 1_000
    more = http.get(f"/jobs/{number + 1}?files=30").text
    assert more.count('id="file-') == 30


def _uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def test_the_end_of_what_was_printed_has_room_in_a_page() -> None:
    """Whatever it is made of."""
    for data in (b"<" * TAIL, b"\x1b[31ma\x1b[0m'" * (TAIL // 11), b"\n" * TAIL, "\U0001f600".encode() * (TAIL // 4)):
        tail = shown(data, 100)
        parts = [part for _, line in tail.rows for part in line]
        size = 14 * len(tail.rows) + sum(len(escape(text).encode()) + len(classes) + 22 for text, classes in parts)
        assert tail.rows and size < 70_000
    tail = shown(b"half a line\nwhole\nopen", 7)
    assert [list(line) for _, line in tail.rows] == [[("whole", "")], [("open", "")]]
    assert (tail.place, tail.first, tail.is_part) == (Place(19, 68, 20), 20, True)
    assert shown(b"", 0).rows == []
