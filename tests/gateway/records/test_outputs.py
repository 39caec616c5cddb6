from __future__ import annotations

import os

from sqlalchemy import Engine, delete, select

from sjs.gateway.records import outputs, tables
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.jobs import New, Taken
from sjs.gateway.records.outputs import MOST, MOST_ERR, Printed


def test_bytes_are_kept_as_they_were_and_go_with_their_job(engine: Engine) -> None:
    large = Printed(os.urandom(MOST), True, os.urandom(MOST_ERR))
    odd = Printed(b"\0\xff'\\\r\n%s:a", folder="a:/x/\u00e4", lost="")
    with engine.begin() as connection:
        (taken,) = accept(connection, [Asked([New("a", "{}"), New("a", "{}")], "ann", "jobmgr", 1.0)])
        assert isinstance(taken, Taken)
        first = taken.first
        outputs.keep(connection, first, 1, large)
        outputs.keep(connection, first + 1, 1, large)
        outputs.keep(connection, first + 1, 2, odd)
    with engine.begin() as connection:
        kept = [outputs.get(connection, number) for number in (first, first + 1, first + 2)]
        assert kept == [(first, 1, *vars(large).values()), (first + 1, 2, *vars(odd).values()), None]
        connection.execute(delete(tables.jobs).where(tables.jobs.c.id == first))
        assert connection.scalars(select(tables.outputs.c.job)).all() == [first + 1]
