"""The rig's Slurm itself, over ssh: it runs jobs on its nodes, and can be without its controller or a node. That
nothing of it is left is shown of the lab, of which it is a part."""

from __future__ import annotations

from tests.live.machine import until
from tests.rig.lab import PROJECT, Done
from tests.rig.slurm import Slurm, cluster

LASTING = f"sbatch --parsable -o {PROJECT}/out -D /home/worker --wrap='hostname; exec sleep 600'"


def typed(slurm: Slurm, text: str) -> Done:
    return slurm.lab.ssh(slurm.login, text)


def test_jobs_run_on_nodes_whatever_becomes_of_the_controller() -> None:
    with cluster() as slurm:
        assert typed(slurm, LASTING).stdout == "1\n"
        out = slurm.login.root / "out"
        until(lambda: out.exists() and out.read_text() == "h2\n", "the job's output")
        slurm.stop_controller()
        assert "DOWN" in typed(slurm, "scontrol ping").stdout
        slurm.start_controller()
        assert typed(slurm, "squeue -h -o '%A %t %R'").stdout == "1 R h2\n"
        slurm.kill_node(slurm.nodes[0])
        assert slurm.nodes[0].call("pgrep", "-u", "worker", check=False).stdout == ""
        slurm.set("NodeName=h2", "State=DOWN", "Reason=power")
        slurm.until_nodes("down", slurm.nodes[0])
        assert slurm.count() == {"sbatch": 1, "scontrol": 1, "squeue": 1}


def test_another_may_stand_in_a_programs_place() -> None:
    with cluster() as slurm:
        slurm.set("PartitionName=main", "State=DOWN")
        slurm.put("sbatch", '#!/bin/sh\n/usr/bin/sbatch "$@" >/dev/null\nexit 1\n')
        done = typed(slurm, LASTING)
        assert (done.returncode, done.stdout, slurm.count()) == (1, "", {})
        slurm.put("sbatch")
        assert typed(slurm, LASTING).stdout == "2\n"
        assert sorted(typed(slurm, "squeue -h -o '%A %t %r'").stdout.splitlines()) == [
            f"{n} PD PartitionDown" for n in (1, 2)
        ]
        slurm.configure("MaxArraySize=5")
        assert "Invalid job array" in typed(slurm, f"{LASTING} --array=0-5").stderr
