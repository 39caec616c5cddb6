"""Sweeps, as people see them."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from sjs.core.metrics import Measured
from sjs.gateway.desk import Desk
from sjs.gateway.engine.courses import Courses
from sjs.gateway.engine.office import Office
from sjs.gateway.web.pages import tried
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import become, everybody_can_use, token_of
from tests.live.machine import DEADLINE


def sweep(site: str, desk: Desk, owner: str = "ann", **said: Any) -> None:
    answer = httpx.post(f"{site}/api/v1/sweeps", json=said, headers=bearer(desk, owner), timeout=DEADLINE)
    assert answer.status_code == 201, answer.text


def first_column(page: Page) -> list[str]:
    return page.locator("#settings tbody td[data-label=n]").all_inner_texts()


def test_one_sorts_by_a_metric_and_sees_the_best(page: Page, site: str, desk: Desk) -> None:
    command = "v={n}; echo {kind} loss=$(( (v - 3) * (v - 3) )) acc=$v"
    sweep(site, desk, name="tune", command=command, parameters={"n": [1, 2, 3, 4, 5], "kind": ["<b>x</b>"]})
    page.goto("/sweeps")
    page.get_by_role("link", name="tune").click()
    expect(page.locator("#settings").get_by_text("succeeded")).to_have_count(5)
    expect(page.get_by_role("columnheader", name="loss")).to_be_visible()
    page.get_by_role("columnheader", name="acc").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="acc")).to_have_attribute("aria-sort", "ascending")
    assert first_column(page) == ["1", "2", "3", "4", "5"]
    page.get_by_role("columnheader", name="acc").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="acc")).to_have_attribute("aria-sort", "descending")
    assert first_column(page) == ["5", "4", "3", "2", "1"]
    page.get_by_label("Best").select_option("min:loss")
    page.get_by_label("Sorted by").select_option("")
    page.get_by_role("button", name="Show").click()
    best = page.locator("#settings tr.best")
    expect(best).to_have_count(1)
    expect(best.get_by_role("cell", name="3", exact=True).first).to_be_visible()
    assert first_column(page)[0] == "3"
    expect(page.locator("p.best")).to_contain_text("n=3")
    expect(page.get_by_role("cell", name="<b>x</b>")).to_have_count(5)
    expect(page.locator(".scatter circle")).to_have_count(5)
    expect(page.locator(".parallel path")).to_have_count(5)
    job = best.get_attribute("data-job")
    page.locator(f".scatter a[data-job='{job}']").focus()
    expect(page.locator("#settings tr.best.lit")).to_have_count(1)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="The table as CSV").click()
    assert Path(waiting.value.path()).read_text().count("succeeded") == 5


def test_what_failed_runs_again_and_what_runs_is_ended(page: Page, site: str, desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    command = f"test -e {gate} || exit 3; : {{n}}; exec sleep 600"
    sweep(site, desk, name="again", command=command, parameters={"n": [1, 2]})
    page.goto("/sweeps/again")
    expect(page.locator("#settings").get_by_text("failed")).to_have_count(2)
    gate.touch()
    page.get_by_role("button", name="Run again what failed").click()
    expect(page.locator("#settings").get_by_text("running")).to_have_count(2)
    page.get_by_role("button", name="Cancel all of it").click()
    expect(page.locator("#settings").get_by_text("cancelled")).to_have_count(2)
    expect(page.get_by_role("button", name="Cancel all of it")).to_have_count(0)


def test_what_jobs_have_printed_is_shown_once_it_is_known(
    page: Page, site: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last job nothing happens any more; the page asks on until that is there."""
    says, measured = threading.Event(), Office.measured

    def late(office: Office, name: str, attempts: Any) -> Measured:
        assert says.wait(DEADLINE)
        return measured(office, name, attempts)

    monkeypatch.setattr(Office, "measured", late)
    sweep(site, desk, name="late", command="echo loss={n}", parameters={"n": [1, 2]})
    page.goto("/sweeps/late")
    expect(page.locator("#settings").get_by_text("succeeded")).to_have_count(2)
    expect(page.locator("main")).to_have_attribute("data-every", "3")
    expect(page.get_by_text("Of 2 jobs nobody has read yet what they have printed.")).to_be_visible()
    says.set()
    expect(page.get_by_role("columnheader", name="loss")).to_be_visible()
    expect(page.locator("main[data-every]")).to_have_count(0)


def test_why_no_more_begin_is_shown_once_it_is_known(
    page: Page, site: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may be after its last job has ended, with which nothing happens any more."""
    sees, go_on = threading.Event(), Courses._go_on

    def late(courses: Courses, row: Any) -> None:
        assert sees.wait(DEADLINE)
        go_on(courses, row)

    monkeypatch.setattr(Courses, "_go_on", late)
    sweep(site, desk, name="late", command="exit {n}", parameters={"n": [1]}, stop_after_failures=1)
    page.goto("/sweeps/late")
    expect(page.locator("#settings").get_by_text("failed")).to_have_count(1)
    expect(page.locator("main")).to_have_attribute("data-every", "3")
    expect(page.locator("p.trouble")).to_have_count(0)
    sees.set()
    expect(page.locator("p.trouble")).to_contain_text("No more of it begin: 1 of ")
    expect(page.locator("main[data-every]")).to_have_count(0)


def test_what_has_the_focus_keeps_it_wherever_it_comes(page: Page, site: str, desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = f"[ {{n}} = 1 ] || cat {gate}; echo acc={{n}}"
    sweep(site, desk, name="kept", command=command, parameters={"n": [1, 2]})
    page.goto("/sweeps/kept?best=max:acc")
    expect(page.locator("p.best")).to_contain_text("n=1")
    assert first_column(page) == ["1", "2"]
    second = page.locator("#settings tbody tr").nth(1).get_by_role("link")
    job = second.inner_text()
    second.focus()
    expect(page.locator(f"#setting-{job}.lit")).to_have_count(1)
    gate.write_text("")
    expect(page.locator("p.best")).to_contain_text("n=2")
    assert first_column(page) == ["2", "1"]
    expect(page.locator(f"#setting-{job} a")).to_be_focused()
    expect(page.locator(f"#setting-{job}.lit, .scatter .lit, .parallel .lit")).to_have_count(3)


def test_a_sweep_of_somebody_else_is_not_there_but_for_administrators(page: Page, site: str, desk: Desk) -> None:
    sweep(site, desk, "bob", name="hers", command="true {n}", parameters={"n": [1]})
    page.goto("/sweeps")
    page.get_by_role("link", name="hers").click()
    expect(page.get_by_role("heading", name="hers")).to_be_visible()
    become(page, token_of(desk, "eve", ["read", "submit", "cancel"]))
    page.goto("/sweeps")
    expect(page.get_by_text("There are no sweeps yet")).to_be_visible()
    for path in ("/sweeps/hers", "/sweeps/hers?owner=bob", "/sweeps/hers/results.csv?owner=bob"):
        answer = page.request.get(path)
        assert answer.status in (403, 404), path
    form = page.locator("input[name=form]").first.get_attribute("value") or ""
    for what in ("cancel", "retry"):
        answer = page.request.post("/sweeps/hers", form={"form": form, "what": what, "owner": "bob"})
        assert answer.status in (403, 404)


def test_who_only_looks_is_offered_nothing_else(page: Page, site: str, desk: Desk) -> None:
    sweep(site, desk, "bob", name="held", command="true {n}", parameters={"n": [1]}, options={"hold": True})
    become(page, token_of(desk, "bob", ["read"]))
    page.goto("/sweeps/held")
    expect(page.get_by_text("of 1 settings")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel all of it")).to_have_count(0)
    form = page.locator("input[name=form]").first.get_attribute("value") or ""
    assert page.request.post("/sweeps/held", form={"form": form, "what": "cancel"}).status == 403


def test_what_is_asked_for_and_is_none_is_said(page: Page, site: str, desk: Desk) -> None:
    sweep(site, desk, name="odd", command="true {n}", parameters={"n": [1]})
    for query in ("state=x", "start=x", "start=-1", f"sort={'x' * 300}", "best=x", "best=min:"):
        assert page.request.get(f"/sweeps/odd?{query}").status == 422, query
    for query in ("sort=nothing", "best=min:nothing", "x=no&y=no&colour=no", "start=99999999", "sort=%3Cb%3E"):
        assert page.request.get(f"/sweeps/odd?{query}").status == 200, query


def test_many_settings_are_shown_a_part_at_a_time(page: Page, site: str, desk: Desk) -> None:
    count = 2 * tried.ROWS + 50
    options = {"hold": True}
    sweep(site, desk, name="many", command="true {n}", parameters={"n": list(range(count))}, options=options)
    answer = page.request.get("/sweeps/many")
    assert len(answer.body()) < 150_000
    page.goto("/sweeps/many?sort=-n")
    assert first_column(page)[0] == str(count - 1)
    page.get_by_role("link", name="More").click()
    page.get_by_role("link", name="More").click()
    assert first_column(page)[-1] == "0"
    assert len(first_column(page)) == 50


def test_everybody_can_use_it(page: Page, site: str, desk: Desk, axe: Path) -> None:
    command = "python3 -c 'import sys; a, b = map(float, sys.argv[1:3]); "
    command += 'print(f"loss={(a - .01) ** 2 * 1000 + b / 100} acc={1 - a * b / 9}")\' {lr} {bs} {activation}'
    lists = {"lr": "log:1e-4..1e-1:7", "bs": [16, 32], "activation": ["relu", "gelu"]}
    sweep(site, desk, name="look", command=command, parameters=lists)
    page.goto("/sweeps/look?best=min:loss")
    expect(page.locator("#settings").get_by_text("succeeded")).to_have_count(28)
    expect(page.locator(".scatter circle")).to_have_count(28)
    everybody_can_use(page, axe, "sweep")


def test_how_it_goes_on_and_what_it_was_handed_in_for(page: Page, site: str, desk: Desk) -> None:
    """The best is marked by its own metric, until somebody wants another one, or none."""
    how: dict[str, Any] = {"metric": "max:acc", "max_running": 2, "stop_after_failures": 1, "stop_rule": "median:loss"}
    sweep(site, desk, name="how", command="v={n}; echo acc=$v; [ $v != 3 ]", parameters={"n": [1, 2, 3]}, **how)
    page.goto("/sweeps/how")
    expect(page.locator("#standing")).to_contain_text("It has 2 jobs at a time. No more begin after 1 failure.")
    expect(page.locator("#standing")).to_contain_text("Who is behind by median:loss is ended.")
    expect(page.locator("p.trouble")).to_contain_text("No more of it begin: 1 of ")
    expect(page.locator("#settings").get_by_text("succeeded")).to_have_count(2)
    expect(page.locator("p.best")).to_contain_text("n=2")
    assert first_column(page) == ["2", "1", "3"]
    page.locator("select[name=best]").select_option("none")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("p.best")).to_have_count(0)
    assert first_column(page) == ["1", "2", "3"]
    page.locator("select[name=best]").select_option("min:acc")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("p.best")).to_contain_text("n=1")
