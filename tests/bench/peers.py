"""Other programs that run jobs: how each is told to run so many that do nothing, and how long it took for them.

All run `sh -c true`, two at a time, and have what they can keep of outputs and exit codes kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

SLOTS = 2
JOB = ("sh", "-c", "true")
PATIENCE = 600.0

HYPERQUEUE = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

count, slots, *argv = sys.argv[1:]
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=int(slots)))
    client = cluster.client()
    begin = time.perf_counter()
    job = Job()
    for _ in range(int(count)):
        job.program(argv)
    client.wait_for_jobs([client.submit(job)])
    print("took", time.perf_counter() - begin)
"""


def fork_and_exec(count: int) -> float:
    """No program at all: the bare loop, which keeps nothing. The limit of the machine."""
    shell = shutil.which(JOB[0]) or "/bin/sh"
    begin = time.perf_counter()
    running = 0
    for _ in range(count):
        if running == SLOTS:
            os.wait()
            running -= 1
        os.posix_spawn(shell, JOB, os.environ)
        running += 1
    while running:
        os.wait()
        running -= 1
    return time.perf_counter() - begin


def xargs(count: int) -> float:
    return _timed(["xargs", f"-P{SLOTS}", "-I{}", *JOB], "\n".join(map(str, range(count))))


def parallel(count: int) -> float:
    with _folder() as folder:
        (folder / ".parallel").mkdir()
        (folder / ".parallel" / "will-cite").touch()
        numbers = folder / "numbers"
        numbers.write_text("".join(f"{number}\n" for number in range(count)))
        return _timed(["parallel", f"-j{SLOTS}", *JOB, "::::", str(numbers)], HOME=str(folder))


def task_spooler(count: int) -> float:
    """One call for each job, as it takes them; then a wait for the last ones, of which any may end last."""
    with _folder() as folder:
        environ = {"TS_SOCKET": f"{folder}/socket", "TS_MAXFINISHED": str(count), "TMPDIR": str(folder)}
        _timed(["tsp", "-S", str(SLOTS)], **environ)
        add = f"i=0; while [ $i -lt {count} ]; do last=$(tsp {' '.join(JOB)}); i=$((i+1)); done"
        wait = f"i=0; while [ $i -lt {SLOTS} ]; do tsp -w $((last-i)) >/dev/null; i=$((i+1)); done"
        try:
            return _timed(["sh", "-c", f"{add}; {wait}"], **environ)
        finally:
            _timed(["tsp", "-K"], **environ)


def hyperqueue(count: int) -> float:
    """From the first job that is made until the wait for all is over, by a server and a worker that run already."""
    with _folder() as folder:
        command = [sys.executable, "-I", "-c", HYPERQUEUE, str(count), str(SLOTS), *JOB]
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=True, timeout=PATIENCE)
        return float(done.stdout.rpartition("took")[2])


def hypershell(count: int) -> float:
    """Its bundles are what is best for it here; without its database, which only makes it slower."""
    with _folder() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        numbers = folder / "numbers"
        numbers.write_text("".join(f"{number}\n" for number in range(count)))
        program = [sys.executable, "-I", "-c", "from hypershell import main_x; main_x()", str(numbers)]
        options = ["-t", " ".join(JOB), f"-N{SLOTS}", "--no-db", "--no-confirm", "-p", port, "-b", "10"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts others of its own
        return _timed([*program, *options], HOME=str(folder), PATH=path)


RUNNERS: Mapping[str, Callable[[int], float]] = {
    "xargs": xargs,
    "parallel": parallel,
    "task-spooler": task_spooler,
    "hyperqueue": hyperqueue,
    "hypershell": hypershell,
}

PROGRAMS = {name: name for name in ("xargs", "parallel", "clush", "pdsh", "ssh")} | {
    "task-spooler": "tsp",
    "slurm": "sbatch",
}
MODULES = ("hyperqueue", "hypershell")

PACKAGES = {"xargs": "findutils", "clush": "clustershell", "ssh": "openssh-client", "slurm": "slurm-wlm"}
"""Whose package has another name."""


def is_here(name: str) -> bool:
    """Whether it is installed."""
    return find_spec(name) is not None if name in MODULES else shutil.which(PROGRAMS[name]) is not None


def versions() -> dict[str, str]:
    """Of all that are here."""
    return {name: _version(name) if is_here(name) else "not here" for name in (*PROGRAMS, *MODULES)}


def _version(name: str) -> str:
    with contextlib.suppress(PackageNotFoundError):
        if name in MODULES:
            return version(name)
    command = ["dpkg-query", "-W", "-f=${Version}", PACKAGES.get(name, name)]
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip() or "unknown"
    return "unknown"


def _timed(argv: Sequence[str], given: str = "", **environ: str) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        argv, input=given, text=True, capture_output=True, timeout=PATIENCE, env={**os.environ, **environ}
    )
    took = time.perf_counter() - begin
    assert done.returncode == 0, f"{argv[0]}: exit status {done.returncode}: {done.stderr[-500:]}"
    return took


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder:
        yield Path(folder)
