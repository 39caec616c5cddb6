from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core.health import LAST, OF_MACHINES, Ending, fault_of, health, is_suspicious, judged, told
from sjs.core.job import End, Health, Report
from sjs.core.needs import Gpu, Machine, Needs
from sjs.core.placement import able_ones, choose
from sjs.core.rebalance import Candidate, partings

PLAIN = Needs()
WELL = health([Ending("", 1.0)] * LAST)
BROKEN = health([Ending("exit 127", float(n)) for n in range(LAST)])
BUGGY = health([Ending("exit 1", float(n)) for n in range(LAST)])
NEW = health([])


def report(name: str, seen: Health, running: int = 0, maximum: int = 4, **more: object) -> Report:
    return Report(name, running, maximum, 0, health=seen, **more)  # type: ignore[arg-type]


def sick(*seen: Health) -> list[bool]:
    return [bool(one.sick) for one in judged([report(str(number), one) for number, one in enumerate(seen)])]


@pytest.mark.parametrize(
    ("end", "seconds", "dealt", "said"),
    [
        (End("exit", 0), 0.1, True, ""),
        (End("exit", 0), None, False, ""),
        (End("exit", 1), 0.1, True, "exit 1"),
        (End("exit", 1), 0.1, False, None),
        (End("exit", 1), 60.0, True, ""),
        (End("exit", 127), 0.1, False, "exit 127"),
        (End("exit", 127), 60.0, False, ""),
        (End("signal", signal=7), 0.1, False, "signal 7"),
        (End("signal", signal=9), None, True, "signal 9"),
        (End("spawn-error", detail="no such folder"), None, False, "could not be started"),
        *((End(reason), 0.1, True, None) for reason in ("cancelled", "host-lost", "timeout", "oom", "dependency")),
    ],
)
def test_what_an_end_says_of_its_machine(end: End, seconds: float | None, dealt: bool, said: str | None) -> None:
    assert fault_of(end, seconds, dealt) == said


def test_what_the_last_ends_come_to() -> None:
    ends = [Ending("exit 127", 1.0), Ending("exit 127", 1.0), Ending("exit 1", 2.0), Ending("", 3.0)]
    assert health(ends) == Health(4, 3, 2, 2, "exit 127")
    assert health([]) == Health()
    assert told(BROKEN) == "10 of its last 10 jobs failed at once (exit 127)"


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (BROKEN, True),
        (WELL, False),
        (NEW, False),
        (health([Ending("exit 127", 1.0)] * LAST), False),  # one command, with a mistake in it
        (health([Ending("exit 127", float(n)) for n in range(4)]), False),  # too few to say anything
        (health([Ending("exit 127", float(n)) for n in range(4)] + [Ending("", 9.0)]), True),
        (health([Ending("exit 127", float(n)) for n in range(3)] + [Ending("", 9.0)] * 2), False),
    ],
)
def test_who_is_worth_a_look(seen: Health, verdict: bool) -> None:
    assert is_suspicious(seen) == verdict


@pytest.mark.parametrize(
    ("fleet", "verdicts"),
    [
        ([BROKEN, WELL], [True, False]),
        ([BUGGY, WELL], [True, False]),
        ([BUGGY, WELL, BROKEN], [True, False, True]),
        ([BROKEN, NEW], [True, False]),  # the end is a machine's, and nobody else fails so
        ([BROKEN], [True]),
        ([BUGGY, NEW], [False, False]),  # it may be the jobs
        ([BUGGY, BUGGY], [False, False]),  # it is the jobs
        ([BROKEN, BROKEN, NEW], [False] * 3),
        ([WELL, WELL], [False, False]),
        ([], []),
    ],
)
def test_others_tell_a_bad_machine_from_bad_jobs(fleet: Sequence[Health], verdicts: list[bool]) -> None:
    assert sick(*fleet) == verdicts


seen = st.lists(
    st.builds(Ending, st.sampled_from(["", "exit 1", *OF_MACHINES]), st.sampled_from([1.0, 2.0, 3.0])), max_size=LAST
)


@given(st.lists(seen.map(health), max_size=5))
def test_who_is_sick_is_suspicious_and_who_does_well_is_not(fleet: list[Health]) -> None:
    for one, verdict in zip(fleet, sick(*fleet), strict=True):
        assert not verdict or is_suspicious(one)
        assert not verdict or one.faults


def test_a_sick_one_is_passed_over_while_others_can_take_jobs_and_only_then() -> None:
    broken, other = judged([report("a", BROKEN), report("b", WELL, running=4)])
    assert choose([broken, other], 3) == [("b", 3)]
    drained = report("c", WELL, drained=True)
    assert [one.name for one in able_ones([broken, drained], PLAIN)] == ["a"]
    assert choose([broken, report("d", WELL, maximum=0)], 3) == [("a", 3)]


def test_who_needs_what_only_a_sick_one_has_goes_there() -> None:
    with_gpu = report("a", BROKEN, machine=Machine(4, gpus=(Gpu("0"),)))
    without = report("b", WELL, machine=Machine(4))
    assert choose(judged([with_gpu, without]), 1, needs=Needs(gpus=1000)) == [("a", 1)]


def test_what_waits_at_a_sick_one_moves_and_nothing_moves_there() -> None:
    fleet = judged([Report("a", 4, 4, 2, health=BROKEN), Report("b", 4, 4, 30, health=WELL)])
    queues = {name: [Candidate(number, PLAIN) for number in range(2)] for name in ("a", "b")}
    (found,) = partings(fleet, queues, ["a", "b"])
    assert (found.source, found.target, list(found.jobs)) == ("a", "b", [0, 1])
