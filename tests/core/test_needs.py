from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core.needs import WHOLE, Gpu, Grant, Machine, Needs, Room, could_hold, room

GIB = 1 << 30
BOX = Machine(
    slots=4, cpus=8, mem=16 * GIB, gpus=(Gpu("0", 8 * GIB), Gpu("1", 8 * GIB), Gpu("2", 24 * GIB)), named=(("tape", 2),)
)
HALF = WHOLE // 2


def left(*taken: tuple[Needs, Grant]) -> Room:
    return room(BOX, taken)


def test_who_wants_nothing_special_takes_a_slot() -> None:
    assert left().grant(Needs()) == ()
    assert left(*[(Needs(), ())] * 4).grant(Needs()) is None
    assert left(*[(Needs(), ())] * 4).missing(Needs()) == ["slots"]


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        (Needs(slots=5), ["slots"]),
        (Needs(cpus=9), ["cpus"]),
        (Needs(mem=17 * GIB), ["mem"]),
        (Needs(gpus=4 * WHOLE), ["gpus"]),
        (Needs(gpus=2 * WHOLE, gpu_mem=9 * GIB), ["gpus"]),
        (Needs(gpu_mem=25 * GIB), ["gpus"]),
        (Needs(named=(("tape", 3),)), ["tape"]),
        (Needs(named=(("licence", 1),)), ["licence"]),
        (Needs(cpus=9, mem=17 * GIB, named=(("tape", 3),), gpus=9 * WHOLE), ["cpus", "mem", "tape", "gpus"]),
    ],
)
def test_what_is_missing_is_named(needs: Needs, missing: list[str]) -> None:
    assert left().missing(needs) == missing
    assert left().grant(needs) is None
    assert not could_hold(BOX, needs)


def test_what_is_taken_is_gone() -> None:
    needs = Needs(slots=2, cpus=5, mem=9 * GIB, named=(("tape", 1),))
    assert left().grant(needs) == ()
    assert left((needs, ())).missing(needs) == ["cpus", "mem"]
    assert left((needs, ())).grant(Needs(cpus=3, mem=7 * GIB, named=(("tape", 1),))) == ()


def test_whole_gpus_come_in_their_order_and_only_if_nobody_has_a_part_of_them() -> None:
    assert left().grant(Needs(gpus=2 * WHOLE)) == (("0", WHOLE), ("1", WHOLE))
    shared = left((Needs(gpus=HALF), (("0", HALF),)))
    assert shared.grant(Needs(gpus=2 * WHOLE)) == (("1", WHOLE), ("2", WHOLE))
    assert shared.grant(Needs(gpus=3 * WHOLE)) is None
    assert left().grant(Needs(gpus=WHOLE, gpu_mem=9 * GIB)) == (("2", WHOLE),)


def test_a_share_goes_where_others_are_so_that_whole_gpus_stay_whole() -> None:
    assert left((Needs(gpus=HALF), (("1", HALF),))).grant(Needs(gpus=HALF)) == (("1", HALF),)
    assert left((Needs(gpus=HALF), (("1", HALF),))).grant(Needs(gpus=HALF + 1)) == (("0", HALF + 1),)


def test_memory_names_a_share_rounded_up() -> None:
    assert left().grant(Needs(gpu_mem=2 * GIB)) == (("0", 250),)
    assert left().grant(Needs(gpu_mem=9 * GIB)) == (("2", 375),)
    assert left().grant(Needs(gpu_mem=1)) == (("0", 1),)
    assert left().grant(Needs(gpus=HALF, gpu_mem=2 * GIB)) == (("0", HALF),)


def test_memory_can_not_be_shared_where_nobody_knows_how_much_there_is() -> None:
    unknown = Machine(1, gpus=(Gpu("0"),))
    assert could_hold(unknown, Needs(gpus=HALF))
    assert not could_hold(unknown, Needs(gpu_mem=1))


def test_a_machine_may_have_had_more_when_its_jobs_were_started() -> None:
    gone = left((Needs(slots=9, cpus=99, named=(("crane", 1),)), (("7", WHOLE),)))
    assert gone.grant(Needs()) is None
    assert gone.missing(Needs(cpus=1)) == ["slots", "cpus"]
    roomy = room(Machine(10), [(Needs(cpus=1), ())])
    assert roomy.grant(Needs()) == ()


def test_what_is_set_aside_nobody_else_gets() -> None:
    kept = left()
    kept.set_aside(Needs(cpus=6, gpus=WHOLE, named=(("tape", 1),)))
    assert kept.missing(Needs(cpus=3)) == ["cpus"]
    assert kept.grant(Needs(cpus=2, named=(("tape", 1),))) == ()
    assert kept.grant(Needs(gpus=2 * WHOLE)) == (("1", WHOLE), ("2", WHOLE))


def test_of_what_there_is_not_enough_all_is_set_aside() -> None:
    kept = left((Needs(gpus=HALF), (("2", HALF),)))
    kept.set_aside(Needs(gpus=3 * WHOLE))
    assert kept.missing(Needs(gpus=HALF)) == ["gpus"]
    assert kept.grant(Needs(cpus=8)) == ()


SOME = st.builds(
    Needs,
    slots=st.integers(1, 2),
    cpus=st.integers(0, 4),
    mem=st.integers(0, 8).map(lambda n: n * GIB),
    gpus=st.sampled_from([0, 0, 100, 300, HALF, WHOLE, 2 * WHOLE]),
    gpu_mem=st.sampled_from([0, 0, GIB, 5 * GIB, 20 * GIB]),
    named=st.sampled_from([(), (("tape", 1),)]),
)


@given(st.lists(SOME, max_size=30))
def test_nothing_is_ever_promised_twice(wanted: list[Needs]) -> None:
    all_left, taken = Room(BOX), []
    for needs in wanted:
        grant = all_left.grant(needs)
        assert (grant is None) == bool(all_left.missing(needs))
        if grant is not None:
            all_left.take(needs, grant)
            taken.append((needs, grant))
    assert sum(needs.slots for needs, _ in taken) <= BOX.slots
    assert sum(needs.cpus for needs, _ in taken) <= BOX.cpus
    assert sum(needs.mem for needs, _ in taken) <= BOX.mem
    for gpu in BOX.gpus:
        here = [(needs, share) for needs, grant in taken for name, share in grant if name == gpu.name]
        assert sum(share for _, share in here) <= WHOLE
        assert sum(needs.gpu_mem for needs, _ in here) <= gpu.mem
    for needs, grant in taken:
        assert len(grant) == max(needs.gpus // WHOLE, 1 if needs.gpus or needs.gpu_mem else 0)


def test_of_what_each_node_has_jobs_take_nothing_but_slots() -> None:
    machine = Machine(slots=3, cpus=4, mem=100, gpus=(Gpu("0"), Gpu("1")), each=True)
    left = room(machine, [(Needs(cpus=4, mem=100, gpus=2 * WHOLE), ())])
    assert left.grant(Needs(cpus=4, gpus=2 * WHOLE)) == ()
    assert left.missing(Needs(slots=2, cpus=5, gpus=3 * WHOLE)) == ["cpus", "gpus"]
    assert left.grant(Needs(gpus=WHOLE // 2)) is left.grant(Needs(gpu_mem=1)) is None
    left.set_aside(Needs(cpus=4, gpus=WHOLE))
    assert left.missing(Needs(slots=2, cpus=4, gpus=WHOLE)) == ["slots"]
