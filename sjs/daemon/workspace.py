"""Where a job's outputs are. Empty ones go when the job ends; a second attempt does not write over the first."""

from __future__ import annotations

import os

STREAMS = ("out", "err")


def output_path(jobs: str, job_id: int, attempt: int, stream: str) -> str:
    """The file that holds a stream of an attempt's output."""
    again = f".{attempt}" if attempt > 1 else ""
    return os.path.join(jobs, str(job_id // 1000), f"{job_id}{again}.{stream}")


def make_folder(path: str) -> None:
    """Make the folder that is to hold the file."""
    try:
        os.mkdir(os.path.dirname(path), 0o700)
    except FileExistsError:
        return  # others of its thousand were here before
