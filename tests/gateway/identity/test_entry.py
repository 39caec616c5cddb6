from __future__ import annotations

import asyncio

import pytest

from sjs.gateway.identity.entry import Admission, Entry
from sjs.gateway.identity.guard import Guard, Receive, Rules, Scope, Send
from sjs.gateway.identity.heads import HeadRules, wants_stream
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import Token, make
from sjs.values import replace
from tests.gateway.identity.calls import WITHIN, Answer, Behind, ask, parts, run, scope

HEAD = HeadRules(hosts=["gate.example"], is_stream=lambda path: path == "/events")


class Gate:
    """Guard and entry before an application, one token, and a clock that stands."""

    def __init__(self, behind: object = None, limits: Limits | None = None) -> None:
        self.token, shown = make("ann", ["read"], 0.0, limits=limits)
        self.text = shown.reveal()
        self.behind = behind if behind is not None else Behind()
        self.looked: list[str] = []
        self.seen: list[float] = []
        self.now = 100.0
        self.admission = Admission(
            seen=lambda token, now: self.seen.append(now), clock=lambda: self.now, ticks=lambda: self.now
        )
        self.entry = Entry(
            self.behind,  # type: ignore[arg-type]
            self.lookup,
            self.admission,
            public=["/healthz"],
            is_stream=lambda asked: wants_stream(asked, HEAD),
        )
        self.app = Guard(self.entry, Rules(HEAD))

    async def lookup(self, name: str) -> Token | None:
        self.looked.append(name)
        return self.token if name == self.token.id else None

    def scope(self, text: str | None = None, path: str = "/jobs") -> Scope:
        return scope("GET", path, (b"authorization", f"Bearer {text or self.text}".encode()))


def test_who_has_a_token_is_known_behind() -> None:
    gate = Gate()
    assert run(gate.app, gate.scope()).status == 200
    assert isinstance(gate.behind, Behind)
    assert gate.behind.scopes[0]["state"]["token"] is gate.token
    assert (gate.looked, gate.seen) == ([gate.token.id], [100.0])


def test_nobody_else_comes_in_and_nothing_is_read_of_them() -> None:
    gate = Gate()
    with_body = scope("POST", "/jobs", (b"content-length", b"100"))
    answer = run(gate.app, with_body, parts(b"a" * 100))
    assert (answer.status, answer.code) == (401, "token_none")
    assert answer.headers["www-authenticate"] == 'Bearer realm="sjs"'
    assert answer.headers["connection"] == "close"
    for text, code in ((gate.text[:-1] + "x", "token_malformed"), (gate.text[:-64] + "0" * 64, "token_unknown")):
        answer = run(gate.app, gate.scope(text))
        assert (answer.status, answer.code) == (401, code)
        assert answer.headers["www-authenticate"] == 'Bearer realm="sjs", error="invalid_token"'
    gate.token = replace(gate.token, revoked=1.0)
    assert run(gate.app, gate.scope()).code == "token_revoked"
    assert isinstance(gate.behind, Behind)
    assert (gate.behind.scopes, gate.seen) == ([], [])


def test_public_paths_are_for_all_and_only_exactly_they() -> None:
    gate = Gate()
    assert run(gate.app, scope("GET", "/healthz")).status == 200
    for path in ("/healthz/", "/healthz/x", "/HEALTHZ", "//healthz", "/healthz;x"):
        assert run(gate.app, scope("GET", path)).status == 401


def test_a_thousand_guesses_a_second_are_all_refused_and_most_are_told_to_wait() -> None:
    gate = Gate()

    async def go() -> list[Answer]:
        found = []
        for number in range(2_000):
            gate.now = 100.0 + number / 1_000
            found.append(await ask(gate.app, gate.scope(f"sjs_{gate.token.id}_{number:064x}")))
        return found

    answers = asyncio.run(go())
    assert {answer.status for answer in answers} == {401, 429}
    assert sum(answer.status == 401 for answer in answers) == 21
    assert {answer.headers["retry-after"] for answer in answers if answer.status == 429} == {"1"}
    assert run(gate.app, gate.scope()).status == 200, "who has a good token is not held up by who guesses beside"
    other = {**gate.scope("x"), "client": ("192.0.2.2", 1)}
    assert run(gate.app, other).status == 401, "of each address"


def test_on_a_unix_socket_there_is_no_address() -> None:
    gate = Gate()
    assert run(gate.app, {**gate.scope("x"), "client": None}).status == 401


def test_too_many_requests_a_second() -> None:
    gate = Gate(limits=Limits(rate=0.5, burst=2))
    statuses = [run(gate.app, gate.scope()) for _ in range(3)]
    assert [answer.status for answer in statuses] == [200, 200, 429]
    assert (statuses[2].code, statuses[2].headers["retry-after"]) == ("too_many_rate", "2")
    gate.now += 2
    assert run(gate.app, gate.scope()).status == 200


@pytest.mark.parametrize(("path", "code"), [("/jobs", "too_many_requests"), ("/events", "too_many_streams")])
def test_too_many_open_at_once(path: str, code: str) -> None:
    async def go() -> list[Answer]:
        entered, leave = asyncio.Semaphore(0), asyncio.Event()

        async def slow(asked: Scope, receive: Receive, send: Send) -> None:
            entered.release()
            await leave.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        gate = Gate(slow, Limits(requests=2, streams=2))
        begun = [asyncio.create_task(ask(gate.app, gate.scope(path=path))) for _ in range(2)]
        for _ in begun:
            await asyncio.wait_for(entered.acquire(), WITHIN)
        third = await ask(gate.app, gate.scope(path=path))
        leave.set()
        found = [*[await one for one in begun], third, await ask(gate.app, gate.scope(path=path))]
        use = gate.admission.meters.use(gate.token.id)
        assert use is not None
        assert (use.requests, use.streams) == (0, 0)
        return found

    answers = asyncio.run(go())
    assert [answer.status for answer in answers] == [200, 200, 429, 200]
    assert answers[2].code == code


def test_one_that_fails_is_over_too() -> None:
    async def broken(asked: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    gate = Gate(broken)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            run(gate.app, gate.scope())
    use = gate.admission.meters.use(gate.token.id)
    assert use is not None
    assert use.requests == 0
