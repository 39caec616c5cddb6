"""How outputs come over ssh: one that is followed while it grows, and a large one that is there."""

from __future__ import annotations

import json
import sys
from functools import partial

from tests.bench.figures import Effort, Found, Goal, in_turns
from tests.bench.remote import COLD, SUBMIT, hosts
from tests.bench.stopwatch import Stopwatch
from tests.rig.lab import PROJECT, Lab

WRITER = """
import sys, time
data, begin = b"x" * 99 + b"\\n", time.monotonic()
for turn in range(int(sys.argv[1]) * 100):
    sys.stdout.buffer.write(data * 1000)
    sys.stdout.flush()
    time.sleep(max(0, begin + (turn + 1) / 100 - time.monotonic()))
print(time.time(), flush=True)
"""
"""10 MB a second, and at last when that was."""

FOLLOWER = """
import os, subprocess, sys, time
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as process:
    count, last, end = 0, 0.0, b""
    while data := os.read(process.stdout.fileno(), 1 << 20):
        count, last, end = count + len(data), time.time(), (end + data)[-100:]
print(count, last - float(end.split()[-1]))
"""
"""Runs a command, and tells how many bytes came, and how long after the writer's own word the last of them."""

RATE = 10_000_000


def follow(effort: Effort) -> Found:
    """`logs -f` of a job that writes 10 MB a second."""
    seconds = effort.of(20, 3)
    found = Found()
    with hosts(1, slots=2) as (lab, watch):
        writer = lab.hosts[0].home / "writer.py"
        writer.write_text(WRITER)
        late = []
        for _ in range(effort.of(3, 1)):
            job = submitted(lab, f"python3 ~/writer.py {seconds}")
            command = [SUBMIT, "manager-1", "logs", "-f", str(job)]
            count, after = watch.take(sys.executable, "-c", FOLLOWER, *command, **COLD).out.split()
            assert int(count) > seconds * RATE, f"{count} bytes came"
            late.append(float(after))
    found.add("from the job's last byte until it is here", "s", late, Goal(0.5))
    found.notes.append(f"{seconds} s of 10 MB a second, over ssh, by a command without a link")
    return found


def fetch(effort: Effort) -> Found:
    """All that a job wrote, beside `ssh host cat` of the same file."""
    size = effort.of(1 << 30, 1 << 26)
    with hosts(1, slots=2) as (lab, watch):
        job = submitted(lab, f"head -c {size} /dev/urandom")
        lab.call(SUBMIT, "manager-1", "wait", str(job), SJS_NO_LINK="1")
        output = f"{PROJECT}/.sjs/jobs.pipe/jobs/0/{job}.out"
        taken = in_turns(
            {
                "submit host logs": partial(copied, watch, size, SUBMIT, "manager-1", "logs", str(job), **COLD),
                "ssh host cat": partial(copied, watch, size, "ssh", lab.hosts[0].name, "cat", output),
            },
            effort.of(3, 1),
        )
    speeds = {name: [size / 1e6 / one for one in seconds] for name, seconds in taken.items()}
    found = Found(notes=[f"{size >> 20} MiB"])
    found.add_ratio("by ssh host cat", speeds["submit host logs"], speeds["ssh host cat"], Goal(0.5, at_least=True))
    for name, each in speeds.items():
        found.add(name, "MB a second", each)
    return found


def copied(watch: Stopwatch, size: int, *argv: str, **environ: str) -> float:
    """How long a command takes that prints so many bytes."""
    taken = watch.take("sh", "-c", '"$@" | wc -c', "sh", *argv, **environ)
    assert int(taken.out) == size, f"{argv}: {taken.out} bytes came"
    return taken.seconds


def submitted(lab: Lab, text: str) -> int:
    """The number of a job that was just handed in."""
    done = lab.call(SUBMIT, "manager-1", "job", "--command", text, SJS_NO_LINK="1")
    return int(json.loads(done.stdout.splitlines()[0])["job_id"])
