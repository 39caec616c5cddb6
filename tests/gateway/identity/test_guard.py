from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from sjs.gateway.identity import guard
from sjs.gateway.identity.guard import Guard, Message, Receive, Rules, Scope, Send
from sjs.gateway.identity.heads import HeadRules
from sjs.values import replace
from tests.gateway.identity.calls import WITHIN, Answer, Behind, ask, parts, run, scope

RULES = Rules(HeadRules(hosts=["gate.example"]), most_body=lambda method, path: 1_000_000 if path == "/up" else 100)
CHUNKED = (b"transfer-encoding", b"chunked")


def test_what_is_in_order_goes_through() -> None:
    behind = Behind()
    answer = run(Guard(behind, RULES), scope("POST", "/", (b"content-length", b"6")), parts(b"abc", b"def"))
    assert (answer.status, answer.body, behind.bodies) == (200, b"fine", [b"abcdef"])
    assert behind.scopes[0]["state"]["request_id"] == answer.headers["x-request-id"]


def test_all_answers_have_the_headers_that_browsers_heed() -> None:
    wanted = {
        "content-security-policy": guard.NO_CONTENT,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-resource-policy": "same-origin",
    }
    for answer in (run(Guard(Behind(), RULES), scope()), run(Guard(Behind(), RULES), scope("GET", "x"))):
        assert {name: answer.headers.get(name) for name in wanted} == wanted
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_answer_may_have_a_policy_of_its_own_and_be_kept() -> None:
    own = [
        (b"Content-Security-Policy", b"sandbox"),
        (b"cache-control", b"max-age=5"),
        (b"Referrer-Policy", b"same-origin"),
    ]
    answer = run(Guard(Behind(own), RULES), scope())
    assert (answer.headers["Content-Security-Policy"], answer.headers["cache-control"]) == ("sandbox", "max-age=5")
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert {"referrer-policy", "content-security-policy"}.isdisjoint(answer.headers)


def test_a_refusal_is_a_problem_document_without_a_word_of_the_request() -> None:
    behind = Behind()
    answer = run(Guard(behind, RULES), scope("GET", "/secret-path", (b"host", b"evil.example"), (b"x", b"secret")))
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Misdirected Request",
        "status": 421,
        "detail": "this server is not asked for by that name; its operator sets by which ones",
        "code": "unknown_host",
        "request": answer.headers["x-request-id"],
    }
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert behind.scopes == []


def test_a_body_that_says_it_is_too_long_is_not_waited_for() -> None:
    behind = Behind()
    answer = run(Guard(behind, RULES), scope("POST", "/", (b"content-length", b"101")), parts(b"a" * 101))
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "body_too_large", "close")
    assert answer.read == 101, "it is read all the same: a connection that is closed before would lose the answer"
    assert behind.scopes == []
    assert answer.read == 101, "it is read all the same: a connection that is closed before would lose the answer"
    assert run(Guard(behind, RULES), scope("POST", "/up", (b"content-length", b"101")), parts(b"a" * 101)).status == 200


@pytest.mark.parametrize("headers", [[CHUNKED], [(b"content-length", b"5")]])
def test_a_body_is_counted_as_it_comes(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever its length was said to be; and what the application makes of the part that it saw is not the answer."""
    behind = Behind()
    answer = run(Guard(behind, RULES), scope("POST", "/", *headers), parts(b"a" * 60, b"a" * 40, b"a", b"a" * 50))
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "body_too_large", "close")
    assert (behind.bodies, behind.gone) == ([b"a" * 100], 1)
    assert answer.is_whole


def test_of_a_refused_body_only_so_much_is_read() -> None:
    def endless() -> Iterator[Message]:
        while True:
            yield {"type": "http.request", "body": b"a" * 65_536, "more_body": True}

    behind = Behind()
    answer = asyncio.run(ask(Guard(behind, RULES), scope("POST", "/", CHUNKED), endless()))
    assert answer.status == 413
    assert answer.read <= guard.LINGER_BYTES + 2 * 65_536


def test_who_says_nothing_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LINGER_SECONDS", 0.01)
    behind = Behind()
    rules = replace(RULES, pause=0.05)
    half = [{"type": "http.request", "body": b"ab", "more_body": True}]
    answer = run(Guard(behind, rules), scope("POST", "/", (b"content-length", b"100")), half)
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "too_slow", "close")
    assert (behind.bodies, behind.gone) == ([b"ab"], 1)


def test_who_sends_a_little_now_and_then_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow loris: each pause is short, but all of it would take for ever."""
    monkeypatch.setattr(guard, "LINGER_SECONDS", 0.01)
    rules = replace(RULES, grace=0.2, slowest=1_000.0, pause=10.0)
    sent = 0

    async def go() -> int:
        async def receive() -> Message:
            nonlocal sent
            await asyncio.sleep(0.02)  # what a slow sender is
            sent += 1
            return {"type": "http.request", "body": b"a", "more_body": True}

        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        await asyncio.wait_for(Guard(Behind(), rules)(scope("POST", "/", CHUNKED), receive, send), WITHIN)
        return statuses[0]

    assert asyncio.run(go()) == 408
    assert sent < 100, "the limit of bytes was not what ended it"


def test_time_that_the_application_takes_is_not_the_callers_slowness() -> None:
    async def thoughtful(asked: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.3)  # longer than the grace
        assert (await receive())["body"] == b"b"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    rules = replace(RULES, grace=0.2)
    assert run(Guard(thoughtful, rules), scope("POST", "/", CHUNKED), parts(b"a", b"b")).status == 200


def test_after_its_body_a_request_may_last_as_long_as_it_likes() -> None:
    """An event stream waits to hear that the caller is gone."""

    async def stream(asked: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert (await receive())["type"] == "http.request"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.2)
        await send({"type": "http.response.body"})

    rules = replace(RULES, grace=0.01, pause=0.01)
    assert run(Guard(stream, rules), scope(), parts(b"")).status == 200


def test_who_is_gone_is_gone() -> None:
    behind = Behind()
    answer = run(Guard(behind, RULES), scope("POST", "/", CHUNKED), [{"type": "http.disconnect"}])
    assert (behind.gone, answer.status) == (1, 200)


@pytest.mark.parametrize("headers", [[], [(b"accept", b"text/event-stream")]])
def test_too_many_at_once_are_told_to_come_again(headers: list[tuple[bytes, bytes]]) -> None:
    """Requests and streams are counted apart: who follows keeps nobody from asking."""
    rules = replace(RULES, most_streams=1) if headers else replace(RULES, most_requests=1)
    others: list[tuple[bytes, bytes]] = [] if headers else [(b"accept", b"text/event-stream")]

    async def go() -> list[Answer]:
        enter, leave = asyncio.Event(), asyncio.Event()

        async def slow(asked: Scope, receive: Receive, send: Send) -> None:
            enter.set()
            await leave.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        gate = Guard(slow, rules)
        first = asyncio.create_task(ask(gate, scope("GET", "/jobs", *headers)))
        await asyncio.wait_for(enter.wait(), WITHIN)
        second = await ask(gate, scope("GET", "/jobs", *headers))
        other = asyncio.create_task(ask(gate, scope("GET", "/jobs", *others)))
        leave.set()
        assert (await other).status == 200
        found = [await first, second, await ask(gate, scope("GET", "/jobs", *headers))]
        assert gate.open == gate.streams == 0
        return found

    first, second, third = asyncio.run(go())
    assert (first.status, second.status, third.status) == (200, 503, 200)
    assert (second.code, second.headers["retry-after"]) == ("busy", "1")


def test_an_application_that_fails_fails_as_before_and_holds_no_place() -> None:
    async def broken(asked: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("for the server's log")

    gate = Guard(broken, RULES)
    with pytest.raises(RuntimeError, match="for the server's log"):
        run(gate, scope())
    assert gate.open == 0


def test_an_application_that_fails_at_half_a_body_is_not_what_is_told() -> None:
    async def strict(asked: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise RuntimeError("the client is gone")

    assert run(Guard(strict, RULES), scope("POST", "/", CHUNKED), parts(b"a" * 101)).status == 413


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\0b"])
def test_no_header_of_an_answer_begins_another(value: bytes) -> None:
    answer = run(Guard(Behind([(b"x-name", value)]), RULES), scope())
    assert (answer.status, answer.code) == (500, "bad_answer")
    assert "x-name" not in answer.headers


def test_there_are_no_web_sockets_of_whatever_origin() -> None:
    sent: list[Message] = []
    behind = Behind()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(_call(Guard(behind, RULES), {**scope(), "type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert behind.scopes == []


def test_a_servers_beginning_and_end_go_through() -> None:
    seen: list[str] = []

    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        seen.append(asked["type"])

    async def nothing() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    asyncio.run(_call(Guard(app, RULES), {"type": "lifespan"}, nothing, send))
    assert seen == ["lifespan"]


async def _call(app: Guard, asked: Scope, receive: Receive, send: Send) -> None:
    await app(asked, receive, send)
