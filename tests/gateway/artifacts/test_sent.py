"""What is sent of an artifact over HTTP, to whoever has a link, from each kind of store: nothing is read that is not
sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.gateway.artifacts.links import Grant, sign
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.store import Reading, Store, key_of
from sjs.gateway.web.conditions import NoSuchRange, asked
from sjs.gateway.web.doors import Door
from tests.gateway.artifacts.test_stores import data_of

KEYS = [b"k" * 32]
PLACE = key_of(7, 1, "it.bin")
DATA = data_of(1_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
TAG = f'"{SHA}"'
WORD = sign(Grant(PLACE, "it.bin", "ann", 2**40, SHA), KEYS)


class Watched:
    """A store, and what was read from it: of S3, what it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.size = store.size
        self.read: list[int] = []
        self.closed: list[Any] = []
        self.ranges: list[str | None] = []
        self.is_s3 = isinstance(store, S3Store)
        if isinstance(store, S3Store):
            store.client.meta.events.register("before-send.s3.GetObject", self._hear)

    def _hear(self, request: Any, **_: Any) -> None:
        said = request.headers.get("Range")
        self.ranges.append(said.decode() if isinstance(said, bytes) else said)

    def open(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        return _Counted(self._store.open(key, start, length), self.read, self.closed)

    def forget(self) -> None:
        if isinstance(self._store, S3Store):
            self._store.client.meta.events.unregister("before-send.s3.GetObject", self._hear)


class _Counted:
    def __init__(self, reading: Reading, read: list[int], closed: list[Any]) -> None:
        self._reading = reading
        self._read = read
        self._closed = closed

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> bytes:
        data = next(self._reading)
        self._read.append(len(data))
        return data

    def close(self) -> None:
        self._reading.close()
        self._closed.append(self)


class Browser:
    """Whoever has links to what a store keeps."""

    def __init__(self, store: Any) -> None:
        self.door = Door(store, KEYS, 60, lambda name: ("text/x", f'inline; filename="{name}"'))
        self._app = Starlette(routes=[Route("/{word}", self._open)])

    async def _open(self, request: Request) -> Response:
        try:
            return await self.door.open(request.path_params["word"], asked(request.method, request.headers))
        except NoSuchRange as error:
            return Response(str(error), 416, error.headers)

    def ask(self, method: str, word: str = WORD, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._asked(method, word, headers))

    async def _asked(self, method: str, word: str, headers: Mapping[str, str] | None) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://a") as client:
            return await client.request(method, f"/{word}", headers=headers)


@pytest.fixture
def watched(store: Store) -> Iterator[Watched]:
    store.put(PLACE, [DATA], "text/x", 1 << 20)
    found = Watched(store)
    yield found
    found.forget()


@pytest.fixture
def browser(watched: Watched) -> Browser:
    return Browser(watched)


def test_all_of_it(browser: Browser, watched: Watched) -> None:
    answer = browser.ask("GET")
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["etag"] == TAG and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "text/x" and "it.bin" in answer.headers["content-disposition"]
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("sent", [0, 1, 3])
def test_whoever_leaves_has_it_closed(browser: Browser, watched: Watched, sent: int) -> None:
    """Before its head, before its first byte, and later."""
    told: list[Any] = []

    async def send(message: Any) -> None:
        if len(told) == sent:
            raise OSError("nobody is there any more")
        told.append(message)

    async def leave() -> None:
        answer = await browser.door.open(WORD, asked("GET", {}))
        with pytest.raises(ClientDisconnect):
            await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, forever, send)

    asyncio.run(leave())
    assert len(told) == sent and len(watched.closed) == 1


async def forever() -> Any:
    await asyncio.Event().wait()


PARTS = [("0-0", 0, 1), ("5-1004", 5, 1_005), ("999990-", 999_990, 1_000_000), ("-7", 999_993, 1_000_000)]


@pytest.mark.parametrize("condition", [None, TAG])
@pytest.mark.parametrize(("wanted", "start", "stop"), [*PARTS, ("999999-2000000", 999_999, 1_000_000)])
def test_some_of_it_and_no_more_is_read(
    browser: Browser, watched: Watched, wanted: str, start: int, stop: int, condition: str | None
) -> None:
    headers = {"range": f"bytes={wanted}"} | ({"if-range": condition} if condition else {})
    answer = browser.ask("GET", headers=headers)
    assert (answer.status_code, answer.content) == (206, DATA[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["etag"] == TAG and answer.headers["accept-ranges"] == "bytes"
    assert sum(watched.read) == stop - start
    assert watched.ranges == ([f"bytes={start}-{stop - 1}"] if watched.is_s3 else [])


@pytest.mark.parametrize(
    "headers",
    [
        {"range": "bytes=0-1", "if-range": '"other"'},
        {"range": "bytes=0-1", "if-range": f"W/{TAG}"},
        {"range": "bytes=0-1,5-6"},
        {"range": "lines=0-1"},
    ],
)
def test_what_is_no_range_of_this_file_is_all_of_it(browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.ask("GET", headers=headers)
    assert (answer.status_code, answer.content) == (200, DATA)


@pytest.mark.parametrize("wanted", [f"{len(DATA)}-", f"{len(DATA) + 7}-{len(DATA) + 9}", "-0"])
def test_there_are_no_such_bytes(browser: Browser, watched: Watched, wanted: str) -> None:
    answer = browser.ask("GET", headers={"range": f"bytes={wanted}"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}" and answer.headers["accept-ranges"] == "bytes"
    assert (watched.read, watched.ranges) == ([], [])


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=3-5"}])
def test_how_it_is_needs_nothing_of_it(browser: Browser, watched: Watched, headers: dict[str, str]) -> None:
    answer = browser.ask("HEAD", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["etag"] == TAG and answer.headers["accept-ranges"] == "bytes"
    known = browser.ask("GET", headers={"if-none-match": TAG})
    assert (known.status_code, known.content) == (304, b"")
    assert (watched.read, watched.ranges) == ([], [])


def test_of_nothing_there_are_no_bytes(store: Store) -> None:
    stored = store.put(PLACE, [], "text/x", 0)
    word = sign(Grant(PLACE, "it.bin", "ann", 2**40, stored.sha256), KEYS)
    browser = Browser(store)
    assert browser.ask("GET", word).status_code == 200
    assert browser.ask("HEAD", word).headers["content-length"] == "0"
    assert browser.ask("GET", word, {"range": "bytes=0-"}).status_code == 416
