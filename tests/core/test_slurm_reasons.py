from __future__ import annotations

import pytest

from sjs.core.slurm_reasons import lines, words


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Resources", "it is the next, and waits until enough is free (Resources)"),
        ("QOSMaxJobsPerUserLimit", "its QOS allows no more jobs at a time for each user (QOSMaxJobsPerUserLimit)"),
        ("AssocGrpCpuLimit", "its account allows no more processors, all its jobs together (AssocGrpCpuLimit)"),
        ("AssocMaxSubmitJobLimit", "its account allows no more jobs handed in (AssocMaxSubmitJobLimit)"),
        (
            "AssocGrpCPURunMinutesLimit",
            "its account allows no more processors that run so long, all its jobs together"
            " (AssocGrpCPURunMinutesLimit)",
        ),
        ("QOSMaxFooLimit", "its QOS allows no more Foo (QOSMaxFooLimit)"),
        ("SomethingNew", "SomethingNew"),
        (
            "ReqNodeNotAvail, UnavailableNodes:h[1-2]",
            "a node that it needs can not be had: down, drained or reserved (ReqNodeNotAvail, UnavailableNodes:h[1-2])",
        ),
        ("Nodes required for job are DOWN, DRAINED or so", "Nodes required for job are DOWN, DRAINED or so"),
        (
            "JobArrayTaskLimit,JobHeldUser",
            "as many of its array run as may (JobArrayTaskLimit); it is held in Slurm; scontrol release lets it go"
            " (JobHeldUser)",
        ),
    ],
)
def test_reasons_in_words(reason: str, said: str) -> None:
    assert words(reason) == said


def test_what_is_said_of_a_job_that_waits_in_slurm() -> None:
    place = {"id": "4_2", "partition": "main"}
    assert lines({}, "", "", "", "/q", "2028") == ["it was handed to Slurm, which has not told of it yet"]
    assert lines(place, "PENDING", "", "", "/q", "2028") == [
        "waits in Slurm as job 4_2 of Slurm's, partition main: Slurm has not looked at it yet (None)"
    ]
    assert lines(place, "PENDING", "Priority", "2027-11-22T02:55:42", "/q", "2028") == [
        "waits in Slurm as job 4_2 of Slurm's, partition main: others come before it (Priority)",
        "Slurm expects to start it at 2027-11-22 02:55:42",
    ]
    assert len(lines(place, "PENDING", "Priority", "2028-01-01T00:00:00", "/q", "2028")) == 1, "that is no promise"
    (line,) = lines({**place, "node": "h1"}, "RUNNING", "None", "", "/q", "2028")
    assert line.startswith("job 4_2 of Slurm's, partition main was started on h1, and has left no sign in /q yet")
    assert lines({}, "RUNNING", "None", "", "/q", "2028")[0].startswith("job ? of Slurm's was started on its node")
