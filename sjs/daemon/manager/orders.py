"""In the manager: what the keeper is told to do with jobs."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Union

from sjs.core.job import Snapshot, Spec
from sjs.core.needs import Gpu, Grant
from sjs.core.schedule import Pause, Start, Stop
from sjs.daemon.ground import kind, workspace
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.live import Live
from sjs.daemon.queue.store import Store

Order = Union[Start, Stop, Pause]
"""What `plan` wants the keeper to do."""


def keeper_order(where: Places, ledger: Ledger, store: Store, action: Order) -> Dict[str, Any]:
    """An action for the keeper. Made once it is durable: should this manager end over it, the next one knows."""
    if isinstance(action, Start):
        live = ledger.live[action.job.id]
        base = store.environment(live.spec.env_base) if live.spec.env_base else None
        gpus = {gpu.name: gpu for gpu in ledger.holdings.machine.gpus}
        return start_order(where, live, base, gpus, ledger.is_elsewhere)
    live = ledger.live[action.job_id]
    if isinstance(action, Pause):
        return {"do": "pause" if action.still else "resume", "tag": live.tag}
    return {"do": "stop", "tag": live.tag, "grace": live.grace}


def grant_order(where: Places, store: Store, granted: Sequence[Live]) -> Dict[str, Any]:
    """The order that lets the keeper start these, each in a place that it will know."""
    bases = {name: store.environment(name) for name in {live.spec.env_base for live in granted} if name}
    starts = [start_order(where, live, bases.get(live.spec.env_base or ""), {}) for live in granted]
    return {"do": "grant", "starts": starts}


def start_order(
    where: Places, live: Live, base: Optional[str], gpus: Mapping[str, Gpu], where_else: bool = False
) -> Dict[str, Any]:
    """The order to start an attempt. `base`: the environment that was kept for it, as JSON; `gpus`: all, by name;
    `where_else`: Slurm is to run it."""
    spec = live.spec
    place = workspace.beginning(where.jobs, live.id, live.attempt)
    out, err = (f"{place}.{name}" for name in workspace.STREAMS)
    folder = f"{place}.{workspace.FOLDER}"
    cwd = os.path.join(where.root, spec.cwd) if spec.cwd and spec.snapshot is None else where.root
    order: Dict[str, Any] = {
        "do": "start",
        "tag": live.tag,
        "slot": live.slot,
        "argv": spec.program if spec.snapshot is None else _in_checkout(where, live, spec.snapshot),
        "cwd": cwd,
        "env": {**json.loads(base or "{}"), **_told(where, live, folder), **_pinned(live.gpus, gpus), **dict(spec.env)},
        "folder": folder,
        "out": out,
        "err": out if spec.merge else err,
    }
    limits = {"timeout": spec.timeout, "grace": spec.grace, "nice": spec.nice or None, "mem": spec.needs.mem or None}
    order.update({name: value for name, value in limits.items() if value is not None})
    if spec.artifacts:
        order["artifacts"] = workspace.artifacts_path(where.jobs, live.id, live.attempt)
    if where_else:
        order["slurm"] = told_to_slurm(spec)
    if spec.stdin is not None and spec.snapshot is None:
        order["stdin"] = os.path.join(cwd, spec.stdin)
    return order


def told_to_slurm(spec: Spec) -> Dict[str, Any]:
    """What Slurm is told of a job, besides what any keeper is."""
    native = dict(spec.native).get(kind.SLURM)
    told = {
        "name": spec.name,
        "cpus": spec.needs.cpus,
        "gpus": spec.needs.gpus,
        "gpu_mem": spec.needs.gpu_mem,
        "priority": spec.priority,
        "native": json.loads(native) if native else {},
    }
    return {name: value for name, value in told.items() if value}


def _in_checkout(where: Places, live: Live, snapshot: Snapshot) -> Sequence[str]:
    """What makes the job's own copy of its snapshot, and there becomes the job: what may take long is the job's time,
    not the keeper's."""
    place = workspace.output_path(where.jobs, live.id, live.attempt, workspace.TREE)
    asked = (where.snapshots, snapshot.id, place, live.spec.cwd or "", live.spec.stdin or "")
    return [*OURS.command("checkout", *asked), "--", *live.spec.program]


def find_order(where: Places, lives: Iterable[Live]) -> Dict[str, Any]:
    """The order to look for attempts that the keeper has no record of, each with what it may take."""
    attempts = [[one.tag, output_of(where, one), one.spec.timeout, one.spec.grace, one.spec.needs.mem] for one in lives]
    return {"do": "find", "attempts": attempts}


def output_of(where: Places, live: Live) -> str:
    """The file that proves, once it is there, that the attempt was started."""
    return workspace.output_path(where.jobs, live.id, live.attempt, "out")


def _told(where: Places, live: Live, folder: str) -> Dict[str, str]:
    """What every job is told about itself."""
    told = {
        "SJS_JOB_ID": str(live.id),
        "SJS_ATTEMPT": str(live.attempt),
        "SJS_SLOT": str(live.slot),
        "SJS_MANAGER": where.door,
        "SJS_JOB_DIR": folder,
    }
    if live.spec.task is not None:
        told["SJS_SWEEP"] = live.spec.task.sweep
        told["SJS_TASK_INDEX"] = str(live.spec.task.number)
    if live.spec.name:
        told["SJS_JOB_NAME"] = live.spec.name
    if live.spec.snapshot is not None:
        told["SJS_SNAPSHOT"] = live.spec.snapshot.id
    if live.spec.artifacts:
        artifacts = workspace.artifacts_path(where.jobs, live.id, live.attempt)
        told.update(SJS_ARTIFACTS_DIR=artifacts, JOBMGR_ARTIFACTS_DIR=artifacts)
    if live.spec.needs.cpus:
        told["SJS_CPUS"] = told["OMP_NUM_THREADS"] = str(live.spec.needs.cpus)
    return told


def _pinned(grant: Grant, gpus: Mapping[str, Gpu]) -> Dict[str, str]:
    """The variables by which libraries see these GPUs and no others.

    NVIDIA's tools count by bus, its libraries by speed unless they are told. AMD's take ROCR_ first, and count what
    that leaves from 0.
    """
    if not grant:
        return {}
    names = [name for name, _ in grant]
    found = {"SJS_GPUS": ",".join(names)}
    if all(gpus[name].kind == "amd" for name in names if name in gpus):
        found["ROCR_VISIBLE_DEVICES"] = ",".join(names)
        found["HIP_VISIBLE_DEVICES"] = ",".join(str(number) for number in range(len(names)))
    else:
        found["CUDA_VISIBLE_DEVICES"] = ",".join(names)
        found["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    return found
