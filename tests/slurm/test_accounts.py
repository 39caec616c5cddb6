"""Of whom Slurm itself knows nothing more, its accounts still tell; where there are none, it is lost after a while."""

from __future__ import annotations

from tests.live.machine import until
from tests.slurm.person import person


def test_sacct_tells_who_was_ended_while_nobody_looked() -> None:
    """By an administrator, whose controller has forgotten all when it is asked."""
    with person(accounts=True) as anna:
        slurm = anna.slurm
        well, killed = anna.ids("--command 'exit 4' --command 'sleep 600'")
        assert anna.end(well) == ("failed", "exit")
        anna.until_runs(killed)
        (task,) = anna.in_slurm("RUNNING")
        anna.well("stop --force")
        slurm.ask("scancel", task)
        until(lambda: "CANCELLED" in slurm.ask("sacct", "-nPX", "-j", task, "-o", "state"), "the accounts to know")
        slurm.stop_controller()
        slurm.start_controller(forgetful=True)
        anna.well("start")
        assert anna.end(killed) == ("cancelled", "cancelled")
        assert slurm.count()["sacct"] > 0
        rows = {row["id"]: row["state"] for row in anna.table("history")}
        assert rows == {well: "failed", killed: "cancelled"}
