from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from sjs.errors import Unreachable
from sjs.gateway.artifacts.links import Grant, sign
from sjs.gateway.identity.guard import Guard, Receive, Rules, Scope, Send
from sjs.gateway.identity.heads import HeadRules
from sjs.gateway.identity.tokens import make
from sjs.gateway.serving import log
from sjs.gateway.serving.manager import reads_levels
from sjs.gateway.serving.servers import Servers
from tests.live.machine import DEADLINE


def test_what_is_secret_is_not_in_a_line() -> None:
    token, shown = make("ann", ["read"], 0.0)
    word = sign(Grant("1/1/x", "x", "ann", 2_000_000_000, "0" * 64), [b"k" * 32])
    text = log.line(
        "info",
        0.0,
        {
            "path": f"/artifacts/{word}",
            "message": f"came with {shown.reveal()} for postgresql://sjs:hunter2@db/sjs and {word} and {word}",
        },
        False,
    ).decode()
    for secret in (shown.reveal(), shown.reveal()[-64:], word.partition(".")[2], "hunter2"):
        assert secret not in text
    assert token.id in text
    assert "@db" not in text and "db/sjs" in text


def test_a_line_is_an_object_and_the_journal_learns_its_level() -> None:
    said = log.line("warning", 1_767_225_600.25, {"message": "a\nb \x1b[31m ü", "ms": 1.5}, True)
    assert said.startswith(b"<4>{") and said.count(b"\n") == 1
    assert json.loads(said[3:]) == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "message": "a\nb \x1b[31m ü",
        "ms": 1.5,
    }


def test_who_reads_it_slowly_holds_up_nobody_and_hears_how_much_is_missing() -> None:
    reader, writer = os.pipe()
    lines = log.Lines(writer)
    text = "x" * 1_000
    put = 2 * log.MOST + 500
    for number in range(put):
        lines.put("info", message=text, number=number)
    with open(reader) as source:
        found: list[str] = []
        reads = threading.Thread(target=lambda: found.extend(source))
        reads.start()
        lines.close()
        os.close(writer)
        reads.join()
    told = [json.loads(one) for one in found]
    numbers = [one["number"] for one in told if "number" in one]
    missing = [int(one["message"].split()[0]) for one in told if "missing" in one["message"]]
    assert numbers == sorted(numbers) and len(numbers) >= log.MOST
    assert sum(missing) + len(numbers) == put
    assert missing, "one batch was at the pipe, and one waited"


def test_requests_of_one_turn_of_the_loop_are_handed_on_together() -> None:
    handed: list[Sequence[log.Line]] = []

    class Kept(log.Lines):
        def put_all(self, lines: Sequence[log.Line]) -> None:
            handed.append(lines)

    async def run() -> None:
        requests = log.Requests(lines)
        for some in (range(200, 203), range(500, 501)):
            for status in some:
                requests.done({"state": {"request_id": f"{status:016x}"}, "method": "GET", "path": "/"}, status, 0.001)
            await asyncio.sleep(0)

    lines = Kept(os.open(os.devnull, os.O_WRONLY))
    asyncio.run(run())
    lines.close()
    told = [[(level, said["status"]) for level, _, said in some] for some in handed]
    assert told == [[("info", 200), ("info", 201), ("info", 202)], [("error", 500)]]


@contextmanager
def as_it_was(name: str | None = None) -> Iterator[logging.Logger]:
    logger = logging.getLogger(name)
    handlers, level = logger.handlers[:], logger.level
    try:
        yield logger
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def test_what_others_log_is_there_with_its_trace() -> None:
    reader, writer = os.pipe()
    lines = log.Lines(writer)
    with as_it_was(), as_it_was("sjs"), as_it_was("uvicorn.error"):
        log.install(lines)
        try:
            raise ValueError("with sjs_0123456789abcdef_" + "ab" * 32)
        except ValueError:
            logging.getLogger("uvicorn.error").exception("it went %s", "wrong")
        logging.getLogger("sjs.gateway").info("fine")
        logging.getLogger("sjs.gateway").warning("%d", "no number")
        logging.getLogger("paramiko").info("nobody wants to know")
    lines.close()
    os.close(writer)
    with open(reader) as source:
        wrong, fine, odd = map(json.loads, source)
    assert (wrong["level"], wrong["logger"], wrong["message"]) == ("error", "uvicorn.error", "it went wrong")
    assert "ValueError: with sjs_0123456789abcdef_…" in wrong["trace"]
    assert (fine["level"], fine["message"]) == ("info", "fine")
    assert odd["message"] == "%d ('no number',)"


@pytest.mark.parametrize("has_begun", [True, False])
@pytest.mark.parametrize("error", [ValueError("odd"), Unreachable("gpu1: gone"), RuntimeError("it has begun")])
def test_what_went_wrong_is_told_once_with_the_request_whose_it_is(error: Exception, has_begun: bool) -> None:
    """By the server behind the guard, too. What was foreseen has no trace."""
    if isinstance(error, RuntimeError):
        error.__cause__ = Unreachable("gpu1: gone")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        raise error

    async def asked() -> str:
        with socket.create_server(("127.0.0.1", 0)) as at:
            at.setblocking(False)
            servers = Servers(DEADLINE)
            await servers.listen(Guard(app, Rules(HeadRules(hosts=["gate"]))), at)
            reader, writer = await asyncio.open_connection(*at.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), DEADLINE)
            writer.close()
            await writer.wait_closed()
            assert await servers.close(DEADLINE) == 0
        return next((one for one in answer.decode().split("\r\n") if one.startswith("x-request-id: ")), "")[14:]

    reader, writer = os.pipe()
    lines = log.Lines(writer)
    with as_it_was(), as_it_was("sjs"), as_it_was("uvicorn.error"):
        log.install(lines)
        name = asyncio.run(asked())
    lines.close()
    os.close(writer)
    with open(reader) as source:
        (told,) = map(json.loads, source)
    assert told["request"] == name if has_begun else len(told["request"]) == 16
    assert ("trace" in told, "gpu1: gone" in told["message"]) == (
        (True, False) if error.args == ("odd",) else (False, True)
    )


def test_the_journal_is_known_by_what_stderr_is() -> None:
    found = os.fstat(2)
    assert reads_levels({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    assert not reads_levels({"JOURNAL_STREAM": "1:1"})
    assert not reads_levels({})
