"""Room that somebody wants to be left on the disk of a queue."""

from __future__ import annotations

from tests.live.machine import Machine

ALL = 1 << 60


def test_less_room_than_somebody_wants_stops_the_queue_until_the_next_word(machine: Machine) -> None:
    with machine.client() as client:
        usual = client.ask("report")["low_water"]
        client.ask("configure", max_jobs=0)
        job = client.submit("true")["first"]
        assert client.ask("configure", max_jobs=1, low_water=ALL)["settings"]["low_water"] == ALL
        assert client.submit("true")["error"]["code"] == "no_space"
    machine.kill_manager()
    with machine.client() as client:
        report = client.ask("report")
        assert (report["low_water"], report["queued"]) == (ALL, 1), "it outlives the manager"
        assert "less than" in report["trouble"]
        client.ask("configure", low_water=0)
        assert client.ask("wait", jobs=[[job, job]])["done"]
        report = client.ask("report")
        assert (report["low_water"], report["trouble"]) == (usual, "")
