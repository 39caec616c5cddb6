"""Whose hands the jobs of a queue are in: our own, or Slurm's. It is so for as long as there is that queue.

Light, for `ask` loads it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` takes as long to load as all else that is here
if TYPE_CHECKING:
    from typing import Optional

    from sjs.daemon.ground.places import Places

OURS = ""
SLURM = "slurm"
KINDS = (OURS, SLURM)
"""What a client calls them."""

LOOK = 1.0
"""Seconds between two looks at what another machine writes, Slurm's nodes: of that no kernel tells."""


def state_folder(kind: Optional[str], root: str, pipe: str, state: str) -> str:
    """The state folder that is wanted. Slurm's nodes see the project folder, and not this machine's disks."""
    if kind != SLURM or state:
        return state
    return os.path.join(os.path.realpath(os.path.expanduser(root)), ".sjs", pipe)


def of(where: Places) -> str:
    """Whose the queue is that lies there; ours, where nobody has said otherwise."""
    try:
        with open(where.kind, encoding="ascii", errors="replace") as source:
            return source.read().strip()
    except FileNotFoundError:
        return OURS


def refusal(where: Places, wanted: Optional[str]) -> str:
    """Why it can not be of the kind that is wanted; nothing where it is, or is still to be made. None: any will do."""
    if wanted is None or of(where) == wanted or not (of(where) or os.path.exists(where.database)):
        return ""
    whose, other = (_named(one) for one in (of(where), wanted))
    return f"the queue of {where.door} was begun as {whose}, and can not become {other}"


def claim(where: Places, wanted: Optional[str]) -> str:
    """Write down of which kind it is to be, if it is only begun; of which it is. By whoever holds the keeper's lock."""
    if wanted and not of(where):
        fd = os.open(where.kind, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, f"{wanted}\n".encode("ascii"))
            os.fsync(fd)
        finally:
            os.close(fd)
    return of(where)


def _named(kind: str) -> str:
    return "a machine's own" if kind == OURS else "Slurm's" if kind == SLURM else repr(kind)
