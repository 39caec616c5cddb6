from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from sjs.config import Config, Group, Manager
from sjs.core.job import Report, Spec
from sjs.errors import BadRequest, LinkLost, NoManager, SjsError, Stopped, Stopping, Unreachable, UsageError
from sjs.protocols import Accepted, Status, Target
from sjs.routing import Dealer, Fleet, select, send

LOCAL = Manager("local", "local", "/local", builtin=True)
THREE = tuple(Manager(name, "local", f"/{name}") for name in ("m1", "m2", "m3"))
CONFIG = Config(THREE, LOCAL, groups={"one": Group("m1", "here")})


class FakeTarget:
    """A manager of plain values. `errors` are raised, one by one, instead of answers to chunks; None lets one pass."""

    def __init__(self, name: str, maximum: int = 2, running: int = 0, error: SjsError | None = None) -> None:
        self.name = name
        self.maximum, self.running, self.error = maximum, running, error
        self.errors: list[SjsError | None] = []
        self.taken: list[str] = []
        self.keys: list[str] = []
        self.waiting: list[Sequence[Spec]] = []
        self.closed = False
        self.asked = 0
        self.gate: threading.Event | None = None

    def report(self, head: int = 0) -> Status:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return Status(Report(self.name, self.running, self.maximum, 0), [], {}, "host", 1, "/", "1")

    def post(self, key: str, specs: Sequence[Spec]) -> None:
        self.keys.append(key)
        self.waiting.append(specs)

    def collect(self) -> Accepted:
        specs = self.waiting.pop(0)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        first = len(self.taken)
        self.taken += [spec.command or "" for spec in specs]
        return Accepted(first, len(specs), self.maximum)

    def close(self) -> None:
        self.closed = True


Fakes = dict[str, FakeTarget]


def fleet_of(*fakes: FakeTarget, start: str = "") -> tuple[Fleet, list[str]]:
    """A fleet of these targets, and where its notices go. Starting wakes whoever was asleep."""
    known: Fakes = {one.name: one for one in fakes}
    notices: list[str] = []

    class FakeFleet(Fleet):
        def _build(self, manager: Manager) -> Target:
            fake = known[manager.name]
            if self._start and type(fake.error) is NoManager:
                fake.error = None
            return cast(Target, fake)

    managers = [Manager(one.name, "local", "/") for one in fakes]
    return FakeFleet(managers, start, lambda name, text: notices.append(f"{name}: {text}")), notices


def specs(count: int) -> list[Spec]:
    return [Spec(command=str(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("word", "names", "named", "is_any"),
    [
        ("m2", ["m2"], False, False),
        ("local", ["local"], False, False),
        ("all", ["m1", "m2", "m3"], True, False),
        ("*", ["m1", "m2", "m3"], True, False),
        ("any", ["m1", "m2", "m3"], True, True),
        ("m3,m1", ["m1", "m3"], True, False),
        ("m1,m1", ["m1"], True, False),
        ("local,m1", ["m1", "local"], True, False),
        ("all,m1", ["m1", "m2", "m3"], True, False),
        ("m*,!m2", ["m1", "m3"], True, False),
        ("m[2]", ["m2"], True, False),
        ("@one", ["m1"], True, False),
        ("any:@one", ["m1"], True, True),
        ("any:m1,m3", ["m1", "m3"], True, True),
    ],
)
def test_words_mean_managers(word: str, names: list[str], named: bool, is_any: bool) -> None:
    choice = select(CONFIG, word)
    assert ([one.name for one in choice.managers], choice.named, choice.any) == (names, named, is_any)


@pytest.mark.parametrize("word", ["nobody", "m1,nobody", "m1,", ",", "", "any,m1", "any:", "any:any"])
def test_unknown_words_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="unknown target"):
        select(CONFIG, word)


def test_without_managers_all_and_any_mean_local() -> None:
    assert [one.name for word in ("all", "any") for one in select(Config((), LOCAL), word).managers] == [
        "local",
        "local",
    ]


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UsageError, match=r"did you mean m2\?|did you mean m1\?|did you mean m3\?"):
        select(CONFIG, "m22")


def test_answers_come_in_order_and_errors_stay_with_their_targets() -> None:
    fleet, _ = fleet_of(FakeTarget("a"), FakeTarget("b", error=Unreachable("gone")), FakeTarget("c"))
    with fleet:
        answers = list(fleet.ask(lambda target: target.report().report.name))
    assert [(one.name, one.value, str(one.error or "")) for one in answers] == [
        ("a", "a", ""),
        ("b", None, "gone"),
        ("c", "c", ""),
    ]


def test_an_answer_is_given_before_later_ones_are_there() -> None:
    late = FakeTarget("b")
    late.gate = threading.Event()
    fleet, _ = fleet_of(FakeTarget("a"), late)
    with fleet:
        answers = fleet.ask(lambda target: target.report())
        assert next(answers).name == "a"
        late.gate.set()
        assert next(answers).name == "b"


def test_many_are_asked_at_once() -> None:
    barrier = threading.Barrier(16)

    def meet(target: Target) -> int:
        return barrier.wait(30)

    fleet, _ = fleet_of(*(FakeTarget(f"m{number}") for number in range(16)))
    with fleet:
        assert sorted(answer.value or 0 for answer in fleet.ask(meet)) == list(range(16))


def test_a_fault_of_ours_is_not_taken_for_an_answer() -> None:
    def broken(target: Target) -> int:
        raise ZeroDivisionError

    fleet, _ = fleet_of(FakeTarget("a"), FakeTarget("b"))
    with fleet, pytest.raises(ZeroDivisionError):
        list(fleet.ask(broken))


def test_all_sessions_are_closed_at_the_end() -> None:
    fakes = [FakeTarget("a"), FakeTarget("b")]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        list(fleet.ask(lambda target: target.report()))
    assert all(one.closed for one in fakes)


def test_reports_pass_over_who_fails_and_say_so() -> None:
    fleet, notices = fleet_of(FakeTarget("a", error=Unreachable("no route")), FakeTarget("b"))
    with fleet:
        assert [one.name for one in fleet.reports()] == ["b"]
    assert notices == ["a: passed over: no route"]


def test_reports_do_not_wait_long_for_the_last_once_there_is_a_free_slot() -> None:
    late = FakeTarget("b")
    late.gate = threading.Event()
    fleet, notices = fleet_of(FakeTarget("a"), late)
    with fleet:
        assert [one.name for one in fleet.reports()] == ["a"]
    late.gate.set()
    assert notices == ["b: passed over: no answer yet"]
    assert not late.closed


def test_reports_wake_nobody_while_somebody_runs() -> None:
    asleep = FakeTarget("b", error=NoManager("none"))
    fleet, _ = fleet_of(FakeTarget("a"), asleep, start="start")
    with fleet:
        assert [one.name for one in fleet.reports()] == ["a"]
    assert asleep.asked == 1


def test_reports_wake_sleepers_when_nobody_may_run_jobs() -> None:
    paused, asleep = FakeTarget("a", maximum=0), FakeTarget("b", error=NoManager("none"))
    stopped = FakeTarget("c", error=Stopped("on purpose"))
    fleet, notices = fleet_of(paused, asleep, stopped, start="start")
    with fleet:
        assert {one.name for one in fleet.reports()} == {"a", "b"}
    assert notices == ["c: passed over: on purpose"]


def test_a_target_over_ssh_is_refused_by_name() -> None:
    with Fleet([Manager("far", "ssh", "/", host="h")], "", lambda name, text: None) as fleet:
        (answer,) = fleet.ask(lambda target: target.report())
    assert isinstance(answer.error, UsageError)
    assert "far is reached by ssh" in str(answer.error)


def test_a_manager_is_not_started_in_a_folder_that_is_not_there() -> None:
    with Fleet([Manager("m", "local", "/no/such")], "start", lambda name, text: None) as fleet:
        (answer,) = fleet.ask(lambda target: target.report())
    assert "/no/such is no folder" in str(answer.error)


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
    assert 1 < most <= 4


def deal(fleet: Fleet, chunks: list[list[Spec]]) -> tuple[Dealer, list[tuple[str, Accepted]]]:
    dealer = Dealer(fleet, fleet.reports(), "k")
    return dealer, list(dealer.deal(chunks))


def test_jobs_are_dealt_by_free_slots_from_one_round_of_reports() -> None:
    fakes = [FakeTarget("a", 2), FakeTarget("b", 4), FakeTarget("c", 6)]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        _, dealt = deal(fleet, [specs(6), specs(6)])
    assert [len(one.taken) for one in fakes] == [2, 4, 6]
    assert sum(accepted.count for _, accepted in dealt) == 12
    assert [one.asked for one in fakes] == [1, 1, 1]


def test_every_key_of_a_deal_is_its_own() -> None:
    fakes = [FakeTarget("a"), FakeTarget("b")]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        deal(fleet, [specs(100), specs(100), specs(100)])
    keys = fakes[0].keys + fakes[1].keys
    assert len(keys) == len(set(keys))


def test_what_a_stopping_target_refuses_goes_to_the_others() -> None:
    stopping, other = FakeTarget("a", 100), FakeTarget("b", 1)
    stopping.errors = [Stopping("about to stop")]
    fleet, notices = fleet_of(stopping, other)
    with fleet:
        dealer, dealt = deal(fleet, [specs(5)])
    assert (len(other.taken), dealer.failed) == (5, [])
    assert notices == ["a: passed over: about to stop"]


def test_what_an_unreachable_target_was_sent_nobody_else_gets() -> None:
    lost, other = FakeTarget("a", 4), FakeTarget("b", 4)
    lost.errors = [LinkLost("cut")] * 9
    fleet, _ = fleet_of(lost, other)
    with fleet:
        dealer, _ = deal(fleet, [specs(8), specs(8)])
    (failed,) = dealer.failed
    assert failed.name == "a"
    assert (failed.value or 0) + len(other.taken) == 16


def test_a_job_that_is_refused_itself_is_offered_to_nobody_else() -> None:
    first, second = FakeTarget("a"), FakeTarget("b")
    first.errors = second.errors = [BadRequest("no"), BadRequest("no")]
    fleet, _ = fleet_of(first, second)
    with fleet, pytest.raises(BadRequest):
        deal(fleet, [specs(1)])
    assert len(first.keys) + len(second.keys) == 1


def test_when_nobody_is_left_the_rest_is_an_error() -> None:
    only = FakeTarget("a")
    only.errors = [Stopping("about to stop")]
    fleet, _ = fleet_of(only)
    with fleet, pytest.raises(Stopping):
        deal(fleet, [specs(1)])


def test_ties_are_settled_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.routing.random.sample", lambda population, count: list(population)[::-1])
    fakes = [FakeTarget("a"), FakeTarget("b")]
    fleet, _ = fleet_of(*fakes)
    with fleet:
        deal(fleet, [specs(1)])
    assert [one.taken for one in fakes] == [[], ["0"]]
