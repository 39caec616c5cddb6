"""Two machines that are full, a cluster to which they overflow, and what comes back from it."""

from __future__ import annotations

import json

from tests.rig.lab import USER
from tests.rig.slurm import cluster
from tests.rig.typist import typist

JOBS = 8


def test_what_overflows_from_two_full_machines_comes_back_from_slurm_and_runs_once() -> None:
    with cluster(beside=2) as slurm, typist(slurm.lab) as types:
        path = slurm.lab.config([*slurm.beside, slurm.login], each=[{}, {}, {"type": "slurm"}], default_max_jobs=1)
        text = path.read_text().replace('"default_max_jobs": 1, "type": "slurm"', '"type": "slurm"')
        path.write_text(text + "groups:\n  lab: {targets: 'manager-[1-2]', overflow: manager-3}\n")

        def well(line: str) -> str:
            done = types.types(line)
            assert done.status == 0, (line, done)
            return done.out + done.err

        slurm.set("PartitionName=main", "State=DOWN")
        go = f"/home/{USER}/go"
        well(f"manager-1,manager-2 job --command 'until [ -e {go} ]; do sleep 0.1; done'")
        jobs = slurm.lab.home / "jobs"
        jobs.write_text("".join(f"hostname > ~/ran-{number}; echo >> ~/times-{number}\n" for number in range(JOBS)))
        said = well("any:@lab job --command-file jobs")
        assert f"[manager-3] {JOBS} jobs go to manager-3: lab is full (overflow)\n" in said
        slurm_has = slurm.ask("squeue", "-h", "-r", "-o", "%T").split()
        assert set(slurm_has) <= {"PENDING"}
        assert "nothing to move" in well("@lab rebalance"), "there is no room"
        well("manager-1,manager-2 configure --max-jobs-running 3")
        moved = [line for line in well("@lab rebalance").splitlines() if " moved to " in line]
        assert sum(int(line.split()[1]) for line in moved) == 4, moved
        well("manager-1,manager-2 wait 1-2")
        slurm.set("PartitionName=main", "State=UP")
        for host in slurm.beside:
            host.call("touch", go)
        well(f"manager-3 wait 0-{JOBS - 1}")
        records = [json.loads(line) for line in well("all list --all --json").splitlines()]
        states = [one["state"] for one in records if one["target"] == "manager-3"]
        assert (states.count("moved"), states.count("succeeded")) == (4, 4)
        ran = [(host.name, path) for host in (slurm.login, *slurm.beside) for path in host.home.glob("times-*")]
        assert sorted(path.name for _, path in ran) == sorted(f"times-{number}" for number in range(JOBS))
        assert all(path.read_text() == "\n" for _, path in ran)
        assert sum(host != slurm.login.name for host, _ in ran) == 4
