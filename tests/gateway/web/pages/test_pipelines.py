"""Pipelines, as people see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from sjs.errors import BadRequest
from sjs.gateway.desk import Desk
from sjs.gateway.records.stages.values import Counts, Pipeline, Stage
from sjs.gateway.web.pages.pipelines import bars, lasting, progress, stages_of
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import become, everybody_can_use, token_of
from tests.live.machine import DEADLINE

STAGES = {"stages": [{"name": "cut"}, {"name": "train", "lifetime": 600}, {"name": "done"}]}


@pytest.fixture
def http(site: str, desk: Desk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{site}/api/v1", headers=bearer(desk), timeout=DEADLINE) as client:
        yield client


def made(http: httpx.Client, count: int, name: str = "scans", command: Any = "x") -> None:
    assert http.put(f"/stages/{name}", json=STAGES).status_code == 201
    items = [{"command": command} for _ in range(count)]
    assert http.post(f"/stages/{name}/items", json={"items": items}).status_code == 201


def claimed(http: httpx.Client, stage: int = 0, **said: Any) -> dict[str, Any]:
    found = http.post("/stages/scans/claims", json={"stage": stage, "worker": "<i>w1</i>", **said})
    assert found.status_code == 200, found.text
    return dict(found.json()["items"][0])


def test_a_stage_moves_while_workers_claim_and_finish(page: Page, http: httpx.Client) -> None:
    made(http, 3, command={"do": "<script>alert(1)</script>"})
    page.goto("/pipelines")
    page.get_by_role("link", name="scans").click()
    expect(page.locator("#done")).to_have_text("0 of 3 done.")
    expect(page.locator("#item-1")).to_contain_text("<script>")
    item = claimed(http)
    expect(page.locator("#stage-0 td[data-label=Claimed]")).to_have_text("1")
    expect(page.locator(".workers")).to_contain_text("<i>w1</i>")
    http.post(f"/stages/scans/claims/{item['claim']}/finish").raise_for_status()
    expect(page.locator("#stage-1 td[data-label=All]")).to_have_text("1")
    item = claimed(http, 1)
    http.post(f"/stages/scans/claims/{item['claim']}/finish").raise_for_status()
    expect(page.locator("#done")).to_have_text("1 of 3 done.")
    page.locator("#stage-2").get_by_role("link").click()
    expect(page.locator("#items tbody tr")).to_have_count(1)


def test_whose_time_is_over_and_what_is_done_is_seen(page: Page, http: httpx.Client) -> None:
    stages = [{"name": "cut", "lifetime": 0.05, "over": "flag"}, {"name": "done"}]
    http.put("/stages/short", json={"stages": stages}).raise_for_status()
    items = [{"command": 1}, {"command": 2, "stage": 1}]
    http.post("/stages/short/items", json={"items": items}).raise_for_status()
    http.post("/stages/short/claims", json={"stage": 0, "worker": "slow"}).raise_for_status()
    page.goto("/pipelines/short")
    expect(page.locator(".workers li")).to_have_text("slow has 1 1 expired")
    expect(page.locator("#item-1 td[data-label=State]")).to_have_text("claimed flagged")
    expect(page.locator("#item-2 td[data-label=State]")).to_have_text("done")
    expect(page.get_by_label("seconds at stage 1")).to_have_count(0)


def test_what_is_flagged_is_seen_and_seen_to(page: Page, http: httpx.Client) -> None:
    made(http, 2)
    item = claimed(http)
    http.post(f"/stages/scans/claims/{item['claim']}/release", json={"failed": True, "detail": "<b>no</b>"})
    page.goto("/pipelines/scans")
    page.locator("#stage-0 td[data-label=Flagged] a").click()
    expect(page.locator("#items tbody tr")).to_have_count(1)
    page.locator("#items").get_by_role("link", name="1").click()
    expect(page.locator("#history")).to_contain_text("<b>no</b>")
    page.get_by_role("button", name="It is seen to").click()
    expect(page.get_by_role("button", name="It is seen to")).to_have_count(0)
    page.get_by_label("To stage").fill("2")
    page.get_by_role("button", name="Move").click()
    expect(page.locator("#facts")).to_contain_text("2 done")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#done")).to_have_text("0 of 1 done.")


def test_lifetimes_are_set_items_moved_and_all_of_it_forgotten(page: Page, http: httpx.Client) -> None:
    made(http, 3)
    page.goto("/pipelines/scans")
    page.get_by_label("seconds at stage 0").fill("90")
    page.get_by_role("button", name="Set the lifetime of stage 0").click()
    expect(page.get_by_label("seconds at stage 0")).to_have_value("90")
    assert [one["lifetime"] for one in http.get("/stages/scans").json()["stages"]] == [90, 600, 0]
    page.get_by_text("Move, or delete").click()
    page.get_by_role("textbox", name="Items at stage").fill("0")
    page.get_by_role("textbox", name="to stage", exact=True).fill("2")
    page.get_by_label("flagged ones only").uncheck()
    page.get_by_role("button", name="Move them").click()
    expect(page.locator("#done")).to_have_text("3 of 3 done.")
    page.get_by_text("Move, or delete").click()
    page.get_by_label("Its name").fill("scans")
    page.get_by_role("button", name="Delete the pipeline").click()
    expect(page.get_by_text("There are no pipelines yet")).to_be_visible()
    assert http.get("/stages/scans").status_code == 404


def test_who_is_somebody_else_or_only_looks_changes_nothing(page: Page, http: httpx.Client, desk: Desk) -> None:
    made(http, 1)
    for owner, scopes, status in (("bob", ("read", "submit"), 404), ("ann", ("read",), 403)):
        become(page, token_of(desk, owner, scopes))
        page.goto("/")
        assert page.request.get("/pipelines/scans").status == (404 if owner == "bob" else 200)
        assert page.request.get("/pipelines/scans?owner=ann").status == (404 if owner == "bob" else 200)
        form = page.locator("input[name=form]").first.get_attribute("value") or ""
        for what in ("lifetime", "requeue", "remove", "delete"):
            said = {"form": form, "what": what, "stage": "0", "target": "1", "version": "1", "sure": "scans"}
            assert page.request.post("/pipelines/scans", form={**said, "owner": "ann"}).status == status, what
        for what in ("move", "unflag", "remove"):
            said = {"what": what, "target": "1", "owner": "ann"}
            assert page.request.post("/pipelines/scans/1", form={**said, "form": form}).status == status, what
        assert page.request.post("/pipelines/scans", form={"what": "delete", "sure": "scans"}).status == 403
    assert http.get("/stages/scans").json()["stages"][0]["total"] == 1


def test_what_is_asked_for_and_is_none_is_said(page: Page, http: httpx.Client) -> None:
    made(http, 1)
    for path in ("?stage=x", "?stage=7", "?after=-1", "?state=free", f"?after={'9' * 30}"):
        assert page.request.get(f"/pipelines/scans{path}").status == 422, path
    for path in ("/pipelines/none", "/pipelines/scans/2", f"/pipelines/scans/{2**63}"):
        assert page.request.get(path).status == 404, path
    page.goto("/")
    form = page.locator("input[name=form]").first.get_attribute("value") or ""
    life = {"what": "lifetime", "stage": "0"}
    for said in ({"what": "delete"}, {**life, "seconds": "nan", "version": "1"}, {}):
        assert page.request.post("/pipelines/scans", form={"form": form, **said}).status == 422, said
    old = {**life, "seconds": "1", "version": "99"}
    assert page.request.post("/pipelines/scans", form={"form": form, **old}).status in (409, 412)


def test_everybody_can_use_it(page: Page, http: httpx.Client, axe: Path) -> None:
    made(http, 60, command={"do": "a long command " * 20})
    for _ in range(3):
        claimed(http, count=9)
    page.goto("/pipelines/scans")
    expect(page.get_by_role("link", name="More items")).to_be_visible()
    for path in ("/pipelines/scans", "/pipelines/scans/1"):
        page.goto(path)
        everybody_can_use(page, axe, path[1:].replace("/", "-"))


def test_bars_are_within_and_what_is_done_is_at_the_last_stage() -> None:
    stages = {0: Stage("a"), 1: Stage("b", lifetime=5.0), 2: Stage()}
    counts = {0: Counts(10, 4, 1), 2: Counts(40), 7: Counts(5)}
    pipeline = Pipeline(1, "ann", "p", True, 2, 1, 0.0, 1, stages, counts)
    assert [(one.number, one.total, one.claimed, one.flagged) for one in bars(pipeline, stages_of(pipeline))] == [
        (0, 25, 10, 2.5),
        (1, 0, 0, 0),
        (2, 100, 0, 0),
        (7, 12.5, 0, 0),
    ]
    assert progress(pipeline) == (40, 55)
    assert [one.lifetime for one in lasting(pipeline, 0, "1.5")] == [1.5, 5.0, 0.0]
    assert [one.lifetime for one in lasting(pipeline, 1, "")] == [0.0, 0.0, 0.0]
    for number, text in ((0, "-1"), (0, "x"), (0, "inf"), (0, "nan"), (3, "1")):
        with pytest.raises(BadRequest):
            lasting(pipeline, number, text)
