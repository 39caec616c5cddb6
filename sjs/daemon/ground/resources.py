"""What this machine has: processors, memory and GPUs, less what its cgroups take away. A process of its own looks, for
the tools that know of GPUs may take seconds.

    {"cpus": 16, "mem": 67430400000, "gpus": [{"name": "0", "mem": 85899345920, "kind": "nvidia", "pids": [4711]}]}

GPUs are named as their own tools count them; `pids` are processes that use one, whoever's they are.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any, Dict, Iterator, List, Optional

PATIENCE = 30.0
"""Seconds that a vendor's tool may take: a GPU that sleeps is slow to wake."""

MIB = 1 << 20

NVIDIA = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
NVIDIA_USE = ["nvidia-smi", "--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader,nounits"]
AMD = ["rocm-smi", "--showmeminfo", "vram", "--json"]
AMD_USE = ["rocm-smi", "--showpidgpus"]

_AMD_USER = re.compile(r"PID (\d+) is using \d+ DRM device\(s\):\s*\n([\d ,]+)$", re.ASCII | re.MULTILINE)

Gpus = List[Dict[str, Any]]


def main(arguments: List[str]) -> int:
    """`probe`: print what this machine has."""
    sys.stdout.write(json.dumps({"cpus": cpus(), "mem": memory(), "gpus": gpus()}) + "\n")
    return 0


def cpus(root: str = "/") -> int:
    """Processors that this process may use, at least one."""
    found = float(len(os.sched_getaffinity(0)))
    for folder in _cgroups(root, "cpu"):
        quota, _, period = _first_line(os.path.join(folder, "cpu.max")).partition(" ")
        if not quota:
            quota = _first_line(os.path.join(folder, "cpu.cfs_quota_us"))
            period = _first_line(os.path.join(folder, "cpu.cfs_period_us"))
        if quota.isdigit() and period.isdigit():
            found = min(found, int(quota) / int(period))
    return max(1, int(found))


def memory(root: str = "/") -> int:
    """Bytes of memory; 0 where nothing tells."""
    limits = []
    for line in _lines(os.path.join(root, "proc/meminfo")):
        if line.startswith("MemTotal:"):
            limits.append(int(line.split()[1]) * 1024)
    for folder in _cgroups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _first_line(os.path.join(folder, name))
            if limit.isdigit():
                limits.append(int(limit))
    return min(limits, default=0)


def free_memory(root: str = "/") -> int:
    """Bytes of memory that could be had without swapping; 0 where nothing tells."""
    for line in _lines(os.path.join(root, "proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _cgroups(root: str, controller: str) -> Iterator[str]:
    """The folders of the control groups around this process, from the inside out, of either version."""
    for line in _lines(os.path.join(root, "proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = os.path.join(root, "sys/fs/cgroup", controller if controllers else "")
        parts = path.strip("/").split("/")
        for depth in range(len(parts), -1, -1):
            yield os.path.join(top, *parts[:depth])


def has_gpu_tools() -> bool:
    """Whether there is somebody to be asked for GPUs."""
    paths = [os.path.join(folder, command[0]) for folder in os.get_exec_path() for command in (NVIDIA, AMD)]
    return any(os.access(path, os.X_OK) for path in paths)


def gpus() -> Gpus:
    """The GPUs of whichever vendor's tool is there."""
    found = nvidia(_said_by(NVIDIA), _said_by(NVIDIA_USE))
    return found or amd(_said_by(AMD), _said_by(AMD_USE))


def nvidia(listed: Optional[str], used: Optional[str]) -> Gpus:
    """What `nvidia-smi` said of its GPUs, and of who uses them."""
    found: Gpus = []
    pids: Dict[str, List[int]] = {}
    for uuid, pid in (fields for fields in _table(used) if len(fields) == 2):
        if pid.isdigit():
            pids.setdefault(uuid, []).append(int(pid))
    for index, uuid, mem in (fields for fields in _table(listed) if len(fields) == 3):
        if index.isdigit():
            size = int(mem) * MIB if mem.isdigit() else 0
            found.append({"name": index, "mem": size, "kind": "nvidia", "pids": pids.get(uuid, [])})
    return found


def amd(listed: Optional[str], used: Optional[str]) -> Gpus:
    """What `rocm-smi` said. It counts cards from 0, and below each process it says which ones that uses."""
    pids: Dict[str, List[int]] = {}
    for pid, cards in _AMD_USER.findall(used or ""):
        for card in re.findall(r"\d+", cards):
            pids.setdefault(card, []).append(int(pid))
    found: Gpus = []
    for key, body in _object(listed).items():
        if key.startswith("card") and key[4:].isdigit() and isinstance(body, dict):
            size = str(body.get("VRAM Total Memory (B)", ""))
            mem = int(size) if size.isdigit() else 0
            found.append({"name": key[4:], "mem": mem, "kind": "amd", "pids": pids.get(key[4:], [])})
    return sorted(found, key=lambda gpu: int(gpu["name"]))


def _said_by(command: List[str]) -> Optional[str]:
    """What a tool printed; None when it is not there, or has nothing to say."""
    import subprocess  # the manager asks no tool, and is to be small

    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=PATIENCE, text=True)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{command[0]} says nothing of the GPUs: {error}\n")
        return None
    if done.returncode:
        sys.stderr.write(f"{command[0]} says nothing of the GPUs: exit status {done.returncode}\n")
        return None
    return done.stdout


def _table(text: Optional[str]) -> Iterator[List[str]]:
    for line in (text or "").splitlines():
        yield [field.strip() for field in line.split(",")]


def _object(text: Optional[str]) -> Dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _first_line(path: str) -> str:
    return next(_lines(path), "")


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            for line in source:
                yield line.rstrip("\n")
    except OSError:
        return  # this kernel, or this version of control groups, has no such file
