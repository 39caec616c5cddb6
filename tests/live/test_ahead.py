"""The keeper starts the front of the queue by itself while jobs are short: nobody can tell, but by how fast it goes."""

from __future__ import annotations

from pathlib import Path

from tests.live.machine import Client, running, until

JOBS = 600


def flow(client: Client, folder: Path, count: int = JOBS) -> None:
    """Many short jobs, of which some have run."""
    for _ in range(0, count, 200):
        client.submit(*["echo $SJS_JOB_ID >> order"] * 200)
    until(lambda: client.ask("report")["counts"]["succeeded"] >= 100, "a hundred jobs")


def order(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "order").read_text().split()]


def test_what_is_seen_is_what_is_so(tmp_path: Path) -> None:
    with running(tmp_path, 2) as machine, machine.client() as client:
        flow(client, tmp_path)
        while True:
            report = client.ask("report", head=1)
            counts = report["counts"]
            assert sum(counts.values()) == JOBS
            assert report["running"] == counts["starting"] + counts["running"] <= 2
            shown = client.ask("list", states=["queued", "starting", "running"], limit=5)["jobs"]
            states = [one["state"] for one in shown]
            assert sum(state != "queued" for state in states) <= 2, "no more than run are seen to run"
            if counts["succeeded"] == JOBS:
                break
        assert sorted(order(tmp_path)) == list(range(JOBS))


def test_who_is_cancelled_or_held_never_starts(tmp_path: Path) -> None:
    with running(tmp_path, 2) as machine, machine.client() as client:
        flow(client, tmp_path)
        ended = client.ask("report")["counts"]["succeeded"]
        held = client.ask("hold", jobs=[[ended + 50, ended + 99]])["changed"]
        cancelled = client.ask("cancel", jobs=[[ended + 100, JOBS - 1]])["cancelled"]
        client.ask("wait", jobs=[[0, ended + 49], *cancelled])
        left = {number for low, high in [*held, *cancelled] for number in range(low, high + 1)}
        ran = order(tmp_path)
        assert len(ran) == len(set(ran)) == JOBS - len(left)
        assert not left & set(ran)


def test_who_is_urgent_comes_before_all_that_have_not_started(tmp_path: Path) -> None:
    with running(tmp_path, 1) as machine, machine.client() as client:
        flow(client, tmp_path, 400)
        urgent = client.ask("submit", jobs=[{"command": "echo $SJS_JOB_ID >> order", "priority": 1}])["first"]
        before = client.ask("report")["counts"]
        client.ask("wait", jobs=None)
        place = order(tmp_path).index(urgent)
        assert place <= before["succeeded"] + 2, "one may run, and one have ended unheard of"


def test_nothing_starts_any_more_once_nothing_may(tmp_path: Path) -> None:
    with running(tmp_path, 2) as machine, machine.client() as client:
        flow(client, tmp_path)
        client.ask("configure", max_jobs=0)
        client.ask("wait", jobs=[[0, client.ask("report")["counts"]["succeeded"]]], timeout=2.0)
        seen = len(order(tmp_path))
        counts = client.ask("report")["counts"]
        assert counts["succeeded"] == seen and counts["starting"] == counts["running"] == 0
        client.ask("configure", max_jobs=1)
        client.ask("wait", jobs=None)
        assert sorted(order(tmp_path)) == list(range(JOBS))
        client.ask("stop")


def test_a_manager_that_is_killed_finds_what_went_on_without_it(tmp_path: Path) -> None:
    with running(tmp_path, 2) as machine:
        with machine.client() as client:
            flow(client, tmp_path)
        for _ in range(5):
            with machine.client() as client:  # the one before has a successor
                machine.kill_manager()
        with machine.client() as client:
            assert client.ask("wait", jobs=None)["counts"] == {"succeeded": JOBS}
        assert sorted(order(tmp_path)) == list(range(JOBS))
