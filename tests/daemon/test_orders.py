"""What the keeper is told to start a job with."""

from __future__ import annotations

import os
from typing import Any

from sjs.core.job import Snapshot, Spec, Task
from sjs.core.needs import Gpu, Grant, Needs
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.daemon.manager.orders import start_order
from sjs.daemon.queue.live import Live

WHERE = Places("/root/project", "jobs.pipe", "/root/project/state")
GPUS = {
    "0": Gpu("0", kind="nvidia"),
    "3": Gpu("3", kind="nvidia"),
    "7": Gpu("7", kind="amd"),
    "9": Gpu("9", kind="amd"),
}


def order(spec: Spec, gpus: Grant = (), base: str | None = None) -> dict[str, Any]:
    return start_order(WHERE, Live(12, "starting", 2, 1, spec, gpus, 0), base, GPUS)


def test_a_plain_job_is_told_who_it_is() -> None:
    told = order(Spec("a"))
    assert (told["do"], told["tag"], told["cwd"]) == ("start", "12.2", "/root/project")
    assert told["env"] == {
        "SJS_JOB_ID": "12",
        "SJS_ATTEMPT": "2",
        "SJS_SLOT": "1",
        "SJS_MANAGER": WHERE.door,
        "SJS_JOB_DIR": told["folder"],
    }
    assert [os.path.basename(told[name]) for name in ("out", "err", "folder")] == ["12.2.out", "12.2.err", "12.2.dir"]
    assert not {"timeout", "grace", "nice", "stdin", "mem"} & set(told)


def test_what_it_asked_for_goes_along() -> None:
    spec = Spec("a", cwd="sub", stdin="in.txt", timeout=9.0, grace=2.0, nice=5, merge=True, needs=Needs(cpus=3, mem=77))
    told = order(spec)
    assert (told["cwd"], told["stdin"]) == ("/root/project/sub", "/root/project/sub/in.txt")
    assert [told[name] for name in ("timeout", "grace", "nice", "mem")] == [9.0, 2.0, 5, 77]
    assert told["err"] == told["out"]
    assert (told["env"]["SJS_CPUS"], told["env"]["OMP_NUM_THREADS"]) == ("3", "3")


def test_a_job_of_a_sweep_is_told_which_one_it_is() -> None:
    env = order(Spec("a", task=Task("lr", 7, (("lr", "0.1"),))))["env"]
    assert (env["SJS_SWEEP"], env["SJS_TASK_INDEX"]) == ("lr", "7")


def test_its_own_environment_counts_most() -> None:
    spec = Spec("a", name="n", env=(("A", "own"), ("OMP_NUM_THREADS", "1")), needs=Needs(cpus=3))
    env = order(spec, base='{"A": "base", "B": "base"}')["env"]
    assert [env[name] for name in ("A", "B", "OMP_NUM_THREADS", "SJS_JOB_NAME")] == ["own", "base", "1", "n"]


def test_it_sees_its_gpus_and_no_others() -> None:
    env = order(Spec("a"), (("0", 1000), ("3", 1000)))["env"]
    assert (env["CUDA_VISIBLE_DEVICES"], env["CUDA_DEVICE_ORDER"], env["SJS_GPUS"]) == ("0,3", "PCI_BUS_ID", "0,3")
    env = order(Spec("a"), (("7", 1000), ("9", 1000)))["env"]
    assert (env["ROCR_VISIBLE_DEVICES"], env["HIP_VISIBLE_DEVICES"]) == ("7,9", "0,1")
    assert "CUDA_VISIBLE_DEVICES" not in env


def test_one_that_leaves_artifacts_is_told_where_also_as_clients_of_jobmgr_know_it() -> None:
    told = order(Spec("a", artifacts=True))
    assert told["artifacts"] == f"{told['folder']}/artifacts"
    assert {told["env"][name] for name in ("SJS_ARTIFACTS_DIR", "JOBMGR_ARTIFACTS_DIR")} == {told["artifacts"]}
    assert "artifacts" not in order(Spec("a"))


def test_with_a_snapshot_its_process_first_makes_its_own_folder() -> None:
    """What it reads, and where it runs, is in there, so that process opens it."""
    told = order(Spec(argv=("./train", "-v"), cwd="sub", stdin="in.txt", snapshot=Snapshot("ab" * 32)))
    assert (told["cwd"], told["env"]["SJS_SNAPSHOT"], "stdin" in told) == ("/root/project", "ab" * 32, False)
    place = "/root/project/state/jobs/0/12.2.tree"
    asked = [WHERE.snapshots, "ab" * 32, place, "sub", "in.txt", "--", "./train", "-v"]
    assert told["argv"] == [*OURS.command("checkout"), *asked]
