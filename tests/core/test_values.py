from __future__ import annotations

import copy
import dataclasses
from threading import Barrier, Thread
from typing import Any

import pytest

from sjs import values
from sjs.values import dataclass, field, fields, replace


@dataclass(frozen=True)
class Point:
    """Two numbers, and what is usual."""

    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)
    secret: str = field(default="", repr=False)
    place: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Named(Point):
    name: str = "?"
    y: int = 7


@dataclass
class Open:
    x: int = 0


@dataclass(frozen=True)
class Empty:
    pass


MEANT = dataclasses.make_dataclass(
    "Point",
    [
        ("x", int),
        ("y", int, 0),
        ("tags", list, dataclasses.field(default_factory=list)),
        ("secret", str, dataclasses.field(default="", repr=False)),
        ("place", Any, dataclasses.field(default=None, compare=False)),
    ],
    frozen=True,
)


@pytest.mark.parametrize(
    ("given", "named"), [((1,), {}), ((1, 2), {"secret": "s"}), ((), {"x": 1, "place": 4}), ((1, 2, ["t"], "s", 5), {})]
)
def test_they_are_what_dataclasses_are(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    one, other = Point(*given, **named), MEANT(*given, **named)
    assert vars(one) == vars(other) and list(vars(one)) == list(vars(other))
    assert repr(one) == repr(other)


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((1, 2, [], "", None, 6), {})]
)
def test_what_is_lacking_or_too_much_is_refused(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Point(*given, **named)


def test_each_has_its_own_of_what_is_made() -> None:
    assert Point(1).tags is not Point(1).tags


def test_equal_are_those_of_one_class_whose_compared_fields_are() -> None:
    assert Point(1, place=1) == Point(1, place=2)
    assert Point(1) != Point(2)
    assert Point(1, 7) != Named(1)
    assert Point(1) != object()
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert hash(Point(1, tags=())) == hash(Point(1, tags=(), place=3))  # type: ignore[arg-type]


def test_what_may_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open())


def test_fields_are_inherited_and_changed_in_their_place() -> None:
    assert list(fields(Named)) == ["x", "y", "tags", "secret", "place", "name"]
    assert repr(Named(1)) == "Named(x=1, y=7, tags=[], place=None, name='?')"
    assert Point(1).y == 0


def test_a_copy_has_other_fields_and_the_first_keeps_its_own() -> None:
    one = Named(1, name="a")
    other = replace(one, x=2)
    assert (one.x, other.x, other.name, type(other)) == (1, 2, "a", Named)
    assert copy.copy(one) == one
    with pytest.raises(TypeError):
        replace(one, z=1)  # type: ignore[call-arg]


def test_several_threads_may_make_the_first() -> None:
    @dataclass
    class Late:
        x: int

    barrier = Barrier(8)
    found: list[int] = []

    def make(number: int) -> None:
        barrier.wait(30)
        found.append(Late(number).x)

    threads = [Thread(target=make, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(found) == list(range(8))


def test_all_classes_can_be_made_ready_before_there_is_an_object_of_them() -> None:
    @dataclass
    class Fresh:
        x: int

    before = Fresh.__init__
    values.make_ready()
    after = Fresh.__init__
    assert after is not before
    assert Fresh(3).x == 3
    assert Fresh.__init__ is after, "nothing is left to be made"
