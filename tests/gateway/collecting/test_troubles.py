"""What goes wrong between a machine and the store: files that change, lines and stores that break, machines that are
away."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sjs.config import Config, from_mapping
from sjs.core.lifecycle import FINAL
from sjs.errors import LinkLost
from sjs.gateway.artifacts.store import key_of
from sjs.gateway.collecting import collector, one
from sjs.gateway.records import artifacts
from sjs.gateway.records.jobs import WANTED
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Message, Session
from sjs.targets.streaming import Came
from sjs.trees.entries import Entry
from sjs.values import replace
from tests.gateway.collecting.desk import Gathering, leaving
from tests.live.machine import Machine, until

AT = "cd $SJS_ARTIFACTS_DIR && "
LARGE = 6 << 20
Reading = Generator[Came, None, None]
Between = Callable[[Callable[[], Reading], Path, Sequence[Entry]], Iterator[Came]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "AGAIN", 0.05)


@pytest.fixture
def desk(config: Config, engine: Engine) -> Iterator[Gathering]:
    desk = Gathering(config, engine)
    yield desk
    desk.close()


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Between], None]:
    """Has something happen between a machine that has listed files and who reads them."""
    real = DistantMachine.contents

    def have(happen: Between) -> None:
        def contents(self: DistantMachine, at: str, files: Sequence[Entry]) -> Reading:
            yield from happen(lambda: real(self, at, files), Path(at), files)

        monkeypatch.setattr(DistantMachine, "contents", contents)

    return have


def test_what_changes_or_goes_while_it_is_read_is_left_out_and_told(
    desk: Gathering, between: Callable[[Between], None]
) -> None:
    def happen(read: Callable[[], Reading], at: Path, files: Sequence[Entry]) -> Iterator[Came]:
        places = {Path(file.path).name: at / file.path for file in files}
        places["gone"].unlink()
        os.truncate(places["longer"], 4)
        places["link"].unlink()
        places["link"].symlink_to("/etc/passwd")
        places["pipe"].unlink()
        os.mkfifo(places["pipe"])
        for number, came in enumerate(read()):
            if not number:  # some of it is on its way
                with places["large"].open("r+b") as file:
                    file.seek(LARGE - 1)
                    file.write(b"!")
            yield came

    between(happen)
    (row,) = desk.run(leaving(f"{AT}head -c {LARGE} /dev/zero > large; touch gone link longer pipe well; sleep 0.01"))
    assert desk.kept(row) == {"well": b""}
    assert set(row.left_out.split("\n")) == {
        "gone: No such file or directory",
        "large: was changed while it was read",
        "link: Too many levels of symbolic links",
        "longer: was changed while it was read",
        "pipe: is no file any more",
    }


def test_what_comes_otherwise_than_it_was_read_there_is_asked_for_again(
    desk: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Session.answer
    spoilt: list[Message] = []

    def answer(self: Session, number: int, patience: float) -> Message:
        message = real(self, number, patience)
        if message.payload and not spoilt:
            spoilt.append(message)
            return replace(message, payload=message.payload[:-1] + b"?")
        return message

    monkeypatch.setattr(Session, "answer", answer)
    (row,) = desk.run(leaving(f"{AT}echo right > it"))
    assert len(spoilt) == 1
    assert desk.kept(row) == {"it": b"right\n"}


def test_what_is_known_to_be_kept_is_not_asked_for_again(
    desk: Gathering, between: Callable[[Between], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(one, "MANY", 2)
    monkeypatch.setattr(one, "SMALL", 1)

    def happen(read: Callable[[], Reading], at: Path, files: Sequence[Entry]) -> Iterator[Came]:
        asked.append([Path(file.path).name for file in files])
        for number, came in enumerate(read()):
            if len(asked) == 1 and number == 6:
                raise LinkLost("cut")
            yield came

    between(happen)
    (row,) = desk.run(leaving(f"{AT}touch 1 2 3 4 5 6 7"))
    assert asked == [["1", "2", "3", "4", "5", "6", "7"], ["5", "6", "7"]]
    assert sorted(desk.kept(row)) == asked[0]
    assert [kind for kind, _ in desk.told(row)].count("artifact.kept") == 7


def test_a_job_that_runs_once_more_while_it_is_collected_is_collected_once_more(
    desk: Gathering, between: Callable[[Between], None]
) -> None:
    """What it had left before is kept as well, and its end is not taken for the end of the new attempt."""

    def happen(read: Callable[[], Reading], at: Path, files: Sequence[Entry]) -> Iterator[Came]:
        if files and "of-1" in files[0].path:
            desk.office.retry(1, "a")
            until(lambda: desk.rows([1])[0].attempt == 2 and desk.rows([1])[0].state in FINAL, "it has run once more")
        yield from read()

    between(happen)
    (row,) = desk.run(leaving(f"{AT}touch of-$SJS_ATTEMPT"))
    assert (row.attempt, sorted(desk.kept(row))) == (2, ["of-2"])
    with desk.engine.connect() as connection:
        assert [one.name for one in artifacts.of_job(connection, 1)] == ["of-1", "of-2"]
    assert [kind for kind, _ in desk.told(row)].count("job.collected") == 1


def test_what_nobody_knows_of_gives_way(desk: Gathering) -> None:
    """As after a death between store and records, before which the file was another one."""
    desk.store.put(key_of(1, 1, "it"), [b"before"], "text/plain", 100)
    (row,) = desk.run(leaving(f"{AT}printf now > it"))
    assert row.id == 1
    assert desk.kept(row) == {"it": b"now"}


def test_who_is_away_is_asked_later_and_holds_up_nobody(
    config: Config, said: dict[str, Any], engine: Engine, machines: dict[str, Machine], tmp_path: Path
) -> None:
    """First the store, then a machine; then one is not in the config at all."""
    first = Gathering(config, engine)
    new = Path(f"{engine.url.database}-artifacts") / "new"
    new.rename(tmp_path / "aside")
    taken = first.office.accept([leaving(f"{AT}touch it", word) for word in ("b", "a", "b", "a")], "me", "api").result()
    numbers = range(taken.first, taken.first + 4)
    assert {row.kept for row in first.wait(numbers)} == {WANTED}
    first.close()
    (tmp_path / "aside").rename(new)
    away = {"host": "127.0.0.1", "port": 1, "root": str(machines["b"].root), "transport": "ssh"}
    for others in ({"b": away}, {}):
        managers = {"a": said["managers"]["a"], **others}
        second = Gathering(from_mapping({"managers": managers}, {}), engine)
        assert [sorted(second.kept(row)) for row in second.gathered([numbers[1], numbers[3]])] == [["it"]] * 2
        assert second.unfinished() == [numbers[0], numbers[2]]
        second.close()
    last = Gathering(config, engine)
    assert [sorted(last.kept(row)) for row in last.gathered(numbers)] == [["it"]] * 4
    last.close()


def test_what_its_machine_has_removed_before_is_told(
    config: Config, engine: Engine, machines: dict[str, Machine], tmp_path: Path
) -> None:
    """Who leaves nothing looks alike."""
    first = Gathering(config, engine)
    new = Path(f"{engine.url.database}-artifacts") / "new"
    new.rename(tmp_path / "aside")
    number = first.office.accept([leaving(f"{AT}touch it")], "me", "api").result().first
    (row,) = first.wait([number])
    first.close()
    with machines["a"].client() as client:
        client.ask("clean", jobs=[[row.number, row.number]])
    until(lambda: not list((machines["a"].state / "jobs").glob(f"*/{row.number}.dir")), "it is cleaned away")
    (tmp_path / "aside").rename(new)
    second = Gathering(config, engine)
    (row,) = second.gathered([number])
    assert second.kept(row) == {}
    assert row.left_out == f".: no record of job {row.number} any more"
    second.close()


def test_what_was_kept_before_a_death_is_removed_there_by_the_next(
    config: Config, engine: Engine, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = LinkLost("cut")

    def cut(*_: Any) -> None:
        raise lost

    with monkeypatch.context() as patch:
        patch.setattr(DistantMachine, "discard", cut)
        first = Gathering(config, engine)
        (number,) = [first.office.accept([leaving(f"{AT}touch it")], "me", "api").result().first]
        until(lambda: first.rows([number])[0].kept == "kept", "all is kept")
        first.close()
    (place,) = (machines["a"].state / "jobs").glob("*/*.dir/artifacts/it")
    second = Gathering(config, engine)
    (row,) = second.gathered([number])
    assert sorted(second.kept(row)) == ["it"] and not place.parent.parent.exists()
    assert [kind for kind, _ in second.told(row)].count("job.collected") == 1
    second.close()
