"""A gateway whose database dies and comes back: it is its own again, or another one's by then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import Taken, owned
from tests.gateway.databases import SERVERS, Server, mortal
from tests.gateway.serving.conftest import Make
from tests.gateway.serving.program import Gateway, ask, by_tcp

JOBS = "/api/v1/jobs"
NEW = {"command": "true", "options": {"hold": True}, "target": "away"}


@pytest.fixture(params=sorted(SERVERS))
def there(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    if not SERVERS[request.param]:
        pytest.skip(f"no {request.param} here")
    with mortal(request.param) as found:
        yield found


def ends(gateway: Gateway, token: str) -> None:
    """By itself, at the latest when somebody asks it to write: it may have something of its own to write before."""
    with contextlib.suppress(OSError):  # nobody is there any more
        status, said = ask(by_tcp(gateway.port), "POST", JOBS, token, NEW)
        assert (status, said["code"]) == (503, "unavailable")
    assert gateway.end() == 255


def test_it_is_its_own_again_or_it_ends(make: Make, there: tuple[str, Server]) -> None:
    url, server = there
    gateway = make({"database": url})
    token = gateway.token()
    gateway.start()
    other = engine_of(url)

    def submit() -> tuple[int, Any]:
        return ask(by_tcp(gateway.port), "POST", JOBS, token, NEW)

    server.kill()
    assert submit()[0] == 503
    server.start()
    assert submit()[0] == 201
    with pytest.raises(Taken), owned(other):
        pass
    server.kill()
    other.dispose()
    server.start()
    with owned(other):
        ends(gateway, token)
    assert gateway.raw[-1].startswith("submit: ") and gateway.raw[-1].endswith(
        "another gateway works with this database (stop that one, or use another database)\n"
    )
    other.dispose()
    gateway.start()
    assert ask(by_tcp(gateway.port), "GET", JOBS, token)[1]["jobs"][0]["id"] == 1
    assert submit()[0] == 201
    assert gateway.stop() == 0  # a server ends when all have gone


def test_it_ends_when_another_one_has_come_and_gone_meanwhile(make: Make, there: tuple[str, Server]) -> None:
    url, server = there
    gateway = make({"database": url})
    token = gateway.token()
    gateway.start()
    server.kill()
    server.start()
    other = engine_of(url)
    with owned(other) as owner:
        owner.count()
    other.dispose()
    ends(gateway, token)
    assert gateway.raw[-1].endswith("another gateway has worked with this database meanwhile (start this one again)\n")
    gateway.start()
    assert ask(by_tcp(gateway.port), "POST", JOBS, token, NEW)[0] == 201
    assert gateway.stop() == 0
