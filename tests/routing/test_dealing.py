"""Who gets which jobs, and who keeps them when answers are lost, by fakes and a real outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from sjs.answers import Accepted
from sjs.config import Config, Manager
from sjs.core.job import Report, Spec
from sjs.core.needs import Machine, Needs
from sjs.dealing import IN_FLIGHT, Dealer, found_parts, head, plan, same_managers, send
from sjs.errors import BadRequest, Conflict, Full, LinkLost, NoQueue, NoSpace, SjsError, Stopping, TooLarge, Unreachable
from sjs.fitting import Fitting
from sjs.outbox import Entry, Outbox
from sjs.protocols import Target
from sjs.routing import Fleet
from sjs.sharing import Found, Sharing
from tests.routing.fakes import FakeTarget, fleet_of, specs

Dealt = list[tuple[str, Accepted]]

PLAIN = Sharing(Fitting([]))
"""Without an overflow, and nobody's kind knows that it could not run something."""


def test_chunks_are_sent_a_few_ahead_under_numbered_keys() -> None:
    fake = FakeTarget("a")
    most = 0

    def chunks() -> Iterator[list[Spec]]:
        nonlocal most
        for _ in range(9):
            most = max(most, len(fake.waiting))
            yield specs(2)

    accepted = list(send(cast(Target, fake), "k", chunks()))
    assert [one.first for one in accepted] == list(range(0, 18, 2))
    assert fake.keys == [f"k/{number}" for number in range(9)]
    assert 1 < most <= IN_FLIGHT


class Box:
    """An outbox, and commands that hand in by it."""

    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox(str(folder / "outbox"))

    def begin(self, if_free: bool = False) -> Entry:
        return self.outbox.begin(head("k", if_free, None, []))

    def deal(
        self, fleet: Fleet, chunks: Sequence[Sequence[Spec]], if_free: bool = False, found: Sequence[Found] = ()
    ) -> tuple[Dealer, Dealt]:
        reports = fleet.reports()
        with self.begin(if_free) as entry:
            reports = plan(entry, chunks, reports, PLAIN, found)
            entry.seal()
            dealer = Dealer(fleet, entry, PLAIN, reports)
            return dealer, list(dealer.deal())

    def finish(self, fleet: Fleet) -> tuple[Dealer, Dealt]:
        """What the next command does with what is left."""
        (path,) = self.outbox.left()
        entry = self.outbox.take_over(path)
        assert entry is not None
        with entry:
            dealer = Dealer(fleet, entry, PLAIN)
            return dealer, list(dealer.deal())


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def told(dealer: Dealer) -> list[tuple[str, str, int, bool]]:
    return [(one.name, one.error.message, one.count, one.is_open) for one in dealer.failed]


def test_jobs_are_dealt_by_free_slots_from_one_round_of_reports(box: Box) -> None:
    fakes = [FakeTarget("a", 2), FakeTarget("b", 4), FakeTarget("c", 6)]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        _, dealt = box.deal(fleet, [specs(6), specs(6)])
    assert [len(one.taken) for one in fakes] == [2, 4, 6]
    assert sum(accepted.count for _, accepted in dealt) == 12
    assert [one.asked for one in fakes] == [1, 1, 1]
    assert box.outbox.left() == []


def test_keys_tell_which_jobs_of_the_command_they_stand_for(box: Box) -> None:
    fakes = [FakeTarget("a"), FakeTarget("b")]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        box.deal(fleet, [specs(100), specs(100)])
    spans = sorted((one.start, one.stop) for fake in fakes for one in found_parts("", fake.lookup("k")))
    assert [low for low, _ in spans] == [0, *(high for _, high in spans)][:-1]
    assert spans[-1][1] == 200


def test_the_plan_is_on_disk_before_the_first_byte_leaves(box: Box) -> None:
    fake = FakeTarget("a")
    fleet, _ = fleet_of(fake)
    with fleet, box.begin() as entry:
        plan(entry, [specs(3), specs(3)], [Report("a", 0, 2, 0)], PLAIN)
        assert [Path(path).name.startswith("new-") for path in box.outbox.left()] == [True]
        entry.seal()
        assert [Path(path).name.startswith("new-") for path in box.outbox.left()] == [False]
        assert fake.keys == []


@pytest.mark.parametrize("error", [Stopping("cannot now"), NoSpace("cannot now")])
def test_what_a_target_cannot_take_goes_to_the_others(box: Box, error: SjsError) -> None:
    stopping, other = FakeTarget("a", 100), FakeTarget("b", 1)
    stopping.errors = [error] * 3
    fleet, notices = fleet_of(stopping, other)
    with fleet:
        dealer, dealt = box.deal(fleet, [specs(5), specs(5), specs(5)])
    assert (sorted(other.taken, key=int), told(dealer)) == (sorted([*"01234"] * 3, key=int), [])
    assert notices == ["a: passed over: cannot now"]


def test_what_an_unreachable_target_was_sent_nobody_else_gets(box: Box) -> None:
    lost, other = FakeTarget("a", 100), FakeTarget("b", 4)
    lost.lost = [LinkLost("cut")]
    fleet, notices = fleet_of(lost, other)
    with fleet:
        dealer, _ = box.deal(fleet, [specs(8)] * 30)
    ((name, message, count, is_open),) = told(dealer)
    assert (name, message, is_open) == ("a", "cut", True)
    assert 0 < count <= 8 * 2 * IN_FLIGHT, "what was never sent there went to the other"
    assert count + len(other.taken) == 240
    assert notices == ["a: passed over: cut"]
    assert len(box.outbox.left()) == 1
    lost.waiting.clear()  # they were on the session that broke
    with fleet:
        dealer, dealt = box.finish(fleet)
    assert (told(dealer), box.outbox.left()) == ([], [])
    assert sum(accepted.count for _, accepted in dealt) == count
    assert len(lost.taken) + len(other.taken) == 240


def test_the_next_command_asks_the_same_target_by_the_same_key(box: Box) -> None:
    only = FakeTarget("a")
    only.lost = [LinkLost("cut")]
    fleet, _ = fleet_of(only)
    with fleet:
        box.deal(fleet, [specs(2)])
        _, ((name, accepted),) = box.finish(fleet)
    assert (name, accepted.repeated, accepted.first, only.taken) == ("a", True, 0, ["0", "1"])
    assert (only.keys, only.again) == (["k/0-1", "k/0-1"], [False, True])


def test_what_the_target_is_known_not_to_have_the_next_command_gives_to_others(box: Box) -> None:
    gone, other = FakeTarget("a", 9), FakeTarget("b", 0)
    gone.errors = [LinkLost("cut"), Stopping("was stopped")]
    fleet, _ = fleet_of(gone, other)
    with fleet:
        box.deal(fleet, [specs(3)])
        dealer, dealt = box.finish(fleet)
    assert ([name for name, _ in dealt], other.taken, told(dealer)) == (["b"], ["0", "1", "2"], [])
    assert other.again == [False]


@pytest.mark.parametrize("error", [Stopping("was stopped"), NoQueue("never was")])
def test_when_no_other_is_there_the_next_command_keeps_them(box: Box, error: SjsError) -> None:
    only = FakeTarget("a")
    only.errors = [LinkLost("cut"), error]
    fleet, _ = fleet_of(only)
    with fleet:
        box.deal(fleet, [specs(3)])
        dealer, _ = box.finish(fleet)
        assert told(dealer) == [("a", error.message, 3, True)]
        dealer, dealt = box.finish(fleet)
    assert (only.taken, told(dealer), box.outbox.left()) == (["0", "1", "2"], [], [])


def test_what_is_too_large_for_all_is_refused_and_not_kept(box: Box) -> None:
    """Also where the answer comes to a later command, for one that was cut short."""
    only = FakeTarget("a")
    only.errors = [LinkLost("cut"), TooLarge("needs 5 cpus")]
    fleet, _ = fleet_of(only)
    with fleet:
        box.deal(fleet, [specs(3)])
        dealer, _ = box.finish(fleet)
    assert (told(dealer), box.outbox.left()) == ([("a", "needs 5 cpus", 3, False)], [])


def test_what_is_too_large_for_one_is_kept_while_another_does_not_answer(box: Box) -> None:
    small, away = FakeTarget("a", 9), FakeTarget("b", 0)
    small.errors = [LinkLost("cut"), TooLarge("needs 5 cpus")]
    fleet, _ = fleet_of(small, away)
    with fleet:
        box.deal(fleet, [specs(3)])
        away.error = Unreachable("no route")
        dealer, _ = box.finish(fleet)
        assert told(dealer) == [("a", "needs 5 cpus", 3, True)]
        away.error = None
        small.errors = [TooLarge("needs 5 cpus")]
        box.finish(fleet)
    assert (away.taken, box.outbox.left()) == (["0", "1", "2"], [])


def test_a_job_that_is_refused_itself_is_offered_to_nobody_else(box: Box) -> None:
    first, second = FakeTarget("a"), FakeTarget("b")
    first.errors = second.errors = [BadRequest("no"), BadRequest("no")]
    fleet, _ = fleet_of(first, second)
    with fleet:
        dealer, _ = box.deal(fleet, [specs(1)])
    assert len(first.keys) + len(second.keys) == 1
    assert [(message, count, is_open) for _, message, count, is_open in told(dealer)] == [("no", 1, False)]
    assert box.outbox.left() == []


def test_when_nobody_is_left_the_rest_is_not_handed_in(box: Box) -> None:
    only = FakeTarget("a")
    only.errors = [None, Stopping("about to stop"), Stopping("about to stop")]
    fleet, _ = fleet_of(only)
    with fleet:
        dealer, dealt = box.deal(fleet, [specs(1), specs(2), specs(3)])
    assert (len(dealt), told(dealer)) == (1, [("a", "about to stop", 5, False)])
    assert box.outbox.left() == []


def test_ties_are_settled_by_chance(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.sample", lambda population, count: list(population)[::-1])
    fakes = [FakeTarget("a"), FakeTarget("b")]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        box.deal(fleet, [specs(1)])
    assert [one.taken for one in fakes] == [[], ["0"]]


def test_if_free_tries_the_next_when_one_has_become_full(box: Box) -> None:
    fakes = [FakeTarget("a", 3), FakeTarget("b", 2)]
    fleet, notices = fleet_of(*fakes)
    reports = fleet.reports()
    fakes[0].running = 3
    with fleet, box.begin(if_free=True) as entry:
        plan(entry, [specs(2)], reports, PLAIN)
        entry.seal()
        dealer = Dealer(fleet, entry, PLAIN, reports)
        assert [name for name, _ in dealer.deal()] == ["b"]
    assert (notices, told(dealer)) == (["a: passed over: no free slot"], [])


def test_if_free_sends_nothing_when_there_is_no_room(box: Box) -> None:
    fakes = [FakeTarget("a", 3), FakeTarget("b", 2)]
    fleet, _ = fleet_of(*fakes)
    with fleet, pytest.raises(Full, match="5 free slots for 6 jobs"):
        box.deal(fleet, [specs(6)], if_free=True)
    with fleet, pytest.raises(Full, match="0 free|no free slot"):
        box.deal(fleet, [specs(5), specs(1)], if_free=True)
    assert (fakes[0].keys, fakes[1].keys, box.outbox.left()) == ([], [], [])


def test_if_free_is_refused_when_all_have_become_full(box: Box) -> None:
    fake = FakeTarget("a", 1)
    fake.errors = [Full("no free slot")]
    fleet, _ = fleet_of(fake)
    with fleet:
        dealer, _ = box.deal(fleet, [specs(1)], if_free=True)
    assert told(dealer) == [("a", "no free slot", 1, False)]


def test_a_rerun_finds_the_jobs_wherever_they_are(box: Box) -> None:
    fakes = [FakeTarget("a", 2), FakeTarget("b", 6)]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        _, before = box.deal(fleet, [specs(8), specs(4)])
        for fake in fakes:
            fake.running = fake.maximum
        found = [part for fake in fakes for part in found_parts(fake.name, fake.lookup("k"))]
        _, after = box.deal(fleet, [specs(8), specs(4)], found=found)
    assert len(fakes[0].taken) + len(fakes[1].taken) == 12
    assert sorted((name, one.first, one.count) for name, one in before) == sorted(
        (name, one.first, one.count) for name, one in after
    )


def test_a_rerun_hands_in_what_is_missing(box: Box) -> None:
    fake, other = FakeTarget("a", 9), FakeTarget("b", 1)
    fake.known = {"k/2-3": Accepted(7, 2, 9)}
    fleet, _ = fleet_of(fake, other)
    with fleet:
        _, dealt = box.deal(fleet, [specs(6)], found=[Found(2, 4, "a")])
    assert sum(accepted.count for _, accepted in dealt) == 6
    assert ("a", Accepted(7, 2, 9, repeated=True)) in dealt
    assert sorted(fake.taken + other.taken) == ["0", "1", "4", "5"]


@pytest.mark.parametrize("found", [[Found(4, 6, "a")], [Found(0, 3, "a"), Found(2, 4, "b")], [Found(9, 10, "a")]])
def test_a_key_of_other_jobs_is_refused_before_anything_is_sent(box: Box, found: list[Found]) -> None:
    fleet, _ = fleet_of(fake := FakeTarget("a"), FakeTarget("b"))
    with fleet, pytest.raises(Conflict):
        box.deal(fleet, [specs(5)], found=found)
    assert (fake.keys, box.outbox.left()) == ([], [])


def test_parts_of_keys_that_are_none_of_ours_mean_nothing() -> None:
    assert found_parts("a", ["0-3", "x", "x-1", "-", "1-x"]) == [Found(0, 4, "a")]


def test_a_key_that_was_used_for_a_named_target_is_none_for_any() -> None:
    with pytest.raises(Conflict, match="to hand in to a by name"):
        found_parts("a", ["0-3", "4"])


def test_a_target_that_is_still_asked_is_sent_nothing(box: Box) -> None:
    fleet, _ = fleet_of(fake := FakeTarget("a"))
    fleet._busy.add("a")
    with fleet, box.begin() as entry:
        plan(entry, [specs(1)], [Report("a", 0, 2, 0)], PLAIN)
        entry.seal()
        dealer = Dealer(fleet, entry, PLAIN, [])
        assert list(dealer.deal()) == []
    assert (told(dealer), fake.keys) == ([("a", "no answer yet", 1, True)], [])


def test_targets_are_the_same_only_if_they_are_configured_so(box: Box) -> None:
    old = [Manager("a", "ssh", "/", host="h", password="old"), Manager("b", "ssh", "/", host="h")]
    new = [Manager("a", "ssh", "/", host="h", password="new"), Manager("b", "ssh", "/", host="elsewhere")]
    local = Manager("local", "local", "/local", builtin=True)
    with box.outbox.begin(head("k", False, None, [*old, local])) as entry:
        assert same_managers(entry.head.managers, Config(new, local)) == [new[0], local]
        assert "old" not in str(entry.head)


def test_unreachable_before_it_was_sent_is_not_unknown(box: Box) -> None:
    """The rest of what was planned for a dead target goes to the others."""
    dead, other = FakeTarget("a", 50), FakeTarget("b", 1)
    dead.errors = [Unreachable("no route")] * 50
    fleet, _ = fleet_of(dead, other)
    with fleet:
        dealer, _ = box.deal(fleet, [specs(1)] * 50)
    ((_, _, count, _),) = told(dealer)
    assert count <= 2 * IN_FLIGHT
    assert len(other.taken) == 50 - count


def test_jobs_go_where_there_is_what_they_need(box: Box) -> None:
    """A run of jobs that need the same is dealt at once; in one command there may be several."""
    small = Report("small", 0, 4, 0, machine=Machine(4, cpus=2))
    large = Report("large", 0, 4, 0, machine=Machine(4, cpus=16))
    jobs = [Spec("a"), Spec("b", needs=Needs(cpus=8)), Spec("c", needs=Needs(cpus=8)), Spec("d", needs=Needs(cpus=2))]
    dealt = PLAIN.shares([small, large], jobs, False)
    assert [(one.start, one.stop) for one in dealt] == [(0, 1), (1, 3), (3, 4)]
    assert dealt[1].target == "large"
    with pytest.raises(TooLarge, match="no target has what the job needs"):
        PLAIN.shares([small, large], [Spec("e", needs=Needs(cpus=17))], False)
    with pytest.raises(Full, match="2 free slots for 3 jobs"):
        PLAIN.shares([small, large], jobs[1:2] * 3, True)
