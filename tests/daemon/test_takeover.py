"""What a new manager hears while it starts."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from pathlib import Path

from sjs.core.lifecycle import RUNNING, SUCCEEDED
from sjs.daemon.ground import clock
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.loop import Manager
from sjs.daemon.queue.store import Store
from tests.daemon import queues


def test_news_that_come_with_the_hello_are_heard(tmp_path: Path) -> None:
    """A job that ends while the manager's Python starts: lost, it would hold its slot for ever."""
    where = Places(str(tmp_path), "jobs.pipe", str(tmp_path / "state"))
    where.make()
    queue = queues.make(1, where.database)
    queue.submit("true")
    (tag,) = queue.start_all()
    queue.ledger.on_started(tag, 7, 1.0)
    queue.ledger.commit()
    assert queue.job(0).state == RUNNING
    queue.store.close()

    ours, theirs = socket.socketpair()
    attempt = {"tag": tag, "pid": 7, "at": 1.0, "end": None}
    end = {"reason": "exit", "exit": 0, "at": 2.0}
    for news in ({"on": "hello", "boot": "b", "attempts": [attempt]}, {"on": "ended", **attempt, "end": end}):
        ours.send(json.dumps(news).encode() + b"\n")
    with contextlib.closing(Manager(where, theirs, "-")) as manager:
        manager.turn([], clock.look())
    ours.close()
    theirs.close()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    store = Store(where.database)
    job = store.job(0)
    store.close()
    assert job is not None
    assert job.state == SUCCEEDED
