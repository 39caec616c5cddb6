"""What `sbatch` is told of a job. Pure: jobs of which it is told the same have one shape, and go together."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from sjs.core.job import GRACE
from sjs.core.needs import WHOLE
from sjs.daemon.ground.starting import Start

Shape = Tuple[str, ...]

NAME = "sjs"
"""What a job is called in Slurm that has no name."""

MIB = 1 << 20
MARGIN = 60.0
"""Seconds that Slurm gives a job beyond its own time limit, which the program on the node sees to."""


class Unfit(Exception):
    """Why Slurm can not be told of it."""


def shape_of(wanted: Start) -> Shape:
    """The options for a job. What its owner says of Slurm comes last, so that it counts."""
    told: Dict[str, Any] = wanted.slurm or {}
    native: Dict[str, Any] = told.get("native") or {}
    gpus = int(told.get("gpus", 0))
    if gpus % WHOLE or told.get("gpu_mem"):
        raise Unfit("Slurm gives whole GPUs, not a part of one, nor one with so much memory")
    options = [f"--job-name={''.join(one if one.isprintable() else '_' for one in told.get('name') or NAME)}"]
    if told.get("cpus"):
        options.append(f"--cpus-per-task={told['cpus']}")
    if wanted.mem:
        options.append(f"--mem={-(-wanted.mem // MIB)}M")
    if gpus:
        options.append(f"--gres=gpu:{gpus // WHOLE}")
    if wanted.timeout is not None:
        grace = GRACE if wanted.grace is None else wanted.grace
        options.append(f"--time={math.ceil((wanted.timeout + grace + MARGIN) / 60)}")
    if told.get("priority", 0) < 0:  # to be sooner than others is not for Slurm's users to say
        options.append(f"--nice={-told['priority']}")
    options += [f"--{name}={native[name]}" for name in ("partition", "account", "qos") if native.get(name)]
    return (*options, *map(str, native.get("options") or ()))


def chunks(wanted: Iterable[Start], most: int) -> Iterator[Tuple[Shape, List[Start]]]:
    """Those of one shape together, in their order, and no more than so many. Unfit ones must not be among them."""
    by_shape: Dict[Shape, List[Start]] = {}
    for one in wanted:
        by_shape.setdefault(shape_of(one), []).append(one)
    for shape, starts in by_shape.items():
        for first in range(0, len(starts), most):
            yield shape, starts[first : first + most]
