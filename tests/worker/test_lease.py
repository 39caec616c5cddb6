from __future__ import annotations

from sjs.worker.lease import LONGEST, SHORTEST, Lease, Pauses


def test_it_is_renewed_after_a_third_of_what_was_granted_and_over_after_all_of_it() -> None:
    lease = Lease(1000.0, 90.0)
    assert (lease.renewal, lease.end) == (1030.0, 1090.0)
    assert not lease.is_over(1089.9) and lease.is_over(1090.0)
    lease.renewed(1040.0, 30.0)
    assert (lease.renewal, lease.end) == (1050.0, 1070.0)


def test_who_is_not_answered_asks_again_and_has_no_more_time_for_that() -> None:
    lease = Lease(1000.0, 90.0)
    lease.failed(1035.0, 2.0)
    assert (lease.renewal, lease.end) == (1037.0, 1090.0)
    lease.renewed(1037.5, 90.0)
    assert lease.renewal == 1067.5


def test_pauses_grow_to_an_end_and_begin_anew_once_somebody_has_answered() -> None:
    pauses = Pauses(0.5)
    found = [pauses.next() for _ in range(10)]
    assert found[0] == SHORTEST and found[-1] == LONGEST
    assert found == sorted(found)
    pauses.over()
    assert pauses.next() == SHORTEST


def test_somebody_is_asked_until_shortly_before_it_is_too_late() -> None:
    """Not given up after 8 seconds of 15, for the next pause would be longer than what is left."""
    pauses, now, end = Pauses(1.0), 0.0, 15.0
    tries = 0
    while now < end:
        last = now
        now += pauses.next(None, end - now)
        tries += 1
    assert end - last <= SHORTEST and tries < 15


def test_a_pause_is_no_shorter_than_the_gateway_has_asked_for() -> None:
    pauses = Pauses(0.5)
    assert pauses.next(7.0) == 7.0
    assert pauses.next(0.001) == 2 * SHORTEST


def test_workers_that_were_refused_together_do_not_come_back_together() -> None:
    assert len({Pauses(chance / 10).next() for chance in range(10)}) == 10
