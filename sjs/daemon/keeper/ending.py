"""In the keeper: signals to the processes of a job, and a wait status in words."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable, Dict, Iterable, List, Set

from sjs.daemon.keeper.tree import Process

LOOKS = 10
"""How often at most a tree that is to be stopped is looked at."""


def ask_to_end(processes: Iterable[Process], number: int) -> None:
    """Signal them, and wake the stopped ones so that they notice."""
    for one in processes:
        send(one.pid, number)
        send(one.pid, signal.SIGCONT)


def pause(look: Callable[[], List[Process]]) -> None:
    """STOP, until a look finds nobody new: a tree may fork while it is stopped."""
    stopped: Set[int] = set()
    for _ in range(LOOKS):
        found = [one.pid for one in look() if one.pid not in stopped]
        for pid in found:
            send(pid, signal.SIGSTOP)
        stopped.update(found)
        if not found:
            return


def cut(look: Callable[[], List[Process]]) -> None:
    """KILL, until a look finds nobody: a tree that forks while it is cut is stopped first."""
    for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        for one in look():
            send(one.pid, number)


def send(pid: int, number: int) -> None:
    """Signal a process of a job."""
    if pid <= 1:
        raise ValueError(f"{pid} is no process of a job")
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it ended by itself, or a setuid program made it somebody else's


def is_ours(pid: int) -> bool:
    """Whether it could be signalled."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # a setuid program made it somebody else's
        return False
    except ProcessLookupError:
        return True  # it has ended, and is about to be reaped
    return True


def how_ended(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"


def outcome(status: int) -> Dict[str, Any]:
    """A wait status as the end of an attempt."""
    if os.WIFSIGNALED(status):
        return {"reason": "signal", "signal": os.WTERMSIG(status)}
    return {"reason": "exit", "exit": os.WEXITSTATUS(status)}


def also(end: Dict[str, Any], detail: str) -> None:
    """Say one thing more of an end."""
    end["detail"] = f"{end['detail']}; {detail}" if end.get("detail") else detail
