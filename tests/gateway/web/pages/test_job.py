"""One job: handed in by a form, looked at while it runs, ended, run again."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from sjs.gateway.desk import Desk
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.records.tables import jobs
from sjs.gateway.web.pages import job
from sjs.gateway.web.pages.printed import shown
from tests.gateway.web.pages.conftest import enter, form_word, token_of
from tests.gateway.web.pages.test_jobs import hand_in, put
from tests.live.machine import until

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff"
    "89996e1d0000000049454e44ae426082"
)
"""One red point."""


DATA = Path(__file__).parents[3] / "data" / "terminal"


def count(desk: Desk) -> int:
    with desk._engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(jobs)) or 0)


def picture(name: str, data: bytes = PNG) -> str:
    return f"echo {b64encode(data).decode()} | base64 -d > $SJS_ARTIFACTS_DIR/{name}"


def test_from_the_form_to_its_picture_and_once_more(page: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    page.goto("/jobs")
    page.get_by_role("link", name="New job").click()
    prints = "printf '\\033[1;31mred\\033[0m and plain\\n'"
    waits = f"until [ -e {gate} ]; do sleep 0.05; done"
    page.get_by_label("Command").fill("\n".join((prints, waits, picture("p.png"), "echo bye >&2")))
    page.get_by_label("Name", exact=True).fill("pictured")
    page.get_by_label("Keep the files").check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Job 1 pictured")).to_be_visible()
    expect(page.locator("#head .state")).to_have_text("running")
    expect(page.locator(".printed .f1.bold")).to_have_text("red")
    expect(page.get_by_role("button", name="Stop following")).to_be_visible()
    gate.touch()
    expect(page.locator("#head .state")).to_have_text("succeeded")
    image = page.get_by_role("img", name="p.png")
    expect(image).to_be_visible()
    until(lambda: image.evaluate("one => one.naturalWidth") == 1, "the picture")
    page.get_by_role("link", name="stderr").click()
    expect(page.locator(".printed")).to_have_text("bye")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("#attempt-2")).to_be_visible()
    expect(page.locator("#head .state")).to_have_text("succeeded")
    page.get_by_role("row").filter(has_text="exit 0").first.get_by_role("link", name="1").click()
    expect(page.locator("#attempt-1.chosen")).to_be_visible()
    expect(page.locator(".printed > div")).to_have_text(["red and plain"])


def test_what_is_printed_comes_as_it_does_and_to_its_end(page: Page, site: str, desk: Desk, tmp_path: Path) -> None:
    step = tmp_path / "step"
    number = hand_in(
        site,
        desk,
        f"printf '10%%\\r'; until [ -e {step}1 ]; do sleep 0.02; done; printf '20%%\\rdone\\nnext'; "
        f"until [ -e {step}2 ]; do sleep 0.02; done; echo ' line'; seq 20000",
    )
    page.goto(f"/jobs/{number}")
    lines = page.locator(".printed > div")
    expect(lines).to_have_text(["10%"])
    Path(f"{step}1").touch()
    expect(lines).to_have_text(["done", "next"])
    page.get_by_role("button", name="Stop following").click()
    expect(page.get_by_text("Not followed.")).to_be_visible()
    Path(f"{step}2").touch()
    expect(page.locator("#head .state")).to_have_text("succeeded")
    expect(lines).to_have_text(["done", "next"])
    page.get_by_role("button", name="Follow").click()
    expect(lines.last).to_have_text("20000")
    expect(page.get_by_text("It prints no more.")).to_be_visible()
    assert lines.count() <= 5_000
    page.reload()
    expect(lines.last).to_have_text("20000")
    with page.expect_download() as download:
        page.get_by_role("link", name="as text", exact=True).click()
    text = Path(download.value.path()).read_bytes()
    assert text == b"10%\r20%\rdone\nnext line\n" + b"".join(b"%d\n" % n for n in range(1, 20_001))


@pytest.mark.parametrize("name", ["tqdm-positions.bin", "rich-progress.bin"])
def test_bars_are_where_they_are_at_a_terminal(page: Page, site: str, desk: Desk, tmp_path: Path, name: str) -> None:
    """As they move, for who opens the page later, and for who goes on."""
    step, data = tmp_path / "step", (DATA / name).read_bytes()
    begin = b"".join(b"%d before\n" % one for one in range(60))
    halves = (begin + data[: len(data) // 3], data[len(data) // 3 : len(data) // 2], data[len(data) // 2 :])
    waits = f"until [ -e {step}%d ]; do sleep 0.02; done"
    files = [tmp_path / f"{number}.bin" for number in range(3)]
    for file, half in zip(files, halves, strict=True):
        file.write_bytes(half)
    said = f"cat {files[0]}; {waits % 1}; cat {files[1]}; {waits % 2}; cat {files[2]}; {waits % 3}"
    number = hand_in(site, desk, said)
    page.goto(f"/jobs/{number}")
    lines = page.locator(".printed > div")
    expect(lines).to_have_text(seen(halves[0]))
    Path(f"{step}1").touch()
    expect(lines).to_have_text(seen(halves[0] + halves[1]))
    page.reload()
    expect(lines).to_have_text(seen(halves[0] + halves[1]))
    page.get_by_role("button", name="Stop following").click()
    page.get_by_role("button", name="Follow").click()
    Path(f"{step}2").touch()
    expect(lines).to_have_text(seen(begin + data))
    front = page.locator(".printed .f208").first
    if "rich" in name:
        assert front.evaluate("one => getComputedStyle(one).color") == "rgb(255, 135, 0)"
    Path(f"{step}3").touch()
    expect(page.get_by_text("It prints no more.")).to_be_visible()
    page.reload()
    expect(lines).to_have_text(seen(begin + data))


def seen(data: bytes) -> list[str]:
    """The lines of it."""
    return ["".join(text for text, _ in line) for _, line in shown(data, 0).rows]


def test_a_job_is_ended_on_its_page(page: Page, site: str, desk: Desk) -> None:
    number = hand_in(site, desk, "sleep 600")
    page.goto(f"/jobs/{number}")
    expect(page.locator("#head .state")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#head .state")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


def test_a_double_click_hands_in_once(page: Page, desk: Desk) -> None:
    page.goto("/jobs/new")
    page.get_by_label("Command").fill("true")
    page.get_by_role("button", name="Hand in").dblclick()
    expect(page.locator("#head .state")).to_have_text("succeeded")
    assert count(desk) == 1


def test_the_same_form_hands_in_once_however_often_it_is_sent(http: httpx.Client, desk: Desk) -> None:
    enter(http, token_of(desk))
    said = {"form": form_word(http), "once": "0" * 32, "command": "true\r\ntrue"}
    places = {http.post("/jobs/new", data=said).headers["location"] for _ in range(3)}
    assert places == {"/jobs/1"} and count(desk) == 1
    other = http.post("/jobs/new", data={**said, "command": "false"})
    assert other.status_code == 409 and "was used before" in other.text
    again = re.search(r'name="once" value="([0-9a-f]{32})"', other.text)
    assert again is not None and again[1] != "0" * 32
    assert http.post("/jobs/new", data={**said, "once": "x"}).status_code == 422
    assert http.post("/jobs/new", data={**said, "form": "x"}).status_code == 403
    assert count(desk) == 1
    assert json.loads(http.get("/jobs/1/command.json").text)["command"] == "true\ntrue"


TRAIN = """
description: Trains.
parameters:
  steps: {type: int, min: 1, max: 10}
  rate: {type: float, default: 0.5}
  kind: {choices: [small, large], default: small}
  deep: {type: bool, default: false}
  note: {type: string, default: ""}
command: [echo, "{steps}", "{rate}", "{kind}", "{deep}", "<{note}>"]
"""


def test_the_parameters_of_a_spec_are_fields(page: Page, desk: Desk) -> None:
    path = Path(desk.settings.specs) / "train.yaml"
    path.write_text(TRAIN)
    path.chmod(0o600)
    page.goto("/jobs/new")
    page.get_by_label("What it runs").select_option("train")
    page.get_by_role("button", name="Choose").click()
    steps = page.get_by_label("steps")
    assert [steps.get_attribute(name) for name in ("type", "min", "max", "step")] == ["number", "1", "10", "1"]
    steps.evaluate("one => one.removeAttribute('max')")
    steps.fill("11")
    page.get_by_label("kind").select_option("large")
    page.get_by_label("note").fill("<b>'\"")
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("steps")
    expect(page.locator(".field .trouble")).to_have_text("must be from 1 to 10")
    expect(page.get_by_label("note")).to_have_value("<b>'\"")
    page.get_by_label("steps").fill("7")
    page.get_by_role("button", name="Hand in").click()
    expect(page.locator("#head .state")).to_have_text("succeeded")
    expect(page.locator(".printed")).to_have_text("7 0.5 large false <<b>'\">")


def test_who_may_not_is_offered_nothing(http: httpx.Client, site: str, desk: Desk) -> None:
    number = hand_in(site, desk, "sleep 600")
    enter(http, token_of(desk, scopes=["read"]))
    text = http.get(f"/jobs/{number}").text
    assert "Cancel" not in text and "New job" not in http.get("/jobs").text
    word = form_word(http)
    for path in (f"/jobs/{number}/cancel", f"/jobs/{number}/retry"):
        assert http.post(path, data={"form": word}).status_code == 403
    assert http.get("/jobs/new").status_code == 403
    said = {"form": word, "once": "1" * 32, "command": "true"}
    assert http.post("/jobs/new", data=said).status_code == 403
    http.cookies.clear()
    enter(http, token_of(desk, scopes=["read", "submit"]))
    assert "Command" not in http.get("/jobs/new").text
    assert http.post("/jobs/new", data={**said, "form": form_word(http)}).status_code == 403
    assert count(desk) == 1


def test_a_machine_that_is_away_holds_no_page_up(
    http: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    put(desk, 1, attempt=1, number=7, body='{"command":"some command"}')
    enter(http, token_of(desk))
    monkeypatch.setattr(job, "PATIENCE", 0.05)
    for name in ("size", "details", "why"):
        monkeypatch.setattr(Inquiries, name, never)
    text = http.get("/jobs/1").text
    assert "has not answered yet" in text and "some command" in text and "can not be had now" in text


def test_what_is_no_picture_is_not_shown_as_one(http: httpx.Client, site: str, desk: Desk) -> None:
    html = b"<html><script>alert(1)</script></html>"
    enter(http, token_of(desk))
    files = (("good.png", PNG), ("bad.png", html), ("page.html", html), ("x.svg", b"<svg onload='alert(1)'/>"))
    command = "\n".join(picture(name, data) for name, data in files)
    http.post("/jobs/new", data={"form": form_word(http), "once": "2" * 32, "command": command, "keeps": "on"})
    until(lambda: http.get("/jobs/1").text.count('id="file-') == len(files), "all files")
    found = http.get("/api/v1/jobs/1/artifacts", headers={"authorization": f"Bearer {token_of(desk)}"})
    for one in found.json()["artifacts"]:
        answer = http.get(f"/jobs/1/files/{one['uuid']}")
        is_good = one["name"] == "good.png"
        assert answer.headers["content-type"] == ("image/png" if is_good else "application/octet-stream")
        assert answer.headers["content-disposition"].startswith("inline" if is_good else "attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        saved = http.get(f"/jobs/1/files/{one['uuid']}?save=1")
        assert saved.headers["content-disposition"].startswith("attachment")
    text = http.get("/jobs/1").text
    assert text.count("<img") == 2
    assert http.get("/jobs/1/files/00000000-0000-0000-0000-000000000000").status_code == 404
    assert http.get(f"/jobs/{2**63}").status_code == 404


def test_who_was_cut_off_goes_on_at_the_line_that_was_open(http: httpx.Client, site: str, desk: Desk) -> None:
    number = hand_in(site, desk, "printf 'one\\n\\033[31mtwo\\nth'")
    enter(http, token_of(desk))
    until(lambda: "succeeded" in http.get(f"/jobs/{number}").text, "its end")

    def told(last: str | None) -> list[str]:
        headers = {"accept": "text/event-stream", **({} if last is None else {"last-event-id": last})}
        return http.get(f"/jobs/{number}/output", headers=headers).text.split("\n\n")

    rows = [[0, [["one", ""]]], [1, [["two", "f1"]]], [2, [["th", "f1"]]]]
    first = told(None)
    assert first[1].startswith("id: 0,0,0\n") and first[2] == "event: end\ndata: 0"
    assert json.loads(first[1].partition("data: ")[2]) == {"rows": rows, "top": 0, "end": 3, "gap": ""}
    again = told("13,2,2;31")
    assert json.loads(again[1].partition("data: ")[2]) == {"rows": rows[2:], "top": 2, "end": 3, "gap": ""}
    for wrong in ("x", "-1", "1;x", "0"):
        assert http.get(f"/jobs/{number}/output?from={wrong}").status_code == 422
    assert http.get(f"/jobs/{number}/output?stream=both").status_code == 422


def test_who_comes_again_much_later_has_the_end_and_is_told_so(http: httpx.Client, site: str, desk: Desk) -> None:
    number = hand_in(site, desk, "seq 300000")
    enter(http, token_of(desk))
    until(lambda: "succeeded" in http.get(f"/jobs/{number}").text, "its end")
    answer = http.get(f"/jobs/{number}/output?from=14,7,7", headers={"accept": "text/event-stream"}).text
    (said,) = re.findall(r"^id: .*\ndata: (.*)$", answer, re.MULTILINE)
    told = json.loads(said)
    lines = [line[0][0] for _, line in told["rows"]]
    assert told["gap"] == "a part is left out here" and told["rows"][0][0] > 1_500_000
    assert len(lines) > 500 and lines == [str(one) for one in range(300_001 - len(lines), 300_001)]
