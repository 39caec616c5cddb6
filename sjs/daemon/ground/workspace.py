"""Where a job's outputs are, a folder of its own, and its checkout if it has a snapshot. Empty outputs and folders go
when the job ends; a second attempt does not write over the first."""

from __future__ import annotations

import os
from typing import List

STREAMS = ("out", "err")

FOLDER = "dir"
"""The folder of an attempt's own, where it may leave what it has found."""

ARTIFACTS = "artifacts"
"""What it is called, in that folder, where files go that are to be collected."""

TREE = "tree"
"""The checkout of an attempt."""

TREES = (TREE, "tree.new")
"""The same, and what there was of it when somebody was killed over it."""


def output_path(jobs: str, job_id: int, attempt: int, stream: str) -> str:
    """The file that holds a stream of an attempt's output, or a folder that is its own."""
    return f"{beginning(jobs, job_id, attempt)}.{stream}"


def artifacts_path(jobs: str, job_id: int, attempt: int) -> str:
    """The folder, in that of its own, in which an attempt leaves what is to be collected."""
    return f"{output_path(jobs, job_id, attempt, FOLDER)}/{ARTIFACTS}"


def beginning(jobs: str, job_id: int, attempt: int) -> str:
    """How the names of all these begin."""
    again = f".{attempt}" if attempt > 1 else ""
    return f"{jobs}/{folder_of(job_id)}/{job_id}{again}"


def folder_of(job_id: int) -> int:
    """The number of the folder that holds the job's outputs."""
    return job_id // 1000


def outputs(jobs: str, job_id: int, attempts: int, with_trees: bool = False) -> List[str]:
    """All files and checkouts that the attempts may have left."""
    names = (*STREAMS, FOLDER, *(TREES if with_trees else ()))
    return [output_path(jobs, job_id, attempt, name) for attempt in range(1, attempts + 1) for name in names]


def make_folder(path: str) -> None:
    """Make the folder that is to hold the file."""
    try:
        os.mkdir(os.path.dirname(path), 0o700)
    except FileExistsError:
        return  # others of its thousand were here before
