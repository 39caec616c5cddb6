"""Who comes to the keeper's socket when nobody can be let in."""

from __future__ import annotations

import os
import resource
import selectors
from pathlib import Path

from sjs.daemon.ground import launch
from sjs.daemon.ground.places import Places
from sjs.daemon.keeper.lobby import PAUSE, Lobby
from tests.daemon.apart import in_a_child


@in_a_child
def test_without_descriptors_it_pauses_and_then_lets_in_who_waited(tmp_path: Path) -> None:
    where = Places(str(tmp_path), "jobs.pipe", str(tmp_path))
    selector = selectors.DefaultSelector()
    lobby = Lobby(where, selector)
    visitor = launch.connect(where)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    assert lobby.collect([lobby], 5.0) == []
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert lobby.next_time() == 5.0 + PAUSE
    assert selector.select(0) == []  # it is not told again and again
    visitor.sendall(b'{"do": "start"}\n')
    assert lobby.collect([], 5.0 + PAUSE / 2) == []
    lobby.collect([], 5.0 + PAUSE)
    assert lobby.next_time() is None
    assert [key.data for key, _ in selector.select(0)] == [lobby]
    ((_, wish),) = lobby.collect([lobby], 7.0)
    assert wish == {"do": "start"}
