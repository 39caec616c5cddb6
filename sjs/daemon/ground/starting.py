"""What a manager wants started, and what every job finds in its environment."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional


class Start(NamedTuple):
    """What the manager wants started. `tag` is the attempt's name, unique in its queue.

    It is ended after `timeout` seconds, with `grace` between TERM and KILL, and when it takes more than `mem` bytes.
    """

    tag: str
    argv: List[str]
    cwd: str
    env: Dict[str, str]
    out: str
    err: str
    stdin: Optional[str] = None
    nice: int = 0
    timeout: Optional[float] = None
    grace: Optional[float] = None
    mem: int = 0
    folder: str = ""  # its own, to be made
    artifacts: str = ""  # … and one in that
    slot: int = -1
    slurm: Optional[Dict[str, Any]] = None  # what else Slurm is told, where it is to run the job (`slurm.shape`)


def base_environment(environ: Dict[str, str]) -> Dict[str, str]:
    """What every job sees of the environment in which its manager was started: all but what belonged to that login."""
    dropped = ("SSH_", "SJS_")
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(dropped) and name not in ("_", "OLDPWD", "PWD", "SHLVL")
    }
    kept.setdefault("PYTHONUNBUFFERED", "1")
    return kept
