"""In the keeper: which processes belong to a job, whatever they did to get away from it.

A process is a job's when it is in the job's session, or carries the job's mark in the environment that it was
executed with, or descends from one that is, or did when it was last looked for. One that has dropped all of these can
not be told from somebody else's.
"""

from __future__ import annotations

import os
import time
from typing import Collection, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

NO_SESSION = -2
"""No process is in it. (-1 is what /proc says of one that is just being reaped.)"""


TICKS = os.sysconf("SC_CLK_TCK")
"""The kernel's clock ticks in a second."""

PIECE = 1 << 14

LOOKS = 5
"""How often an empty environment is looked at again."""


Birth = Tuple[int, int]
"""A process for all time: its pid, and when it began."""


class Identity(NamedTuple):
    """By what a job's processes are known. `seen`: those that were found before, wherever they have got to since."""

    session: int
    mark: bytes
    seen: Collection[Birth] = ()


class Process(NamedTuple):
    """A line of /proc/PID/stat. The start time, in clock ticks since boot, tells it from another of the same pid; `rss`
    is its memory, in pages."""

    pid: int
    state: str
    parent: int
    session: int
    start_time: int
    threads: int
    status: int
    rss: int

    @property
    def birth(self) -> Birth:
        return self.pid, self.start_time

    @property
    def has_ended(self) -> bool:
        """Whether it is a zombie, and not only its first thread is."""
        return self.state in "ZX" and self.threads <= 1


def stat(pid: int) -> Optional[Process]:
    """The process as it is now; None when there is none."""
    try:
        line = read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = line[line.rindex(b")") + 2 :].split()
    numbers = (int(fields[at]) for at in (1, 3, 19, 17, 49, 21))
    return Process(pid, fields[0].decode(), *numbers)


def processes() -> Dict[int, Process]:
    """All processes that can be seen."""
    seen = (stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {one.pid: one for one in seen if one is not None}


def children() -> List[int]:
    """Our own children, zombies included."""
    try:
        return [int(pid) for pid in read(f"/proc/self/task/{os.getpid()}/children").split()]
    except FileNotFoundError:  # a kernel built without it
        return [one.pid for one in processes().values() if one.parent == os.getpid()]


def read(path: str) -> bytes:
    """A file of /proc, in fewer calls than open() takes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while True:
            piece = os.read(fd, PIECE)
            if not piece:
                return found
            found += piece
    finally:
        os.close(fd)


def ticks(seconds: float) -> int:
    """A time on the boot clock as /proc counts it."""
    return int(seconds * TICKS)


def leader(pid: int, born: Tuple[int, int]) -> Optional[Process]:
    """The process that was started (in this boot) with this pid, in a session of its own; None when it is gone, and
    another may have its pid."""
    found = stat(pid)
    mine = found is not None and born[0] <= found.start_time <= born[1] and found.session == pid
    return found if mine else None


def zombie_status(zombie: Process) -> Optional[int]:
    """The wait status of a process that is not our child and has ended, until it is reaped. None where it is not for
    us to know: then the kernel says 0."""
    try:
        os.readlink(f"/proc/{zombie.pid}/exe")  # asks for the same right
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):  # a zombie has none
        pass
    found = stat(zombie.pid)
    return found.status if found is not None and found.start_time == zombie.start_time else None


def marked(beginning: bytes) -> Dict[bytes, Tuple[int, int]]:
    """The marks that begin so and that any living process carries, each with pid and start tick of the session leader
    that does; zeros where none does."""
    nobody = 0, 0
    found: Dict[bytes, Tuple[int, int]] = {}
    for one in processes().values():
        carried = [] if one.has_ended else _environment(one.pid)
        for mark in carried:
            if mark.startswith(beginning) and found.setdefault(mark, nobody) == nobody and one.session == one.pid:
                found[mark] = one.pid, one.start_time
    return found


def session_is_empty(session: int) -> bool:
    """Whether no process that could be ended is left in the group that leads the session (one cheap call)."""
    if session <= 1:
        return True  # no job's; to the kernel, 0 would be our own group
    try:
        os.killpg(session, 0)
    except (ProcessLookupError, PermissionError):  # nobody, or only what a setuid program made somebody else's
        return True
    return False


def members_of(wanted: Sequence[Identity]) -> List[List[Process]]:
    """Of each job the living processes, parents before children: at one look.

    Never the init process, whose descendants are all that there are: session 0, which is its own, is no job's.
    """
    if not wanted:
        return []
    seen = processes()
    spared = (1, os.getpid(), os.getppid())
    sessions = {one.session: one.mark for one in wanted if one.session > 1}
    known = {birth: one.mark for one in wanted for birth in one.seen}
    mine: Dict[bytes, Set[int]] = {one.mark: set() for one in wanted}
    for pid, one in seen.items():
        if pid in spared:
            continue
        marks = [sessions[one.session]] if one.session in sessions else _environment(pid)
        if marks and one.birth in known:  # an environment that can not be read is somebody else's
            marks = [known[one.birth]]
        for mark in marks:
            if mark in mine:
                mine[mark].add(pid)
    families: Dict[int, List[int]] = {}
    for one in seen.values():
        families.setdefault(one.parent, []).append(one.pid)
    found = []
    for _, mark, _ in wanted:
        pids = mine[mark] | _descendants(families, mine[mark])
        found.append([seen[pid] for pid in sorted(pids) if not seen[pid].has_ended and pid not in spared])
    return found


def settled_environment(pid: int) -> List[bytes]:
    """The environment of a process that may just be executing a program: for that moment it has none."""
    for _ in range(LOOKS):
        found = _environment(pid)
        if found != [b""]:
            break
        time.sleep(0.001)
    return found


def _environment(pid: int) -> List[bytes]:
    try:
        return read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:  # somebody else's, or gone
        return []


def _descendants(families: Dict[int, List[int]], roots: Iterable[int]) -> Set[int]:
    found: Set[int] = set()
    todo = list(roots)
    while todo:
        for child in families.get(todo.pop(), []):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found
