"""A job that has ended runs again: once, whatever dies on the way to its target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select

from sjs.api.fleet import Fleet
from sjs.config import Config
from sjs.errors import Conflict
from sjs.gateway.records import attempts, jobs
from sjs.gateway.records.events import since
from sjs.gateway.records.jobs import ENDED, RETRIED, RETRY
from sjs.gateway.records.tables import jobs as table
from tests.gateway.engine.test_office import Desk, job
from tests.live.machine import Machine


@pytest.fixture
def desk(config: Config, engine: Engine) -> Iterator[Desk]:
    desk = Desk(config, engine)
    yield desk
    desk.close()


def failed(desk: Desk, command: str) -> int:
    """A job at `a` that has ended."""
    taken = desk.office.accept([job(command, "a")], "me", "api").result()
    (row,) = desk.wait([taken.first])
    assert (row.state, row.attempt) == ("failed", 1)
    return taken.first


def again(desk: Desk, number: int) -> int:
    """Until it has ended another time; the number of the attempt."""
    (row,) = desk.wait([number])
    return int(row.attempt)


def test_it_is_told_of_like_any_other_change(desk: Desk, tmp_path: Path) -> None:
    number = failed(desk, f"echo x >> {tmp_path}/ran; exit 1")
    desk.office.retry(number, "a")
    assert again(desk, number) == 2
    assert (tmp_path / "ran").read_text() == "x\nx\n"
    with desk.engine.connect() as connection:
        told = [event.kind for event in since(connection, 0, None, 100, job=number)]
    assert [kind for kind in told if kind in (RETRIED, ENDED)] == [ENDED, RETRIED, ENDED]


def test_one_that_has_not_ended_is_left_alone(desk: Desk) -> None:
    taken = desk.office.accept([job("true", "a", hold=True)], "me", "api").result()
    with pytest.raises(Conflict, match="has not ended"):
        desk.office.retry(taken.first, "a")
    desk.office.cancel([taken.first])


@pytest.mark.parametrize("is_said", [False, True], ids=["before its target is told", "after its target is told"])
def test_a_death_on_the_way(desk: Desk, config: Config, engine: Engine, tmp_path: Path, is_said: bool) -> None:
    """What is in the records then; the next gateway goes on."""
    number = failed(desk, f"echo x >> {tmp_path}/ran; exit 1")
    desk.office.close()
    place = desk.write(lambda connection: attempts.retry(connection, number, 1.0))
    assert place is not None
    if is_said:
        with Fleet(config) as fleet:
            assert fleet["a"].job(place.number).retry()
    second = Desk(config, engine)
    assert again(second, number) == 2
    second.close()
    third = Desk(config, engine)
    third.close()
    assert (tmp_path / "ran").read_text() == "x\nx\n"


def test_a_death_when_it_has_begun(desk: Desk, config: Config, engine: Engine, tmp_path: Path) -> None:
    """That it is to run again is not said another time, though nobody has noted that it was said."""
    gate = tmp_path / "gate"
    number = failed(
        desk, f"echo x >> {tmp_path}/ran; [ -e {gate} ] || exit 1; while [ -e {gate} ]; do sleep 0.02; done"
    )
    gate.touch()
    desk.office.retry(number, "a")
    desk.wait([number], ["running"])
    desk.office.close()
    wish = select(table.c.wish).where(table.c.id == number)
    with engine.connect() as connection:
        assert connection.scalar(wish) == ""
    gate.unlink()
    second = Desk(config, engine)
    assert again(second, number) == 2
    second.close()
    assert (tmp_path / "ran").read_text() == "x\nx\n"


def test_one_that_is_cancelled_before_its_target_is_told_stays_as_it_was(
    desk: Desk, config: Config, engine: Engine, tmp_path: Path
) -> None:
    number = failed(desk, f"echo x >> {tmp_path}/ran; exit 7")
    desk.office.close()
    desk.write(lambda connection: attempts.retry(connection, number, 1.0))
    desk.write(lambda connection: jobs.withdraw(connection, [number], 2.0))
    second = Desk(config, engine)
    (row,) = second.wait([number])
    second.close()
    assert (row.state, row.exit, row.attempt) == ("failed", 7, 1)
    assert (tmp_path / "ran").read_text() == "x\n"


def test_the_end_that_it_had_before_is_not_taken_for_the_next_one(desk: Desk, config: Config) -> None:
    number = failed(desk, "exit 1")
    desk.office.close()
    place = desk.write(lambda connection: attempts.retry(connection, number, 1.0))
    assert place is not None
    with Fleet(config) as fleet:
        record = fleet["a"].job(place.number).record

    def late(connection: Connection) -> str:
        jobs.begun(connection, [(number, record)], 2.0)
        jobs.ended(connection, [(number, "a", record)], 2.0)
        row = jobs.get(connection, number)
        assert row is not None
        return str(row.state) + str(row.wish)

    assert desk.write(late) == "queued" + RETRY


def test_one_of_which_nothing_is_known_any_more_has_ended(desk: Desk, machines: dict[str, Machine]) -> None:
    number = failed(desk, "exit 1")
    (row,) = desk.rows([number])
    with machines["a"].client() as client:
        assert client.ask("clean", jobs=[[row.number, row.number]])["changed"]
    desk.office.retry(number, "a")
    (row,) = desk.wait([number])
    assert (row.state, row.reason) == ("lost", "lost") and "no record" in row.detail
