from __future__ import annotations

import time

from sqlalchemy import Engine

from sjs.gateway.records import jobs
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.jobs import New, Taken
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.writer import Writer
from sjs.gateway.unended import EVERY, Unended


def test_they_are_counted_by_what_is_told_and_now_and_then_anew(engine: Engine) -> None:
    clock = [0.0]
    unended = Unended(engine, lambda: clock[0])
    told, untold = Writer(Pooled(engine), unended.tell), Writer(Pooled(engine))
    now = time.time()
    job = New("any", '{"command":"true"}')
    (taken,) = untold(lambda connection: accept(connection, [Asked([job] * 3, "ann", "api", now)]))
    assert isinstance(taken, Taken) and unended.here("ann") is None
    assert (unended.of("ann"), unended.of("bob")) == (3, 0)
    told(lambda connection: accept(connection, [Asked([job], "ann", "api", now), Asked([job], "bob", "api", now)]))
    told(lambda connection: jobs.withdraw(connection, [taken.first], now))
    assert (unended.here("ann"), unended.here("bob")) == (3, 1)
    untold(lambda connection: jobs.withdraw(connection, [taken.first + 1], now))
    assert unended.of("ann") == 3, "nothing was told of it"
    clock[0] = EVERY
    assert (unended.here("ann"), unended.of("ann")) == (None, 2)
    told.close()
    untold.close()
