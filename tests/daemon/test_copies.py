"""The good copy: when it is made, by whom, and what it holds while others write."""

from __future__ import annotations

from pathlib import Path

import pytest

from sjs.daemon.ground.places import Places
from sjs.daemon.queue import copies
from sjs.daemon.queue.copies import Copies
from sjs.daemon.queue.rows import NewRow
from sjs.daemon.queue.store import Store


def made(folder: Path) -> tuple[Places, Store]:
    where = Places(str(folder), "p", str(folder / "state"))
    where.make()
    return where, Store(where.database)


def add(store: Store, count: int, size: int = 10) -> None:
    first = store.next_id()
    spec = f'{{"command":"{"x" * size}"}}'
    store.add([NewRow(first + number, "queued", spec, 1.0, 0, 0, None, 0, None) for number in range(count)])
    store.commit()


def held(where: Places) -> int:
    store = Store(where.good)
    found = store.next_id()
    store.close()
    return found


def test_a_new_queue_has_one_at_once_and_then_once_an_hour(tmp_path: Path) -> None:
    where, store = made(tmp_path)
    add(store, 3)
    keeper = Copies(where, store, lambda size: True)
    keeper.committed()
    assert held(where) == 3
    add(store, 4)
    keeper.committed()
    assert held(where) == 3
    Copies(where, store, lambda size: True).committed()
    assert held(where) == 3, "nor because there is a new manager"
    keeper.close()
    assert held(where) == 7
    store.close()


def test_a_large_one_is_made_beside_the_loop_and_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "SMALL", 0)
    where, store = made(tmp_path)
    add(store, 2000, 1000)
    keeper = Copies(where, store, lambda size: True)
    keeper.committed()
    written = 0
    while keeper._thread.is_alive():
        add(store, 1)
        written += 1
    assert written > 0
    assert 2000 < held(where) <= 2000 + written
    store.close()


def test_an_end_does_not_wait_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "SMALL", 0)
    monkeypatch.setattr(copies, "AT_THE_END", 0)
    where, store = made(tmp_path)
    add(store, 5000, 1000)
    keeper = Copies(where, store, lambda size: True)
    keeper.committed()
    keeper.close()
    assert not keeper._thread.is_alive()
    assert not Path(where.good).exists()
    store.close()


def test_none_is_made_where_it_does_not_fit(tmp_path: Path) -> None:
    where, store = made(tmp_path)
    add(store, 1)
    keeper = Copies(where, store, lambda size: False)
    keeper.committed()
    keeper.close()
    assert not Path(where.good).exists()
    store.close()


def test_one_that_cannot_be_made_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where, store = made(tmp_path)
    add(store, 1)
    Path(f"{where.good}.new").mkdir()
    Copies(where, store, lambda size: True).committed()
    assert "no copy of" in capfd.readouterr().err
    store.close()
