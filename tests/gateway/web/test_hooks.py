"""Webhooks: whoever has said where to is told, once at least, and knows by whom."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.posting import schedule
from sjs.gateway.records import hooks
from sjs.gateway.records.events import tell
from sjs.gateway.settings import Settings
from sjs.values import replace
from tests.gateway.posting.receiver import Answer, Call, Receiver, receiving
from tests.gateway.web.conftest import bearer
from tests.live.machine import DEADLINE, until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, hooks_allow=["127.0.0.0/8"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries come soon after each other; a day is over soon."""
    monkeypatch.setattr(schedule, "DELAYS", (0.05,) * len(schedule.DELAYS))


def happen(desk: Desk, count: int = 1, kind: str = "job.ended", owner: str = "ann") -> None:
    desk.write(lambda connection: tell(connection, kind, 1.5, [(7, owner, {"state": "failed"})] * count))


def made(api: httpx.Client, url: str, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    answer = api.post("/hooks", json={"url": url, **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def state(api: httpx.Client, hook: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/hooks/{hook['id']}").json())


def is_told(api: httpx.Client, hook: dict[str, Any]) -> bool:
    """Nothing waits for it any more."""
    return bool(state(api, hook)["waiting"] == 0)


def is_signed(call: Call, secret: str) -> bool:
    """As docs/events.md has it."""
    said = f"{call.name}.{call.headers['webhook-timestamp']}.".encode() + call.body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), said, hashlib.sha256).digest()
    return hmac.compare_digest(call.headers["webhook-signature"], "v1," + base64.b64encode(mac).decode())


def test_the_end_of_a_job_is_told_and_signed(api: httpx.Client, receiver: Receiver) -> None:
    hook = made(api, receiver.url, types=["job.ended"])
    number = api.post("/jobs", json={"command": "exit 3"}).json()["id"]
    until(lambda: bool(receiver.calls) and is_told(api, hook), "it is told")
    (call,) = receiver.calls
    said = json.loads(call.body)
    assert (said["type"], said["data"]["id"], said["data"]["exit"]) == ("job.ended", number, 3)
    assert is_signed(call, hook["secret"]) and not is_signed(call, made(api, receiver.url)["secret"])
    assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < DEADLINE
    assert "secret" not in state(api, hook) and hook["secret"] not in api.get("/hooks").text


def test_it_is_told_in_order_of_what_it_wants_to_hear(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    happen(desk, 5)  # before it was made
    hook = made(api, receiver.url, types=["job.ended"])
    for _ in range(10):
        happen(desk, 2)
        happen(desk, 1, "job.running")
        happen(desk, 1, owner="bob")
    until(lambda: len(receiver.calls) >= 20 and is_told(api, hook), "all is told")
    expected = [seq for seq in range(6, 46) if (seq - 6) % 4 < 2]
    assert receiver.events == expected
    assert len({one.name for one in receiver.calls}) == 20


def test_everybodys_jobs_are_told_to_administrators_alone(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    bob = bearer(desk, "bob", ["read", "submit"])
    assert api.post("/hooks", json={"url": receiver.url, "everybody": True}, headers=bob).status_code == 403
    hook = made(api, receiver.url, everybody=True)
    happen(desk, owner="bob")
    until(lambda: bool(receiver.calls) and is_told(api, hook), "it is told")
    assert receiver.events == [1]


@pytest.mark.usefixtures("soon")
def test_what_fails_is_told_again_and_nothing_before_it(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    statuses = iter([500, 429, 204, 503])
    receiver.answer = lambda call: (next(statuses, 204), {})
    hook = made(api, receiver.url)
    happen(desk, 3)
    until(lambda: len(receiver.calls) >= 6 and is_told(api, hook), "all is told")
    assert receiver.events == [1, 1, 1, 2, 2, 3]
    assert len({one.name for one in receiver.calls}) == 3
    assert all(is_signed(one, hook["secret"]) for one in receiver.calls)


@pytest.mark.usefixtures("soon")
def test_what_it_never_takes_holds_up_the_rest_for_a_while_only(
    desk: Desk, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answer = lambda call: (500 if call.event == 1 else 204, {})
    hook = made(api, receiver.url)
    happen(desk, 3)
    until(lambda: bool(state(api, hook)["dead"] == 1) and is_told(api, hook), "it is given up")
    told = receiver.events
    assert told.count(1) == len(schedule.DELAYS) + 1 and (told.count(2), told.count(3)) == (1, 1)
    assert told[: schedule.HOLD] == [1] * schedule.HOLD and told.index(2) < told.index(3)
    (lost,) = api.get(f"/hooks/{hook['id']}/dead").json()["deliveries"]
    assert (lost["body"]["id"], lost["tries"], lost["error"]) == (1, len(schedule.DELAYS) + 1, "it answered 500")

    receiver.answer = lambda call: (204, {})
    assert api.post(f"/hooks/{hook['id']}/dead/{lost['id'] + 99}/redeliver").json() == {"count": 0}
    assert api.post(f"/hooks/{hook['id']}/dead/{lost['id']}/redeliver").json() == {"count": 1}
    until(lambda: bool(state(api, hook)["dead"] == 0) and is_told(api, hook), "it is told after all")
    assert receiver.events[-1] == 1


def test_a_receiver_that_asks_for_time_gets_it(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    receiver.answer = lambda call: (429, {"retry-after": "3000"})
    hook = made(api, receiver.url)
    happen(desk, 2)
    until(lambda: bool(receiver.calls), "it is tried")

    def due() -> list[float]:
        with desk._engine.connect() as connection:
            one = hooks.following(connection, hook["id"], schedule.HOLD)
        return [one.due or 0.0] if one is not None and one.tries else []

    until(lambda: bool(due()), "it is to be tried again")
    assert 2_900 < due()[0] - time.time() <= 3_001
    assert receiver.events == [1]


def test_who_is_gone_is_told_nothing_any_more_until_it_is_resumed(
    desk: Desk, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answer = lambda call: (410, {})
    hook = made(api, receiver.url)
    happen(desk, 2)
    until(lambda: bool(state(api, hook)["ended"]), "it has ended")
    found = state(api, hook)
    assert (found["ended"], found["waiting"], found["dead"]) == ("it answered 410", 0, 2)
    assert receiver.events == [1]
    happen(desk)
    assert api.post(f"/hooks/{hook['id']}/dead/redeliver").status_code == 409

    receiver.answer = lambda call: (204, {})
    assert api.post(f"/hooks/{hook['id']}/resume").json()["ended"] is None
    happen(desk)
    until(lambda: len(receiver.calls) == 2 and is_told(api, hook), "it is told again")
    assert receiver.events == [1, 4]
    assert api.post(f"/hooks/{hook['id']}/dead/redeliver").json() == {"count": 2}
    until(lambda: len(receiver.calls) == 4 and is_told(api, hook), "and of the rest")
    assert receiver.events == [1, 4, 1, 2]


def test_who_never_answers_holds_up_nobody_else(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    waits = threading.Event()

    def never(call: Call) -> Answer:
        waits.wait(DEADLINE)
        return 204, {}

    with receiving() as dead:
        dead.answer = never
        hung = [made(api, dead.url) for _ in range(10)]
        hook = made(api, receiver.url)
        until(lambda: len(desk.couriers._couriers) == 11, "each has its courier")
        happen(desk, 20)
        until(lambda: len(receiver.calls) == 20 and is_told(api, hook), "the other is told")
        assert len(dead.calls) <= 10 and state(api, hung[0])["waiting"] == 20
        for one in hung:
            assert api.delete(f"/hooks/{one['id']}").status_code == 204
        waits.set()
    assert receiver.events == list(range(1, 21))


def test_a_ping_says_what_came_of_it(api: httpx.Client, receiver: Receiver) -> None:
    hook = made(api, receiver.url)
    assert api.post(f"/hooks/{hook['id']}/ping").json() == {"delivered": True, "status": 204, "error": None}
    assert json.loads(receiver.calls[0].body)["type"] == "ping" and is_signed(receiver.calls[0], hook["secret"])
    receiver.answer = lambda call: (302, {"location": "http://169.254.169.254/"})
    found = api.post(f"/hooks/{hook['id']}/ping").json()
    assert (found["delivered"], found["status"]) == (False, 302)


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://169.254.169.254/latest/", "https://[::ffff:127.0.0.1]/"])
def test_a_hook_that_leads_inside_leads_nowhere(api: httpx.Client, url: str) -> None:
    hook = made(api, url)
    found = api.post(f"/hooks/{hook['id']}/ping").json()
    assert found["status"] is None and "webhooks do not lead to" in found["error"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"url": "ftp://x/"},
        {"url": "https://a@b/"},
        {"url": "https://b/", "types": [""]},
        {"url": "https://b/", "types": ["\0"]},
        {"url": "https://b/", "a": 1},
    ],
)
def test_what_is_no_hook_is_refused(api: httpx.Client, asked: dict[str, Any]) -> None:
    answer = api.post("/hooks", json=asked)
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"


def test_a_hook_is_there_for_its_owner_alone(desk: Desk, api: httpx.Client, receiver: Receiver) -> None:
    hook = made(api, receiver.url)
    bob, reads = bearer(desk, "bob", ["read", "submit"]), bearer(desk, "ann", ["read"])
    path = f"/hooks/{hook['id']}"
    asked = [("GET", path), ("DELETE", path), ("POST", f"{path}/ping"), ("POST", f"{path}/resume")]
    asked += [("GET", f"{path}/dead"), ("POST", f"{path}/dead/redeliver"), ("POST", f"{path}/dead/1/redeliver")]
    for method, where in asked:
        assert api.request(method, where, headers=bob).status_code == 404
        assert api.request(method, where, headers=reads).status_code == (200 if method == "GET" else 403)
    assert api.get("/hooks", headers=bob).json() == {"hooks": []}
    assert [one["id"] for one in api.get("/hooks", headers=reads).json()["hooks"]] == [hook["id"]]
    bobs = made(api, receiver.url, bob)
    assert [one["id"] for one in api.get("/hooks").json()["hooks"]] == [hook["id"], bobs["id"]]


def test_an_owner_has_so_many_hooks(api: httpx.Client, receiver: Receiver) -> None:
    found = [made(api, receiver.url) for _ in range(20)]
    assert api.post("/hooks", json={"url": receiver.url}).status_code == 409
    assert api.delete(f"/hooks/{found[3]['id']}").status_code == 204
    assert api.get(f"/hooks/{found[3]['id']}").status_code == 404
    made(api, receiver.url)
