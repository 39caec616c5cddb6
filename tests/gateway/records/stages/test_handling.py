"""Items in pipelines, on each database: who gets what, what is over, what is counted and told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from sjs.errors import BadRequest, Conflict
from sjs.gateway.records import events
from sjs.gateway.records.stages.values import (
    FLAG,
    RETURN,
    Added,
    Changed,
    Item,
    NoItem,
    NoPipeline,
    Settled,
    Stage,
    TooManyItems,
    Void,
)
from tests.gateway.records.stages.asking import Asking

PLAIN = (Stage("new"), Stage("cut", 60.0, RETURN, tries=2), Stage("done"))


@pytest.fixture
def ann(engine: Engine) -> Asking:
    asking = Asking(engine)
    asking.define(*PLAIN)
    return asking


def numbers(found: Sequence[Item]) -> list[int]:
    return [one.number for one in found]


def test_the_lowest_numbers_go_first_and_each_to_one(ann: Asking) -> None:
    ann.one(ann.numbered(7, 3, 5))
    one, two, three = ann.all(ann.claim(), ann.claim("new", 5), ann.claim())
    assert [numbers(one), numbers(two), numbers(three)] == [[3], [5, 7], []]
    assert [item.command for item in two] == ['"5"', '"7"']
    assert ann.counts() == [(3, 3, 0), (0, 0, 0), (0, 0, 0)]
    assert ann.one(ann.claim()) == []


def test_what_is_finished_goes_on_and_asking_again_changes_nothing(ann: Asking) -> None:
    ann.one(ann.add(2))
    (item,) = ann.one(ann.claim(who="ben"))
    first, again = ann.all(ann.finish(item.word, result="1", file="f"), ann.finish(item.word, result="1"))
    assert (first, again) == (Settled(1, 0, 1), Settled(1, 0, 1, repeated=True))
    (other,) = ann.one(ann.claim(1))
    assert other.number == 1 and other.result == "1" and other.file == "f"
    assert ann.one(ann.finish(item.word, 1)) == again
    with pytest.raises(Conflict, match="item 1 was finished to stage 1"):
        ann.one(ann.finish(item.word, 2))
    assert ann.counts() == [(1, 0, 0), (1, 1, 0), (0, 0, 0)]
    assert ann.steps(1) == [("added", "w", 0, 0), ("claimed", "ben", 0, 0), ("finished", "ben", 0, 1)] + [
        ("claimed", "w", 1, 1)
    ]


def test_time_that_is_over_gives_an_item_back_so_many_times(ann: Asking) -> None:
    ann.one(ann.add(stage=1))
    for round in range(2):
        (item,) = ann.one(ann.claim(1))
        assert item.due == ann.now + 60 and not item.is_flagged
        ann.now += 60
        assert ann.one(ann.expire()).count == 1
        row = ann.row(1)
        assert (row.state, row.flagged, row.tries, row.due, row.word) == ("free", True, round + 1, None, None)
        for order in (ann.finish(item.word), ann.renew(item.word), ann.release(item.word)):
            with pytest.raises(Void):
                ann.one(order)
    (item,) = ann.one(ann.claim(1))
    ann.now += 60
    ann.one(ann.expire())
    assert ann.counts()[1] == (1, 1, 1) and ann.one(ann.expire()).count == 0
    assert ann.one(ann.finish(item.word)).target == 2  # late, and nobody else has it
    assert ann.row(1).tries == 0


def test_where_it_is_only_flagged_it_stays_whose_it_is(engine: Engine) -> None:
    ann = Asking(engine)
    ann.define(Stage(over=FLAG, lifetime=5.0), Stage())
    ann.one(ann.add())
    (item,) = ann.one(ann.claim())
    ann.now += 5
    ann.one(ann.expire())
    assert ann.counts()[0] == (1, 1, 1)
    assert ann.one(ann.renew(item.word, 9.0)).due == ann.now + 9 and ann.counts()[0] == (1, 1, 0)
    ann.one(ann.release(item.word, is_failed=True))
    assert ann.row(1).state == "stuck" and ann.one(ann.claim()) == []
    ann.one(ann.unflag(1))
    assert numbers(ann.one(ann.claim())) == [1]


def test_it_may_go_back_to_another_stage(engine: Engine) -> None:
    """As in a pipeline in which to be at a stage is to be worked on."""
    ann = Asking(engine)
    ann.define(Stage(), Stage(lifetime=5.0, over=RETURN, tries=1, back=0), Stage(), is_loose=True)
    ann.one(ann.add())
    assert ann.one(ann.take()).stage == 1
    ann.now += 5
    ann.one(ann.expire())
    assert (ann.row(1).stage, ann.row(1).tries, ann.counts()[0]) == (0, 1, (1, 0, 1))
    ann.one(ann.take())
    ann.now += 5
    ann.one(ann.expire())
    assert (ann.row(1).stage, ann.counts()[1]) == (1, (1, 0, 1))
    ann.one(ann.move(1, 2))
    assert ann.row(1).tries == 0


def test_in_a_loose_pipeline_time_runs_for_whoever_is_at_a_stage(engine: Engine) -> None:
    ann = Asking(engine)
    ann.define(Stage(lifetime=9.0, over=FLAG), Stage(), is_loose=True)
    ann.one(ann.numbered(4, 2))
    assert ann.row(2).due == ann.now + 9
    ann.define(Stage(lifetime=3.0, over=FLAG), Stage(), is_loose=True)
    assert ann.row(2).due == ann.now + 3 and ann.changes.due <= ann.now + 3
    ann.now += 3
    assert ann.one(ann.expire()).count == 2 and ann.counts()[0] == (2, 0, 2)
    taken = ann.one(ann.take(0, 700))
    assert (taken.number, taken.stage, taken.is_flagged) == (2, 700, False)
    assert ann.counts() == [(1, 0, 1), (0, 0, 0), (1, 0, 0)]
    assert ann.one(ann.take(5)) is None


def test_items_come_with_numbers_or_without(ann: Asking) -> None:
    assert ann.one(ann.numbered(5, 9)) == Added(2)
    assert ann.one(ann.add(2)) == Added(2, 10)
    one, two = ann.all(ann.numbered(9, 20), ann.numbered(20, 21))
    assert (one, two) == (Added(1, skipped=(9,)), Added(1, skipped=(20,)))
    with pytest.raises(BadRequest, match="all items have numbers"):
        ann.one(ann.numbered(30, 30))
    with pytest.raises(BadRequest, match="has no stage 3"):
        ann.one(ann.add(stage=3))
    with pytest.raises(TooManyItems, match="ann has 6 items, and 2 more would be above the limit of 7"):
        ann.one(ann.add(2, most=7))
    assert ann.counts()[0][0] == 6


def test_the_same_under_a_key_adds_nothing(ann: Asking) -> None:
    first, again = ann.all(ann.add(2, key="k"), ann.add(2, key="k"))
    assert (first, again) == (Added(2, 1), Added(2, 1, repeated=True))
    with pytest.raises(Conflict, match="for something else"):
        ann.one(ann.add(3, key="k"))
    assert ann.counts()[0][0] == 2


def test_what_somebody_puts_elsewhere_is_nobodys(ann: Asking) -> None:
    ann.one(ann.add())
    (item,) = ann.one(ann.claim())
    moved = ann.one(ann.move(1, "cut", command="7", file="x", seen=item.seen))
    assert (moved.stage, moved.state, ann.row(1).command, ann.row(1).file) == (1, "free", "7", "x")
    with pytest.raises(Void):
        ann.one(ann.finish(item.word))
    with pytest.raises(Changed):
        ann.one(ann.move(1, 0, seen=item.seen))
    with pytest.raises(NoItem):
        ann.one(ann.move(2, 0))
    (item,) = ann.one(ann.claim(1))
    ann.one(ann.move(1, command="8"))
    assert ann.row(1).word == item.word and ann.row(1).command == "8"


def test_what_is_flagged_is_put_back_and_removed_a_page_at_a_time(ann: Asking) -> None:
    ann.one(ann.add(700, stage=1))
    ann.all(*[ann.claim(1, 100) for _ in range(7)])
    ann.now += 60
    page = ann.one(ann.expire())
    assert page.count == 500 and page.after is not None
    assert ann.one(ann.expire()).count == 200 and ann.counts()[1] == (700, 0, 700)
    page = ann.one(ann.requeue(1, 0))
    assert (page.count, page.after) == (500, 500)
    assert ann.one(ann.requeue(1, 0, after=500)).count == 200 and ann.counts()[0] == (700, 0, 0)
    assert ann.one(ann.remove(numbers=[1, 2, 9_999])).count == 2
    assert ann.one(ann.remove(is_flagged=True)).count == 0
    assert ann.one(ann.remove(stage=0)).count == 500 and ann.counts()[0] == (198, 0, 0)


def test_others_have_pipelines_of_the_same_name(ann: Asking) -> None:
    ann.one(ann.add())
    ben = Asking(ann.engine, "ben")
    with pytest.raises(NoPipeline):
        ben.one(ben.claim())
    ben.define(*PLAIN)
    assert ben.one(ben.claim()) == []
    (item,) = ann.one(ann.claim())
    for order in (ben.finish(item.word), ben.renew(item.word), ben.release(item.word)):
        with pytest.raises(Void):
            ben.one(order)
    ann.one(ann.finish(item.word))
    with pytest.raises(Void):
        ben.one(ben.finish(item.word))


def test_who_is_wrong_keeps_nobody_else_from_his(ann: Asking) -> None:
    ann.one(ann.add(2))
    found = ann.all(ann.claim(9), ann.claim(), ann.claim(2), ann.finish("0" * 32), ann.claim("cut"), ann.add())
    kinds = [type(one) for one in found]
    assert kinds == [BadRequest, list, BadRequest, Void, list, Added] and numbers(found[1]) == [1]


def test_what_happens_is_told_once_for_all_that_comes_together(ann: Asking) -> None:
    ann.one(ann.add(3))
    ann.all(*[ann.claim() for _ in range(3)])
    (event,) = ann.changes.events
    assert (event.kind, event.owner, event.job) == ("stage.moved", "ann", None)
    assert json.loads(event.data) == {
        "pipeline": "p",
        "stages": [{"stage": 0, "total": 3, "claimed": 3, "flagged": 0}],
        "steps": {"claimed": 3},
    }
    assert "id" not in json.loads(events.document(event))["data"]


def test_what_is_free_and_when_time_is_over_is_told_too(ann: Asking) -> None:
    ann.one(ann.add(2, stage=1))
    here = ann.pipeline().id
    assert ann.changes.freed == {(here, 1): 2} and ann.changes.due == float("inf")
    (item,) = ann.one(ann.claim(1, seconds=7.0))
    assert not ann.changes.freed and ann.changes.due == ann.now + 7
    ann.now += 7
    ann.one(ann.expire())
    assert ann.changes.freed == {(here, 1): 1}
    told: dict[str, Any] = json.loads(ann.changes.events[0].data)
    assert ann.changes.events[0].kind == "stage.expired" and told["expired"] == [item.number]
