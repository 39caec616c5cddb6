"""Brings a project to this machine. What lies there already is never written over."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Dict, List

from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.running import follow
from sjs.errors import Refused


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"deploy": deploy}


def deploy(request: Request, client: Client, where: Places) -> Reply:
    """Have the project folder: cloned from `url` where nothing is in it, else pulled if `git` says so; then `make`."""
    url = request.get("url")
    is_empty = not os.path.isdir(where.root) or not os.listdir(where.root)
    if is_empty and isinstance(url, str) and url:
        _clone(url, where.root, request, client)
    else:
        os.makedirs(where.root, mode=0o700, exist_ok=True)
        if request.get("git") is True:
            _step(["git", "pull", "--ff-only"], where.root, request, client)
    if request.get("make") is True:
        _step(["make"], where.root, request, client)
    return {"cloned": is_empty and bool(url)}


def _clone(url: str, root: str, request: Request, client: Client) -> None:
    """Into a folder beside it, which is then given its name: a project is there as a whole, or it is not."""
    above = os.path.dirname(root)
    os.makedirs(above, mode=0o700, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix=".new-", dir=above)
    try:
        _step(["git", "clone", "--", url, fresh], above, request, client)
        os.rename(fresh, root)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # it has gone to its place, or it failed


def _step(argv: List[str], cwd: str, request: Request, client: Client) -> None:
    status = follow(argv, cwd, request, client)
    if status:
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        raise Refused(f"{' '.join(argv[:2])} in {cwd} ended with {how}")
