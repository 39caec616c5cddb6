"""Pipelines, items and claims over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.api.test_jobs import refused
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.live.machine import DEADLINE

PLAIN = {"stages": [{"name": "cut", "lifetime": 600, "tries": 1}, {"name": "paste"}, {"name": "done"}]}
ENDLESS = Limits(rate=1e6, burst=10**6, requests=10_000)


@pytest.fixture
def port(desk: Desk) -> Iterator[int]:
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        yield port


@pytest.fixture
def ann(desk: Desk, port: int) -> Iterator[httpx.Client]:
    """Somebody with a pipeline, who may do with it what one may with one's own."""
    with client(port, bearer(desk, "ann", ("read", "submit"), ENDLESS)) as asking:
        assert asking.put("/stages/p", json=PLAIN).status_code == 201
        yield asking


def add(api: httpx.Client, *items: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/stages/p/items", json={"items": list(items)})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def claim(api: httpx.Client, stage: int | str = 0, **said: Any) -> list[dict[str, Any]]:
    answer = api.post("/stages/p/claims", json={"stage": stage, **said})
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()["items"]) if answer.status_code == 200 else []


def ended(api: httpx.Client, item: dict[str, Any], how: str = "finish", **said: Any) -> httpx.Response:
    return api.post(f"/stages/p/claims/{item['claim']}/{how}", json=said)


def test_an_item_goes_through_its_stages(ann: httpx.Client) -> None:
    said = {"command": {"seed": 7}, "file": "a"}
    assert add(ann, said) == {"count": 1, "first": 1, "skipped": [], "repeated": False}
    (item,) = claim(ann, "cut", worker="w1")
    assert (item["command"], item["file"], item["state"], item["worker"]) == ({"seed": 7}, "a", "claimed", "w1")
    assert ended(ann, item, "renew", seconds=5).json()["due"] < item["due"]
    done = ended(ann, item, result=[1, None], file="b").json()
    assert done == {"number": 1, "stage": 0, "target": 1, "due": None, "repeated": False}
    assert ended(ann, item).json() == {**done, "repeated": True}
    (item,) = claim(ann, 1)
    assert (item["result"], item["file"], item["worker"]) == ([1, None], "b", "ann")
    assert ended(ann, item, stage="done").json()["target"] == 2
    refused(ended(ann, item, stage=1), 409, "conflict")
    found = ann.get("/stages/p/items/1").json()
    assert [one["what"] for one in found["history"]] == ["added", *["claimed", "finished"] * 2]
    assert "claim" not in found and found["stage"] == 2
    assert [stage["total"] for stage in ann.get("/stages/p").json()["stages"]] == [0, 0, 1]
    assert claim(ann) == [] and "means done" in refused(
        ann.post("/stages/p/claims", json={"stage": 2}), 422, "bad_request"
    )


def test_what_failed_is_flagged_and_comes_again_so_many_times(ann: httpx.Client) -> None:
    add(ann, {})
    for state in ("free", "stuck"):
        (item,) = claim(ann)
        assert ended(ann, item, "release", failed=True, detail="exit 3").status_code == 200
        found = ann.get("/stages/p/items/1").json()
        assert (found["state"], found["flagged"], found["history"][-1]["detail"]) == (state, True, "exit 3")
        refused(ended(ann, item, "renew"), 409, "void_claim")
    assert claim(ann) == []
    assert ann.post("/stages/p/requeue", json={"from": 0, "to": "cut"}).json() == {"count": 1}
    assert claim(ann)[0]["tries"] == 0


def test_items_may_come_as_lines(ann: httpx.Client) -> None:
    lines = b'{"number": 3, "command": 1}\n\n{"number": 4, "stage": "paste"}\n'
    kind = {"content-type": "application/x-ndjson; charset=utf-8"}
    for status, count in ((201, 2), (200, 0)):
        answer = ann.post("/stages/p/items", content=lines, headers=kind)
        assert (answer.status_code, answer.json()["count"]) == (status, count)
    wrong: bytes
    for wrong in (b"{", b'{"number": -1}', b'{"strange": 1}', b"[]", b"\n", b'{"command": NaN}'):
        refused(ann.post("/stages/p/items", content=wrong, headers=kind), 422, "bad_request")
    deep = b'{"command": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    refused(ann.post("/stages/p/items", content=deep, headers=kind), 422, "bad_request")
    assert "65536 are the limit" in refused(
        ann.post("/stages/p/items", json={"items": [{"command": "x" * 65_536}]}), 422, "bad_request"
    )
    refused(ann.post("/stages/p/items", json={"items": [{"number": 9}, {}]}), 422, "bad_request")
    assert [one["number"] for one in ann.get("/stages/p/items").json()["items"]] == [3, 4]


def test_the_same_under_a_key_adds_nothing(ann: httpx.Client) -> None:
    said: dict[str, Any] = {"items": [{}, {}]}
    for status, repeated in ((201, False), (200, True)):
        answer = ann.post("/stages/p/items", json=said, headers={"idempotency-key": "k"})
        assert (answer.status_code, answer.json()["repeated"], answer.json()["first"]) == (status, repeated, 1)
    refused(ann.post("/stages/p/items", json={"items": [{}]}, headers={"idempotency-key": "k"}), 409, "conflict")


def test_items_are_listed_by_what_is_so_of_them(ann: httpx.Client) -> None:
    add(ann, *[{"stage": at % 2} for at in range(10)])
    for item in claim(ann, count=2, worker="w1"):
        ended(ann, item, "release", failed=item["number"] == 1)
    claim(ann, 1, worker="w2", count=3)

    def numbers(**which: Any) -> list[int]:
        return [one["number"] for one in ann.get("/stages/p/items", params=which).json()["items"]]

    assert numbers(stage=0) == [1, 3, 5, 7, 9] and numbers(stage="paste", state="claimed") == [2, 4, 6]
    assert numbers(worker="w2") == [2, 4, 6] and numbers(flagged=True) == [1]
    assert numbers(flagged=False, stage=0, after=3) == [5, 7, 9]
    page = ann.get("/stages/p/items", params={"limit": 4}).json()
    assert page["next"] == 4 and numbers(after=4, limit=9) == [5, 6, 7, 8, 9, 10]
    assert ann.get("/stages/p/items", params={"after": 4}).json()["next"] is None
    refused(ann.get("/stages/p/items", params={"stage": 3}), 422, "bad_request")
    exported = ann.get("/stages/p/export", params={"after": 8})
    assert [json.loads(line)["number"] for line in exported.text.splitlines()] == [9, 10]


def test_long_items_make_short_pages(ann: httpx.Client) -> None:
    for _ in range(2):
        add(ann, *[{"command": "x" * 60_000}] * 90)
    page = ann.get("/stages/p/items", params={"limit": 1_000}).json()
    assert len(page["items"]) == page["next"] == 70
    exported = ann.get("/stages/p/export").text.splitlines()
    assert [json.loads(line)["number"] for line in exported] == list(range(1, 181))


def test_an_item_is_changed_where_nobody_else_has_done_so(ann: httpx.Client) -> None:
    add(ann, {})
    tag = ann.get("/stages/p/items/1").headers["etag"]
    assert ann.get("/stages/p/items/1", headers={"if-none-match": tag}).status_code == 304
    changed = ann.patch("/stages/p/items/1", json={"command": None, "file": "x"}, headers={"if-match": tag})
    assert (changed.status_code, changed.json()["file"]) == (200, "x")
    refused(ann.patch("/stages/p/items/1", json={"stage": 1}, headers={"if-match": tag}), 412, "changed")
    refused(ann.patch("/stages/p/items/1", json={"stage": 1}, headers={"if-match": '"x"'}), 412, "changed")
    (item,) = claim(ann)
    ended(ann, item, "release", failed=True)
    assert ann.patch("/stages/p/items/1", json={"flagged": False}).json()["flagged"] is False
    (item,) = claim(ann)
    assert ann.patch("/stages/p/items/1", json={"stage": "paste"}).json()["state"] == "free"
    refused(ended(ann, item), 409, "void_claim")
    refused(ann.patch("/stages/p/items/2", json={"stage": 1}), 404, "no_item")
    assert ann.delete("/stages/p/items/1").status_code == 204
    refused(ann.delete("/stages/p/items/1"), 404, "no_item")
    refused(ann.get("/stages/p/items/1"), 404, "no_item")


def test_a_pipeline_is_changed_and_forgotten(ann: httpx.Client) -> None:
    add(ann, *[{}] * 1_200)
    (item,) = claim(ann)
    tag = ann.get("/stages/p").headers["etag"]
    add(ann, {})  # what stands at its stages does not matter to who changes them
    assert ann.get("/stages/p", headers={"if-none-match": tag}).status_code == 200
    longer = {"stages": [{"name": "cut", "lifetime": 9}, {}, {}, {}]}
    assert ann.put("/stages/p", json=longer, headers={"if-match": tag}).json()["last"] == 3
    refused(ann.put("/stages/p", json=PLAIN, headers={"if-match": tag}), 412, "changed")
    refused(ann.put("/stages/p", json=PLAIN, headers={"if-none-match": "*"}), 412, "changed")
    ended(ann, item, stage=3)
    assert "1 items at stage 3" in refused(ann.put("/stages/p", json=PLAIN), 409, "conflict")
    some: list[list[dict[str, Any]]]
    some = [[{}], [{"name": "a"}, {"name": "a"}], [{"back": 5}, {}], [{"name": "7"}, {}], [{"over": "x"}, {}]]
    for wrong in some:
        refused(ann.put("/stages/p", json={"stages": wrong}), 422, "bad_request")
    assert [one["name"] for one in ann.get("/stages").json()["pipelines"]] == ["p"]
    assert ann.delete("/stages/p/items", params={"number": [1, 2]}).json() == {"count": 2}
    assert ann.delete("/stages/p").status_code == 204
    refused(ann.get("/stages/p"), 404, "no_pipeline")
    refused(ended(ann, item), 404, "no_pipeline")
    assert ann.put("/stages/p", json=PLAIN).status_code == 201
    assert ann.get("/stages/p/items").json() == {"items": [], "next": None}


def test_others_see_nothing_and_administrators_all(ann: httpx.Client, desk: Desk, port: int) -> None:
    add(ann, {})
    with client(port, bearer(desk, "ben", ("read", "submit"), ENDLESS)) as ben:
        for asked in ("/stages/p", "/stages/p/items", "/stages/p/items/1", "/stages/p/export"):
            refused(ben.get(asked), 404, "no_pipeline")
            refused(ben.get(asked, params={"owner": "ann"}), 404, "no_pipeline")
        refused(ben.post("/stages/p/claims", json={"stage": 0}, params={"owner": "ann"}), 404, "no_pipeline")
        assert ben.get("/stages").json() == {"pipelines": [], "next": None}
        assert ben.put("/stages/p", json=PLAIN).status_code == 201
        assert claim(ben) == []
        (item,) = claim(ann)
        refused(ended(ben, item), 409, "void_claim")
    with client(port, bearer(desk, "root", ("read", "submit", "admin"))) as root:
        assert [one["owner"] for one in root.get("/stages").json()["pipelines"]] == ["ann", "ben"]
        page = root.get("/stages", params={"limit": 1}).json()
        assert root.get("/stages", params={"after": page["next"]}).json()["pipelines"][0]["owner"] == "ben"
        assert root.get("/stages/p/items/1", params={"owner": "ann"}).json()["number"] == 1
        refused(root.get("/stages/p"), 404, "no_pipeline")
    with client(port, bearer(desk, "ann", ("read",))) as reader:
        refused(reader.post("/stages/p/claims", json={"stage": 0}), 403, "forbidden")
        refused(reader.put("/stages/p", json=PLAIN), 403, "forbidden")
        refused(reader.delete("/stages/p"), 403, "forbidden")
    with client(port, bearer(desk, "ann", ("submit",))) as worker:
        refused(worker.get("/stages/p"), 403, "forbidden")


def test_who_waits_is_given_what_comes(ann: httpx.Client, desk: Desk) -> None:
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(claim, ann, wait=60) for _ in range(3)]
        here = stand(desk, 3)
        add(ann, {}, {})
        until(lambda: desk.hub.queues.count(here) == 1)
        add(ann, {})
        found = sorted(one["number"] for each in waiting for one in each.result(DEADLINE))
    assert found == [1, 2, 3]
    assert claim(ann, wait=0.05) == []


def stand(desk: Desk, count: int) -> tuple[int, int]:
    until(lambda: desk.hub.queues.count((1, 0)) == count)
    return (1, 0)


def until(is_so: Any) -> None:
    """What has no event of its own to be waited for."""
    rest = threading.Event()
    for _ in range(int(DEADLINE * 100)):
        if is_so():
            return
        rest.wait(0.01)
    raise AssertionError("it did not come")


def test_who_goes_while_he_waits_gets_nothing(ann: httpx.Client, desk: Desk) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ann.post("/stages/p/claims", json={"stage": 0, "wait": 60}, timeout=0.3)
    until(lambda: desk.hub.queues.count((1, 0)) == 0)
    add(ann, {})
    assert len(claim(ann)) == 1
    assert [one["what"] for one in ann.get("/stages/p/items/1").json()["history"]] == ["added", "claimed"]


def test_an_owner_has_so_many_items(desk: Desk, port: int) -> None:
    with client(port, bearer(desk, "ann", ("read", "submit"), Limits(items=3))) as few:
        few.put("/stages/p", json=PLAIN)
        add(few, {}, {})
        refused(few.post("/stages/p/items", json={"items": [{}, {}]}), 409, "too_many_items")
        add(few, {})


def test_events_say_what_stands_where(ann: httpx.Client) -> None:
    add(ann, {}, {})
    claim(ann, count=2)
    told = ann.get("/events", params={"kind": "stage.moved"}).json()["events"]
    assert told[-1]["data"] == {
        "owner": "ann",
        "pipeline": "p",
        "stages": [{"stage": 0, "total": 2, "claimed": 2, "flagged": 0}],
        "steps": {"claimed": 2},
    }
    ann.delete("/stages/p")
    kinds = [one["type"] for one in ann.get("/events").json()["events"]]
    assert kinds == ["stage.defined", "stage.moved", "stage.moved", "stage.deleted"]
