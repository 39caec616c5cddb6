from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sjs.config import Config, Manager
from sjs.errors import NoManager, NoQueue, Refused, Stopped, Unreachable, UsageError
from sjs.groups import Group
from sjs.protocols import Target
from sjs.routing import LATE, MAX_THREADS, Fleet, select, too_late
from tests.routing.fakes import FakeTarget, fleet_of

LOCAL = Manager("local", "local", "/local", builtin=True)
THREE = tuple(Manager(name, "local", f"/{name}") for name in ("m1", "m2", "m3"))
CONFIG = Config(THREE, LOCAL, groups={"one": Group("m1", "here")})


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


def test_nobody_waits_for_one_that_does_not_answer() -> None:
    silent = FakeTarget("b")
    silent.gate = threading.Event()
    fleet, _ = fleet_of(FakeTarget("a"), silent, FakeTarget("c"), FakeTarget("d"))
    with fleet:
        answers = fleet.ask(lambda target: target.report().report.name)
        assert [next(answers).name for _ in range(3)] == ["a", "c", "d"]
        silent.gate.set()
        assert [one.name for one in answers] == ["b"]


def test_more_that_hang_than_are_asked_at_once_keep_nobody_from_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.routing.SLOW", 0.05)
    silent = [FakeTarget(f"silent-{number}") for number in range(MAX_THREADS + 1)]
    gate = threading.Event()
    for one in silent:
        one.gate = gate
    fleet, _ = fleet_of(*silent, FakeTarget("a"), FakeTarget("b"))
    with fleet:
        answers = fleet.ask(lambda target: target.report().report.name)
        assert sorted(next(answers).name for _ in range(2)) == ["a", "b"]
        gate.set()
        assert sorted(one.name for one in answers) == sorted(one.name for one in silent)
        assert {one.asked for one in silent} == {1}


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
        return barrier.wait(60)

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


def test_reports_wait_for_all_while_nobody_has_a_free_slot() -> None:
    """The late one comes when the busy ones have long answered, and is waited for; only then does time count."""
    busy, late = FakeTarget("a", running=2), FakeTarget("b")
    late.gate = threading.Event()
    fleet, notices = fleet_of(busy, late)
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.extend(one.name for one in fleet.reports()))
    waiting.start()
    waiting.join(2 * LATE)
    assert waiting.is_alive()
    late.gate.set()
    waiting.join(60)
    assert (found, notices) == (["a", "b"], [])


def test_who_is_late_is_measured_by_the_first() -> None:
    assert too_late(10.0, 10.01) == 10.01 + LATE
    assert too_late(10.0, 13.0) == 16.0


def test_a_target_that_is_still_asked_is_given_to_nobody_else() -> None:
    late = FakeTarget("b")
    late.gate = threading.Event()
    fleet, _ = fleet_of(FakeTarget("a"), late)
    with fleet:
        fleet.reports()
        assert fleet.free_target("a").name == "a"
        with pytest.raises(Unreachable, match="no answer yet"):
            fleet.free_target("b")
    late.gate.set()


def test_a_lookup_starts_nobody_and_says_who_is_silent() -> None:
    asked, never = FakeTarget("a"), FakeTarget("b", error=NoQueue("never"))
    down, old = FakeTarget("c", error=NoManager("down")), FakeTarget("d", error=Refused("what?"))
    fleet, _ = fleet_of(asked, never, down, old, start="start")
    with fleet:
        answers = fleet.lookup("k")
    assert [(one.name, one.value, str(one.error or "")) for one in answers] == [
        ("a", [], ""),
        ("b", (), ""),
        ("c", None, "down"),
        ("d", None, "what?"),
    ]


def test_reports_do_not_wait_long_for_the_last_once_there_is_a_free_slot() -> None:
    late = FakeTarget("b")
    late.gate = threading.Event()
    fleet, notices = fleet_of(FakeTarget("a"), late)
    with fleet:
        assert [one.name for one in fleet.reports()] == ["a"]
    late.gate.set()
    (notice,) = notices
    assert notice.startswith("b: passed over: no answer yet, 0.")
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


def test_a_manager_is_not_started_in_a_folder_that_is_not_there() -> None:
    with Fleet([Manager("m", "local", "/no/such")], "start", lambda name, text: None) as fleet:
        (answer,) = fleet.ask(lambda target: target.report())
    assert "/no/such is no folder" in str(answer.error)


def test_all_say_what_they_have_to_say_until_each_has_said_its_last() -> None:
    fleet, _ = fleet_of(FakeTarget("m1"), FakeTarget("m2"))

    def work(target: Target) -> Iterator[int]:
        yield 1
        if target.name == "m2":
            raise Refused("no more")
        yield 2

    said = [answer for news in fleet.stream(work) for answer in news]
    assert [one.value for one in said if one.name == "m1"] == [1, 2]
    assert [(one.value, str(one.error)) for one in said if one.name == "m2"] == [(1, "None"), (None, "no more")]


def test_silence_is_told_by_nothing_at_all() -> None:
    fleet, _ = fleet_of(FakeTarget("m1"))
    go = threading.Event()

    def work(target: Target) -> Iterator[int]:
        assert go.wait(60)
        yield 1

    news = fleet.stream(work, tick=0.01)
    assert next(news) == []
    go.set()
    assert [answer.value for more in news for answer in more] == [1]


def test_what_goes_wrong_in_a_thread_is_no_silence() -> None:
    fleet, _ = fleet_of(FakeTarget("m1"))

    def work(target: Target) -> Iterator[int]:
        raise ZeroDivisionError
        yield 1

    with pytest.raises(ZeroDivisionError):
        list(fleet.stream(work))
