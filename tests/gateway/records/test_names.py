"""Names that clients give to their jobs."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sjs.gateway.records import jobs
from sjs.gateway.records.jobs import Exists, New


def test_a_name_is_taken_once_by_each_owner_in_each_dialect(engine: Engine) -> None:
    def take(owner: str, origin: str, *names: str | None) -> int:
        new = [New("any", "{}", public=name) for name in names]
        with engine.begin() as connection:
            return jobs.accept(connection, new, owner, origin, 1.0).first

    first = take("ann", "jobd", "a")
    assert len({first, take("ben", "jobd", "a"), take("ann", "other", "a"), take("ann", "jobd", "A", None, None)}) == 4
    with pytest.raises(Exists, match="'a'"):
        take("ann", "jobd", "b", "a")
    with engine.connect() as connection:
        assert jobs.named(connection, "ann", "jobd", "a") == first
        assert jobs.named(connection, "ann", "jobd", "b") is None
