"""Many jobs at a time: in few calls of Slurm's programs, each of them once."""

from __future__ import annotations

from tests.slurm.person import LONG, folder, person

RUN = 500 if LONG else 40
MANY = 5_000
FEW = 8
"""Calls of sbatch for those: five by the largest array that there may be, and what the queue does as they come."""


def test_five_thousand_lines_are_a_few_arrays() -> None:
    """Nothing starts: what is counted is how they come there, and how they go."""
    with person() as anna:
        anna.slurm.set("PartitionName=main", "State=DOWN")
        left = folder(anna.slurm.login, "left")
        anna.file(*(f"echo {one} > {left}/{one}" for one in range(MANY)))
        assert len(anna.ids("--command-file commands")) == MANY
        anna.until_in_slurm(MANY, "PENDING")
        assert anna.slurm.count()["sbatch"] <= FEW
        anna.well("cancel all")
        anna.until_in_slurm(0)
        assert anna.types(f"wait 0-{MANY - 1}").status == 101, "none of them has succeeded"
        anna.slurm.set("PartitionName=main", "State=UP")
        assert anna.outs(left) == {}
        found = anna.slurm.count()
        assert found["sbatch"] <= FEW and found["scancel"] <= 2 * FEW and found["squeue"] <= 60, found


def test_jobs_of_several_shapes_run_once_each() -> None:
    """One in three wants two CPUs, and one in five fails."""
    with person(nodes=2) as anna:
        left = folder(anna.slurm.login, "left")
        lines = []
        for one in range(RUN):
            wide = "  #SJS -c 2" if one % 3 == 0 else ""
            lines.append(f"echo $SLURM_CPUS_ON_NODE >> {left}/{one}; exit {int(one % 5 == 0)}{wide}")
        anna.file(*lines)
        done = anna.types("job -p --wait --command-file commands")
        assert done.status == RUN // 5, done.err[-500:]
        assert anna.outs(left) == {str(one): "2\n" if one % 3 == 0 else "1\n" for one in range(RUN)}
        states = anna.states(list(range(RUN)))
        assert states == ["failed" if one % 5 == 0 else "succeeded" for one in range(RUN)]
        assert anna.slurm.count()["sbatch"] <= 4, anna.slurm.count()
