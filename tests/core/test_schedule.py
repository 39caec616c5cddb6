from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.core.job import Job, Spec
from sjs.core.needs import WHOLE, Gpu, Machine, Needs, Room, could_hold
from sjs.core.schedule import PATIENCE, Overtake, Pause, Running, Snapshot, Start, Stop, ahead, plan

PLAIN = Needs()


def queued(*ids: int, needs: Needs = PLAIN) -> list[Job]:
    return [Job(id=number, spec=Spec("true", needs=needs), state="queued", submitted=0.0) for number in ids]


def snapshot(maximum: int, running: list[Running], head: list[Job], stopping: bool = False) -> Snapshot:
    return Snapshot(Machine(maximum), running, head, stopping)


def started(seen: Snapshot) -> list[tuple[int, int]]:
    return [(action.job.id, action.slot) for action in plan(seen) if isinstance(action, Start)]


def test_free_slots_are_filled_in_order_of_the_queue() -> None:
    assert started(snapshot(3, [Running(0, slot=1)], queued(5, 6, 7))) == [(5, 0), (6, 2)]


def test_an_empty_queue_asks_for_nothing() -> None:
    assert plan(snapshot(3, [], [])) == ()


def test_a_maximum_of_zero_pauses() -> None:
    assert plan(snapshot(0, [Running(0, slot=0)], queued(1))) == ()


def test_a_stopping_manager_starts_nothing_but_still_ends_what_is_not_wanted() -> None:
    assert plan(snapshot(3, [Running(0, 0, cancel_wanted=True)], queued(1), stopping=True)) == (Stop(0),)


def test_an_end_is_asked_for_once_and_before_anything_starts() -> None:
    running = [Running(0, 0, cancel_wanted=True), Running(1, 1, cancel_wanted=True, cancel_told=True), Running(2, 2)]
    assert plan(snapshot(4, running, queued(3))) == (Stop(0), Start(queued(3)[0], 3))


def test_a_slot_above_a_lowered_maximum_still_counts() -> None:
    assert started(snapshot(2, [Running(0, slot=5)], queued(1, 2))) == [(1, 0)]


def test_lowering_the_maximum_ends_nobody() -> None:
    assert plan(snapshot(1, [Running(number, number) for number in range(4)], queued(9))) == ()


@given(st.integers(0, 20), st.sets(st.integers(0, 30)), st.integers(0, 40))
def test_never_more_than_the_maximum_and_no_slot_twice(maximum: int, taken: set[int], waiting: int) -> None:
    running = [Running(1000 + slot, slot) for slot in taken]
    actions = started(snapshot(maximum, running, queued(*range(waiting))))
    assert len(actions) == min(waiting, max(0, maximum - len(taken)))
    assert [number for number, _ in actions] == list(range(len(actions)))
    slots = [slot for _, slot in actions]
    assert len({*slots, *taken}) == len(slots) + len(taken)
    assert all(0 <= slot < maximum for slot in slots)


# Jobs of several sizes

BOX = Machine(4, cpus=4, gpus=(Gpu("0"), Gpu("1")))
BIG = Needs(cpus=4)
SMALL = Needs(cpus=1)


def test_who_fits_overtakes_who_does_not_and_that_is_counted() -> None:
    running = [Running(0, 0, needs=SMALL)]
    head = [*queued(1, needs=BIG), *queued(2, 3, needs=SMALL)]
    assert plan(Snapshot(BOX, running, head)) == (Start(head[1], 1), Start(head[2], 2), Overtake(1, by=2))


def test_who_was_overtaken_often_enough_gets_what_it_needs_kept_free() -> None:
    running = [Running(0, 0, needs=SMALL)]
    head = [*queued(1, needs=BIG), *queued(2, needs=SMALL), *queued(3)]
    seen = Snapshot(BOX, running, head, overtaken={1: PATIENCE})
    assert plan(seen) == (Start(head[2], 1), Overtake(1, by=1)), "who needs no cpu is in nobody's way"


def test_patience_ends_in_the_middle_of_a_plan() -> None:
    running = [Running(0, 0, needs=SMALL)]
    head = [*queued(1, needs=BIG), *queued(2, 3, needs=SMALL)]
    assert started(Snapshot(BOX, running, head, overtaken={1: PATIENCE - 1})) == [(2, 1)]


def test_who_could_never_run_here_has_nothing_kept_for_it() -> None:
    head = [*queued(1, needs=Needs(cpus=5)), *queued(2, needs=SMALL)]
    assert plan(Snapshot(BOX, [], head, overtaken={1: PATIENCE})) == (Start(head[1], 0),)


def test_several_slots_for_one_job() -> None:
    head = [*queued(1, needs=Needs(slots=3)), *queued(2, 3)]
    assert started(Snapshot(BOX, [], head)) == [(1, 0), (2, 1)]


def test_gpus_are_given_by_name() -> None:
    running = [Running(0, 0, needs=Needs(gpus=WHOLE), gpus=(("0", WHOLE),))]
    head = queued(1, 2, needs=Needs(gpus=WHOLE))
    assert plan(Snapshot(BOX, running, head)) == (Start(head[0], 1, (("1", WHOLE),)),)


SIZES = st.builds(
    Needs,
    slots=st.integers(1, 3),
    cpus=st.integers(0, 5),
    gpus=st.sampled_from([0, 0, 500, WHOLE, 2 * WHOLE, 3 * WHOLE]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_nobody_starves_and_nothing_is_overbooked(first: list[Needs], random: object) -> None:
    """Small jobs without an end come behind these. Each of these that could run does, after so many of them."""
    jobs = {number: queued(number, needs=needs)[0] for number, needs in enumerate(first)}
    running: dict[int, Running] = {}
    overtaken: dict[int, int] = {}
    possible = [number for number, job in jobs.items() if could_hold(BOX, job.spec.needs)]
    left, came = set(possible), len(jobs)
    for _ in range(40 * PATIENCE):
        for _ in range(BOX.slots):
            needs = SIZES_OF_STREAM[came % len(SIZES_OF_STREAM)]
            jobs[came] = queued(came, needs=needs)[0]
            came += 1
        for action in plan(Snapshot(BOX, list(running.values()), [jobs[n] for n in sorted(jobs)], overtaken=overtaken)):
            if isinstance(action, Start):
                job = jobs.pop(action.job.id)
                left.discard(job.id)
                running[job.id] = Running(job.id, action.slot, needs=job.spec.needs, gpus=action.gpus)
            elif isinstance(action, Overtake):
                overtaken[action.job_id] = overtaken.get(action.job_id, 0) + action.by
        check(list(running.values()))
        if not left:
            return
        running.pop(random.choice(sorted(running)))  # type: ignore[attr-defined]
        for number in [one for one in jobs if one >= len(first)][: -3 * BOX.slots]:
            del jobs[number]  # to keep the test small; others of the stream take its place
    raise AssertionError(f"{sorted(left)} never started")


SIZES_OF_STREAM = [PLAIN, Needs(cpus=1), Needs(cpus=2, gpus=500), Needs(gpus=WHOLE), Needs(slots=2)]


def check(running: list[Running]) -> None:
    """No more than there is, and no slot and no part of a GPU twice."""
    left = Room(BOX)
    for one in running:
        assert left.missing(Needs(one.needs.slots, one.needs.cpus)) == []
        left.take(one.needs, one.gpus)
    assert len({one.slot for one in running}) == len(running)
    shares = {
        gpu.name: sum(share for one in running for name, share in one.gpus if name == gpu.name) for gpu in BOX.gpus
    }
    assert all(share <= WHOLE for share in shares.values())


def test_what_is_to_stand_still_or_go_on_is_told_even_when_nothing_starts() -> None:
    running = [Running(0, 0, pause=True), Running(1, 1, pause=False), Running(2, 2)]
    assert plan(snapshot(4, running, queued(3), stopping=True)) == (Pause(0, True), Pause(1, False))


def test_the_front_of_the_queue_may_start_where_others_end() -> None:
    full = snapshot(2, [Running(0, 0), Running(1, 1)], queued(5, 6, 7))
    assert [job.id for job in ahead(full, 2)] == [5, 6]


@given(st.integers(0, 4), st.integers(0, 6), st.integers(0, 4), st.booleans())
def test_nobody_may_start_by_himself_but_where_all_places_are_taken_and_no_more(
    maximum: int, runs: int, waits: int, stopping: bool
) -> None:
    seen = snapshot(
        maximum, [Running(number, number) for number in range(runs)], queued(*range(10, 10 + waits)), stopping
    )
    assert bool(ahead(seen, 3)) == (0 < runs == maximum and waits > 0 and not stopping)


def test_who_needs_something_else_or_gpus_is_asked_for() -> None:
    wide = Needs(slots=2)
    assert ahead(snapshot(2, [Running(0, 0), Running(1, 1)], queued(5) + queued(6, needs=wide)), 2) == ()
    assert ahead(snapshot(2, [Running(0, 0, needs=wide)], queued(5)), 2) == ()
    gpu = Needs(gpus=WHOLE)
    machine = Machine(2, gpus=(Gpu("0"),))
    assert ahead(Snapshot(machine, [Running(0, 0, needs=gpu, gpus=(("0", WHOLE),))], queued(5, needs=gpu)), 2) == ()
