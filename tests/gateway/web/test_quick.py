"""What is answered before FastAPI looks at it is answered as FastAPI has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.identity.guard import App, Receive, Scope, Send
from sjs.gateway.web.api.quick import Quick
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.live.machine import until

JSON = {"content-type": "application/json"}
LOOKS: list[tuple[str, dict[str, str]]] = [
    ("/jobs/1", {}),
    ("/jobs/1?x=1", {}),
    ("/jobs/1", {"if-none-match": '"1-2"'}),
    ("/jobs/1", {"if-none-match": "*"}),
    ("/jobs/1", {"if-none-match": ""}),
    ("/jobs/1", {"if-none-match": 'W/"1-2", "2-1"'}),
    ("/jobs/2", {}),
    ("/jobs/01", {}),
    ("/jobs/0", {}),
    ("/jobs/-1", {}),
    ("/jobs/x", {}),
    ("/jobs/%31", {}),
    ("/jobs/999999999999999999", {}),
    ("/jobs/9223372036854775807", {}),
    ("/jobs/9223372036854775808", {}),
]
WRONG: list[tuple[bytes, dict[str, str]]] = [
    (b"", JSON),
    (b"{", JSON),
    (b"{}", JSON),
    (b"[]", JSON),
    (b"\xff", JSON),
    (b'{"command": ""}', JSON),
    (b'{"command": "true", "argv": ["true"]}', JSON),
    (b'{"command": "true", "options": {"nice": 20}}', JSON),
    (b'{"command": "true", "options": {"nice": NaN}}', JSON),
    (b'{"command": "true", "what": 1}', JSON),
    (b'{"command": "true", "target": "nobody"}', JSON),
    (b'{"spec": "none"}', JSON),
    (b'{"command": "true"}', {"content-type": "text/plain"}),
    (b'{"command": "true"}', {}),
    (b'{"command": "true"}', {**JSON, "idempotency-key": ""}),
    (b'{"command": "true"}', {**JSON, "idempotency-key": "a b"}),
    (b'{"command": "true"}', {**JSON, "idempotency-key": "k" * 201}),
    (b'{"command": "other"}', {**JSON, "idempotency-key": "k"}),
]
CLAIMS: list[tuple[str, bytes, dict[str, str]]] = [
    ("", b"", JSON),
    ("", b"{", JSON),
    ("", b"[]", JSON),
    ("", b"{}", JSON),
    ("", b'{"stage": 9}', JSON),
    ("", b'{"stage": 2}', JSON),
    ("", b'{"stage": -1}', JSON),
    ("", b'{"stage": 1}', JSON),
    ("", b'{"stage": 1, "wait": 0.01}', JSON),
    ("", b'{"stage": 0, "wait": NaN}', JSON),
    ("", b'{"stage": 0, "count": 0}', JSON),
    ("", b'{"stage": "none"}', JSON),
    ("", b'{"stage": 1}', {"content-type": "text/plain"}),
    (f"/{'0' * 32}/finish", b"", {}),
    (f"/{'0' * 32}/finish", b"{}", JSON),
    (f"/{'0' * 32}/finish", b'{"stage": 7}', JSON),
    (f"/{'0' * 32}/finish", b'{"strange": 7}', JSON),
    (f"/{'x' * 32}/finish", b"{}", JSON),
]


@pytest.fixture
def both(desk: Desk) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """The same API, and without what is quick."""
    whole, slow = native(desk, {}), native(desk, {})

    class Never(Quick):
        async def left(self, scope: Scope, receive: Receive, send: Send) -> Receive:
            return receive

    slow.quick = Never(desk, {})  # type: ignore[attr-defined]
    headers = bearer(desk)
    apps: list[App] = [guarded(desk, app, [HOST]) for app in (whole, slow)]
    with ExitStack() as stack:
        ports = [stack.enter_context(served(desk, app)) for app in apps]
        quick, slower = (stack.enter_context(client(port, headers)) for port in ports)
        yield quick, slower


def test_answers_are_the_same(both: tuple[httpx.Client, httpx.Client]) -> None:
    quick, slow = both
    made = quick.post("/jobs", json={"command": "true", "options": {"hold": True}}, headers={"idempotency-key": "k"})
    assert (made.status_code, made.json()) == (201, {"id": 1, "repeated": False})
    until(lambda: quick.get("/jobs/1").json()["at"] is not None, "that a target has it")  # it changes no more
    for path, headers in LOOKS:
        one, other = (api.get(path, headers=headers) for api in both)
        assert told(one) == told(other), path
    for body, headers in WRONG:
        one, other = (api.post("/jobs", content=body, headers=headers) for api in both)
        assert told(one) == told(other), body
        assert other.status_code >= 400, body
    for api in both:
        known = api.post("/jobs", json={"command": "true", "options": {"hold": True}}, headers={"idempotency-key": "k"})
        assert (known.status_code, known.json()) == (200, {"id": 1, "repeated": True})
    one, other = (api.post("/jobs", json={"argv": ["true"], "options": {"hold": True}}) for api in both)
    assert told(one, str(one.json()["id"])) == told(other, str(other.json()["id"]))


def test_claims_are_answered_as_well(both: tuple[httpx.Client, httpx.Client]) -> None:
    quick, _ = both
    quick.put("/stages/p", json={"stages": [{}, {"name": "more"}, {}]})
    quick.post("/stages/p/items", json={"items": [{}] * 2})
    for pipeline in ("p", "none", "%70", "-"):
        for path, body, headers in CLAIMS:
            one, other = (api.post(f"/stages/{pipeline}/claims{path}", content=body, headers=headers) for api in both)
            assert told(one) == told(other), (pipeline, path, body)
    for number, api in enumerate(both, 1):
        (item,) = api.post("/stages/p/claims", json={"stage": 0}).json()["items"]
        done = [api.post(f"/stages/p/claims/{item['claim']}/finish", json={"result": 1}) for _ in range(2)]
        assert [(one.status_code, one.json()["repeated"]) for one in done] == [(200, False), (200, True)]
        assert done[0].json()["number"] == number


def told(answer: httpx.Response, mine: str = "") -> Any:
    """What is the same whenever the same is asked. `mine`: the id of what was made."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    body = answer.text
    if "problem" in headers.get("content-type", ""):
        body = json.dumps({**answer.json(), "request": ""})
        headers.pop("content-length")
    if mine:
        headers["location"], body = headers["location"].replace(mine, "N"), body.replace(mine, "N")
    return answer.status_code, headers, body
