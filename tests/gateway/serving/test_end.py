"""The end of a gateway under load, by SIGTERM and by kill -9: what was acknowledged is there, and nothing twice."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any

from tests.gateway.serving.conftest import Make
from tests.gateway.serving.program import Gateway, ask, asked, by_tcp
from tests.live.machine import DEADLINE

JOBS = "/api/v1/jobs"
CALLERS = 8
MANY = 25
"""Jobs that are acknowledged before the end is told."""


class Caller(threading.Thread):
    """Hands in one job after the other, each under a key of its own, until it gets no answer any more."""

    def __init__(self, gateway: Gateway, token: str, name: str, enough: threading.Semaphore) -> None:
        super().__init__(name=name)
        self.taken: dict[str, int] = {}
        self.unanswered: str = ""
        self.others: list[Any] = []
        self.halves: list[str] = []
        """Answers that had begun, and did not end: who is killed may leave such."""
        self._at = by_tcp(gateway.port)
        self._token = token
        self._enough = enough

    def run(self) -> None:
        number = 0
        while not self.unanswered:
            key = f"{self.name}-{number}"
            number += 1
            try:
                status, said = asked(self._at, "POST", JOBS, self._token, NEW, Idempotency_Key=key)
            except (http.client.IncompleteRead, ValueError) as error:
                self.halves.append(repr(error))
                self.unanswered = key
            except (http.client.HTTPException, OSError):
                self.unanswered = key
            else:
                if status == 201:
                    self.taken[key] = said["id"]
                    self._enough.release()
                else:
                    self.others.append((status, said))
        self._at.close()


NEW: Mapping[str, Any] = {"command": "true", "options": {"hold": True}, "target": "away"}


def ended(gateway: Gateway, token: str, number: int) -> tuple[int, list[Caller]]:
    """The exit status of a gateway that was told to end while all of them asked, and they."""
    enough = threading.Semaphore(0)
    callers = [Caller(gateway, token, f"caller{one}", enough) for one in range(CALLERS)]
    for one in callers:
        one.start()
    for _ in range(MANY):
        assert enough.acquire(timeout=DEADLINE)
    status = gateway.stop(number)
    for one in callers:
        one.join(DEADLINE)
    return status, callers


def check(gateway: Gateway, token: str, callers: list[Caller]) -> None:
    """Each job that was acknowledged is what its key leads to, and there are no others but those whose answer was
    lost, once."""
    gateway.start()
    at = by_tcp(gateway.port)
    found: list[int] = []
    for one in callers:
        assert one.others == []
        for key, number in one.taken.items():
            assert asked(at, "POST", JOBS, token, NEW, Idempotency_Key=key) == (200, {"id": number, "repeated": True})
            found.append(number)
        status, said = asked(at, "POST", JOBS, token, NEW, Idempotency_Key=one.unanswered)
        assert status in (200, 201)
        found.append(said["id"])
    at.close()
    assert len(found) == len(set(found))
    listed: list[int] = []
    query = ""
    while True:
        page = ask(by_tcp(gateway.port), "GET", f"{JOBS}?limit=100{query}", token)[1]
        listed += [job["id"] for job in page["jobs"]]
        if not page["next"]:
            break
        query = f"&cursor={page['next']}"
    assert sorted(listed) == sorted(found)
    assert gateway.stop() == 0


def test_no_answer_is_lost_at_a_stop(make: Make) -> None:
    """Who asked and was let in has a whole answer; else his connection was closed before he had any of it."""
    gateway = make({"limits": {"rate": 100_000, "burst": 100_000}})
    token = gateway.token()
    gateway.start()
    status, callers = ended(gateway, token, signal.SIGTERM)
    assert status == 0
    posted = [one for one in gateway.log if one.get("method") == "POST"]
    assert sum(one["status"] == 201 for one in posted) == sum(len(one.taken) for one in callers), "each was heard"
    assert len(posted) == sum(one["status"] == 201 for one in posted)
    assert not any("cut off" in one.get("message", "") for one in gateway.log)
    assert [half for one in callers for half in one.halves] == []
    check(gateway, token, callers)


def test_nothing_acknowledged_is_lost_by_a_kill(make: Make) -> None:
    gateway = make({"limits": {"rate": 100_000, "burst": 100_000}})
    token = gateway.token()
    gateway.start()
    status, callers = ended(gateway, token, signal.SIGKILL)
    assert status == -signal.SIGKILL
    check(gateway, token, callers)


def test_who_waits_and_who_follows_is_told_at_once(make: Make) -> None:
    """And needs not be cut off: the time that requests have is longer than any test."""
    gateway = make({"farewell": "1h"})
    token = gateway.token()
    gateway.start()
    made = ask(by_tcp(gateway.port), "POST", JOBS, token, NEW)[1]["id"]
    follows, waits = by_tcp(gateway.port), by_tcp(gateway.port)
    follows.request(
        "GET", "/api/v1/events", headers={"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    )
    stream = follows.getresponse()
    assert stream.status == 200 and stream.readline() == b"retry: 2000\n"
    waits.request("GET", f"{JOBS}/{made}/wait?timeout=120", headers={"authorization": f"Bearer {token}"})
    assert ask(by_tcp(gateway.port), "GET", "/healthz")[0] == 200, "so it has read the one that waits"
    assert gateway.stop() == 0
    answer = waits.getresponse()
    assert (answer.status, json.loads(answer.read())["state"]) == (200, "queued")
    waits.close()
    stream.read()  # which raises where the stream was cut, and not ended
    stream.close()
    follows.close()


def test_a_second_signal_ends_it_at_once(make: Make) -> None:
    gateway = make({"farewell": "1h"})
    token = gateway.token()
    gateway.start()
    slow = socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE)
    slow.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n" + BODY % token.encode())
    assert gateway.process
    assert ask(by_tcp(gateway.port), "GET", "/healthz")[0] == 200
    gateway.process.send_signal(signal.SIGTERM)
    gateway.hear("nobody new is let in")
    assert gateway.stop(signal.SIGTERM) == -signal.SIGTERM
    slow.close()


NO_PATH = b"404 page not found\n"
BODY = b"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


def test_a_port_of_a_dialect_is_for_who_has_no_token(make: Make) -> None:
    """In its owner's name, and for nothing else; the gateway's own port wants one."""
    gateway = make({"dialects": {"jobmgr": {"listen": "127.0.0.1:0", "owner": "web"}}})
    token = gateway.token()
    gateway.start()
    main, other = (int(place.rpartition(":")[2]) for place in gateway.places)
    for path, wanted in (("/", (200, b"Beep boop blop I am a jobmgr API server")), (f"{JOBS}/1", (404, NO_PATH))):
        with contextlib.closing(by_tcp(other)) as at:
            at.request("GET", path, headers={"authorization": f"Bearer {token}"})
            answer = at.getresponse()
            assert (answer.status, answer.read()) == wanted
    assert ask(by_tcp(main), "GET", "/jobmgr/")[0] == 401
    assert gateway.stop() == 0
    (line,) = [one for one in gateway.log if one.get("path") == "/"]
    assert (line["owner"], line["status"]) == ("web", 200)
