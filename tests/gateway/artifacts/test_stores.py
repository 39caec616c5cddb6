"""What all stores do, each on what it really stands on."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator

import pytest

from sjs.errors import BadRequest, Conflict
from sjs.gateway.artifacts import s3 as module
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.store import NoArtifact, OverLimit, Store, Stored, key_of

KEY = key_of(7, 1, "result.bin")
MIME = "application/octet-stream"
LIMIT = 64 << 20
LEAST_PART = 5 << 20
"""Bytes of a part that S3 takes."""


def stored(data: bytes) -> Stored:
    return Stored(len(data), hashlib.sha256(data).hexdigest())


def read(store: Store, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.open(key, start, length))


@functools.cache
def data_of(size: int) -> bytes:
    """Bytes of which no two stretches are alike."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(-(-size // 32)))[:size]


@pytest.fixture(params=["in one", "in parts"])
def data(store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(module, "PART", LEAST_PART)
    return data_of(LEAST_PART + 100_000 if isinstance(store, S3Store) and request.param == "in parts" else 600_000)


def cut(data: bytes, size: int = 70_001) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def test_what_was_put_is_there(store: Store, data: bytes) -> None:
    assert store.put(KEY, cut(data), MIME, LIMIT) == stored(data)
    assert store.size(KEY) == len(data)
    assert read(store, KEY) == data


def test_nothing_can_be_put(store: Store) -> None:
    assert store.put(KEY, [], MIME, LIMIT) == store.put(KEY, [b""], MIME, 0) == stored(b"")
    assert store.size(KEY) == 0
    assert read(store, KEY) == read(store, KEY, 0, 5) == b""


@pytest.mark.parametrize("pieces", [1, 2])
def test_whole_parts(s3: S3Store, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", LEAST_PART)
    data = data_of(pieces * LEAST_PART)
    assert s3.put(KEY, [data], MIME, LIMIT) == stored(data)
    assert read(s3, KEY, pieces * LEAST_PART - 9) == data[-9:]


RANGES = [(0, 0), (0, 1), (0, 999), (1, 5), (990, None), (990, 10), (990, 500), (999, 1), (1000, None), (1000, 9)]


@pytest.mark.parametrize(("start", "length"), RANGES)
def test_ranges(store: Store, start: int, length: int | None) -> None:
    data = data_of(1000)
    store.put(KEY, [data], MIME, LIMIT)
    assert read(store, KEY, start, length) == data[start : None if length is None else start + length]


@pytest.mark.parametrize(("start", "length"), [(1001, None), (1001, 0), (5000, 3), (-1, 5), (3, -1)])
def test_no_ranges(store: Store, start: int, length: int | None) -> None:
    store.put(KEY, [data_of(1000)], MIME, LIMIT)
    with pytest.raises(BadRequest):
        store.open(KEY, start, length)


def test_reading_can_end_early(store: Store) -> None:
    data = data_of(2_000_000)
    store.put(KEY, [data], MIME, LIMIT)
    reading = store.open(KEY)
    assert data.startswith(next(reading))
    reading.close()
    unread = store.open(KEY, 10)
    unread.close()


def test_what_is_not_there_is_said_at_once(store: Store) -> None:
    for ask in (lambda: store.size(KEY), lambda: store.open(KEY), lambda: store.open(KEY, 3, 4)):
        with pytest.raises(NoArtifact, match="no artifact is kept as 7/1/"):
            ask()


def test_the_same_can_be_put_again(store: Store, data: bytes) -> None:
    for _ in range(2):
        assert store.put(KEY, cut(data), MIME, LIMIT) == stored(data)
    assert read(store, KEY) == data


@pytest.mark.parametrize("other", [b"short", b"x" * 600_000, b"y" * (LEAST_PART + 100_000)])
def test_what_is_there_stays(store: Store, data: bytes, other: bytes) -> None:
    store.put(KEY, cut(data), MIME, LIMIT)
    with pytest.raises(Conflict):
        store.put(KEY, [other], MIME, LIMIT)
    assert read(store, KEY) == data


def test_what_comes_meanwhile_stays(store: Store, data: bytes) -> None:
    def while_another_puts() -> Iterator[bytes]:
        yield data[:-1]
        store.put(KEY, [b"first"], MIME, LIMIT)
        yield data[-1:]

    with pytest.raises(Conflict):
        store.put(KEY, while_another_puts(), MIME, LIMIT)
    assert read(store, KEY) == b"first"


def test_no_more_than_the_limit(store: Store, data: bytes) -> None:
    with pytest.raises(OverLimit, match=f"more than the {len(data) - 1} bytes"):
        store.put(KEY, cut(data), MIME, len(data) - 1)
    with pytest.raises(NoArtifact):
        store.size(KEY)
    assert store.put(KEY, cut(data), MIME, len(data)) == stored(data)


@pytest.mark.parametrize("error", [RuntimeError("gone"), ConnectionResetError("gone"), KeyboardInterrupt()])
def test_of_what_breaks_off_nothing_stays(store: Store, data: bytes, error: BaseException) -> None:
    def broken() -> Iterator[bytes]:
        yield data
        raise error

    with pytest.raises(type(error)) as found:
        store.put(KEY, broken(), MIME, LIMIT)
    assert found.value is error
    with pytest.raises(NoArtifact):
        store.size(KEY)
    assert store.put(KEY, [data], MIME, LIMIT) == stored(data)


def test_deleting(store: Store) -> None:
    keys = [key_of(7, 1, str(number)) for number in range(3)]
    for key in keys:
        store.put(key, [key.encode()], MIME, LIMIT)
    store.delete(keys[:2])
    store.delete(iter(keys[:2]))
    store.delete(["7/1"])
    with pytest.raises(NoArtifact):
        store.size(keys[0])
    assert read(store, keys[2]) == keys[2].encode()


def test_deleting_all_of_a_job(store: Store) -> None:
    keys = [key_of(job, attempt, name) for job in (1, 12) for attempt in (1, 12) for name in ("a", "b")]
    for key in keys:
        store.put(key, [key.encode()], MIME, LIMIT)
    assert store.delete_below("1/1") == 2
    assert store.delete_below("1/1") == 0
    assert store.delete_below("1") == 2
    assert store.delete_below(keys[-1]) == 0
    assert [read(store, key) for key in keys[4:]] == [key.encode() for key in keys[4:]]


HOSTILE = ["", "/", "/etc/passwd", "..", "7/../8", "7//8", "7/./8", ".hidden", "7/1/a b", "7/1/é", "7\n", "a" * 600]


@pytest.mark.parametrize("key", [*HOSTILE, "7\0", "/".join("123456789"), "~root/x", "7/1/%2e", "new\\x"])
def test_no_keys(store: Store, key: str) -> None:
    asks: list[Callable[[], object]] = [
        lambda: store.put(key, [b"x"], MIME, LIMIT),
        lambda: store.open(key),
        lambda: store.size(key),
        lambda: store.delete([key]),
        lambda: store.delete_below(key),
    ]
    for ask in asks:
        with pytest.raises(BadRequest, match="no key of an artifact"):
            ask()


def test_names_of_our_own_files_are_no_keys_of_others(store: Store) -> None:
    for key in ("new/1/x", "lock/1/x"):
        assert store.put(key, [b"x"], MIME, LIMIT) == stored(b"x")
        if not isinstance(store, S3Store):
            assert store.tidy(0.0) == 0
        assert read(store, key) == b"x"


def test_of_many_at_once_one_wins(store: Store) -> None:
    contents = [b"%d" % number * 1000 for number in range(4)]
    ends: list[bytes | Conflict] = []
    barrier = threading.Barrier(len(contents))

    def put(data: bytes) -> None:
        def pieces() -> Iterator[bytes]:
            barrier.wait(60)
            yield data

        try:
            store.put(KEY, pieces(), MIME, LIMIT)
            ends.append(data)
        except Conflict as error:
            ends.append(error)

    threads = [threading.Thread(target=put, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    winners = [end for end in ends if isinstance(end, bytes)]
    assert (len(ends), len(winners)) == (4, 1)
    assert read(store, KEY) == winners[0]
