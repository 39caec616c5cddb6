from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from sjs.core.job import Spec, Task
from sjs.sweeping.supply import Supply


def specs(*values: str) -> Iterator[Spec]:
    for number, value in enumerate(values, 1):
        yield Spec(value, task=Task("s", number, (("x", value),)))


def settings(*values: str) -> Counter[str]:
    return Counter(spec.task.setting for spec in specs(*values) if spec.task)


def commands(found: Sequence[Spec]) -> list[str | None]:
    return [spec.command for spec in found]


def test_jobs_leave_in_their_order_and_are_counted() -> None:
    supply = Supply(specs("a", "b", "c"))
    first, second, third = supply.take("m", 2), supply.take("n", 5), supply.take("m", 1)
    assert [(lot.start, commands(lot.specs)) for lot in (first, second, third)] == [
        (0, ["a", "b"]),
        (2, ["c"]),
        (3, []),
    ]
    assert (supply.handed, supply.is_dry) == (3, True)


def test_to_look_at_the_next_one_does_not_take_it() -> None:
    supply = Supply(specs("a", "b"))
    assert supply.first is supply.first
    assert not supply.is_dry
    assert commands(supply.take("m", 9).specs) == ["a", "b"]


def test_what_is_there_is_left_out_as_often_as_it_is_there() -> None:
    supply = Supply(specs("a", "b", "a", "a", "c"), settings("a", "a", "c"))
    assert commands(supply.take("m", 9).specs) == ["b", "a"]
    assert supply.skipped == 3


def test_what_comes_back_goes_to_others_under_a_place_of_its_own() -> None:
    supply = Supply(specs("a", "b", "c"))
    lot = supply.take("m", 2)
    supply.give_back("m", lot)
    assert supply.handed == 0
    again = supply.take("n", 9)
    assert (again.start, sorted(map(str, commands(again.specs)))) == (2, ["a", "b", "c"])


def test_no_more_than_so_many_are_unended_anywhere() -> None:
    supply = Supply(specs(*"abcdef"), most=3)
    assert len(supply.take("m", 2).specs) == 2
    assert len(supply.take("n", 2).specs) == 1
    assert len(supply.take("n", 2).specs) == 0
    supply.saw("m", 1)
    assert len(supply.take("n", 2).specs) == 1
    supply.give_back("n", supply.take("n", 5))
    supply.saw("n", 0)
    supply.saw("m", 0)
    assert len(supply.take("m", 9).specs) == 2


def test_who_stops_it_leaves_nothing() -> None:
    supply = Supply(specs("a", "b"))
    assert supply.first is not None
    supply.stop()
    assert supply.is_dry
    assert not supply.take("m", 1).specs


def test_many_who_take_at_once_get_each_job_once() -> None:
    supply = Supply(specs(*map(str, range(3_000))))
    found: list[Spec] = []

    def take() -> None:
        while lot := supply.take("m", 7).specs:
            found.extend(lot)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(int(spec.command or "") for spec in found) == list(range(3_000))


def test_it_is_not_read_ahead_of_what_is_taken() -> None:
    read: list[int] = []

    def endless() -> Iterator[Spec]:
        while True:
            read.append(1)
            yield Spec("x")

    supply = Supply(endless())
    supply.take("m", 10)
    assert (supply.first, len(read)) == (Spec("x"), 11)
