"""A Slurm of its own on this machine, tuned for short tasks: what a batch system takes for an array of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bench.figures import Effort, Found, Lacking
from tests.rig.lab import WRAPPER

PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged")
TASKS = 200
PATIENCE = 300.0

# An Epilog of its own, or nothing tells the scheduler that a task has ended, and each waits for a timer.
CONFIG = """\
ClusterName=bench
SlurmctldHost=bench(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
Epilog=/bin/true
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,default_queue_depth=1000,sched_min_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName=bench NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=bench Default=YES State=UP
"""

# It wants an address besides the loopback's.
UP = """\
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/munge
mount -t tmpfs tmpfs /var/log/munge
mount -t tmpfs tmpfs /etc/munge
mkdir /run/munge
head -c 1024 /dev/urandom >/etc/munge/munge.key
chmod 400 /etc/munge/munge.key
chown -R munge /run/munge /etc/munge /var/lib/munge /var/log/munge
mount --bind {folder}/hosts /etc/hosts
mount --bind {folder}/etc /etc/slurm
hostname bench
ip link set lo up
ip link add e0 type veth peer name e1
ip addr add 10.88.0.2/24 dev e0
ip link set e0 up
ip link set e1 up
runuser -u munge -- munged
slurmctld -c
slurmd -c
cd {folder}
date +%s.%N >begin
sbatch --quiet --wait --array=1-{tasks} --output={folder}/out.%a --wrap='date +%s.%N'
"""


def array(effort: Effort) -> Found:
    """From the call until the last of its tasks has said when it was."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        raise Lacking(f"{missing[0]} is not installed" if missing else "only root can start it")
    tasks = effort.of(TASKS, TASKS // 10)
    taken = [run(tasks) for _ in range(effort.of(3, 1))]
    found = Found(notes=[f"{tasks} tasks in one array; for information, since it is made for other jobs"])
    found.add("until the last task has ended", "s", taken)
    found.add("tasks", "a second", [tasks / seconds for seconds in taken])
    return found


def run(tasks: int) -> float:
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as name:
        folder = Path(name)
        for made in ("state", "spool", "etc"):
            (folder / made).mkdir()
        (folder / "hosts").write_text("127.0.0.1 localhost bench\n")
        (folder / "etc" / "slurm.conf").write_text(CONFIG.format(folder=folder))
        (folder / "up.sh").write_text(UP.format(folder=folder, tasks=tasks))
        command = [*WRAPPER, "sh", str(folder / "up.sh")]
        done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, f"exit status {done.returncode}: {(done.stdout + done.stderr)[-500:]}"
        ends = [float(path.read_text()) for path in folder.glob("out.*")]
        assert len(ends) == tasks, f"{len(ends)} of {tasks} tasks have said something"
        return max(ends) - float((folder / "begin").read_text())
