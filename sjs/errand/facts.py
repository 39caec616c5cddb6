"""What a machine has and how it is, as far as it can say so itself."""

from __future__ import annotations

import os
import platform
import time
from typing import Dict

from sjs.daemon.ground import login, resources
from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request


def time_now(request: Request, client: Client, where: Places) -> Reply:
    """What its clock says. Asked twice over an open line, it tells how far that is, too."""
    return {"time": time.time()}


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"facts": facts, "time": time_now}


def facts(request: Request, client: Client, where: Places) -> Reply:
    """What there is for jobs, and how much of it is taken by whoever is there."""
    return {
        "python": platform.python_version(),
        "user": login.user(),
        "cpus": resources.cpus(),
        "load": os.getloadavg()[0],
        "mem": resources.memory(),
        "mem_free": resources.free_memory(),
        "gpus": resources.gpus(),
        "disk": _disk(where.state),
    }


def nearest(path: str) -> str:
    """The folder itself, or the first above it that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _disk(path: str) -> Reply:
    """How much room there is where the queue is, or would be."""
    path = nearest(path)
    found = os.statvfs(path)
    return {
        "path": path,
        "size": found.f_blocks * found.f_frsize,
        "free": found.f_bavail * found.f_frsize,
        "inodes_free": found.f_favail,
    }
