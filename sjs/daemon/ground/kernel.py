"""What the standard library does not offer of Linux. Each call says when the kernel lacks it."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from typing import Any, Iterator, Optional, Tuple

PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_OPEN = 434  # the same number on every architecture: it is younger than the common table

SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
SCHED_ATTR = struct.Struct("IIQiI3Q")
"""The first version of `struct sched_attr`: its size, policy, flags, niceness, priority, runtime, deadline, period."""
SCHED_RESET_ON_FORK = 1
SHORTEST_SLICE = 100_000  # nanoseconds

PIDFD_INFO = struct.Struct("QQ11Ii")
"""The first version of `struct pidfd_info`: what is asked for and told, …, the wait status."""

PIDFD_INFO_EXIT = 8
PIDFD_GET_INFO = 3 << 30 | PIDFD_INFO.size << 16 | 0xFF << 8 | 11

TFD_TIMER_ABSTIME = 1

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_MOVED_FROM = 0x40
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _last_error() -> str:
    import ctypes

    number = ctypes.get_errno()
    hint = " (see fs.inotify.max_user_instances, for all processes of a user)" if number == errno.EMFILE else ""
    return os.strerror(number) + hint


def become_subreaper() -> bool:
    """Have orphans among our descendants become our children. False where the kernel cannot."""
    return bool(_libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def be_prompt() -> bool:
    """Have this process run as soon as it is woken, also where another has only just begun; its children are as usual.

    Otherwise Linux lets that one run for its slice of a few milliseconds first, and one that has just made a session of
    its own for all of it; since 6.12, whoever asks for a shorter slice goes before. False where the kernel cannot, or
    where somebody has chosen how this process is scheduled, which its children would not inherit then.
    """
    niceness, number = os.getpriority(os.PRIO_PROCESS, 0), SYS_SCHED_SETATTR.get(os.uname().machine)
    if number is None or niceness < 0 or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    wanted = SCHED_ATTR.pack(SCHED_ATTR.size, os.SCHED_OTHER, SCHED_RESET_ON_FORK, niceness, 0, SHORTEST_SLICE, 0, 0)
    return bool(_libc().syscall(number, 0, wanted, 0) == 0)


def sync_folder(path: str) -> None:
    """Make names in the folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def pidfd_open(pid: int) -> Optional[int]:
    """A descriptor that becomes readable when the process ends; None where the kernel cannot or nobody is there."""
    try:
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(pid)
        fd = int(_libc().syscall(SYS_PIDFD_OPEN, pid, 0))
    except OSError:
        return None
    return fd if fd >= 0 else None


def wait_status(pidfd: int) -> Optional[int]:
    """How a process ended that need not be our child, once its parent has reaped it; None until then, and where the
    kernel does not tell (before Linux 6.15)."""
    told = bytearray(PIDFD_INFO.size)
    PIDFD_INFO.pack_into(told, 0, PIDFD_INFO_EXIT, *[0] * 13)
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, told)
    except OSError:
        return None
    mask, *_, status = PIDFD_INFO.unpack(told)
    return status if mask & PIDFD_INFO_EXIT else None


class Alarm:
    """A descriptor that becomes readable at a time of the boot clock, be the machine asleep before, and stays so until
    it is set again."""

    SETTING = struct.Struct("llll")  # an interval, and a time: seconds, nanoseconds

    def __init__(self) -> None:
        self._libc = _libc()
        self.fd = int(self._libc.timerfd_create(time.CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        if self.fd < 0:
            raise OSError("this kernel gives no timer")

    def set(self, at: Optional[float]) -> None:
        """None: it never comes."""
        seconds = 0.0 if at is None else max(at, 0.001)  # to the kernel, 0 is never
        setting = self.SETTING.pack(0, 0, int(seconds), int(seconds % 1 * 1e9))
        if self._libc.timerfd_settime(self.fd, TFD_TIMER_ABSTIME, setting, None) != 0:
            raise OSError(f"the kernel takes no alarm at {seconds}")


class Inotify:
    """A descriptor that becomes readable when something happens to a watched file."""

    EVENT = struct.Struct("iIII")

    def __init__(self) -> None:
        self._libc = _libc()
        self.fd = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self.fd < 0:
            raise OSError(f"the kernel gives no inotify watch: {_last_error()}")

    def watch(self, path: str, mask: int) -> int:
        """Watch the file that the path names now, and be told of these events; the watch's number."""
        number = int(self._libc.inotify_add_watch(self.fd, os.fsencode(path), mask))
        if number < 0:
            raise FileNotFoundError(path)
        return number

    def forget(self, number: int) -> None:
        self._libc.inotify_rm_watch(self.fd, number)

    def read(self) -> Iterator[Tuple[int, int]]:
        """What has happened: (watch, mask) pairs."""
        return ((number, mask) for number, mask, _ in self.read_names())

    def read_names(self) -> Iterator[Tuple[int, int, str]]:
        """The same, each with the name of what it happened to in a watched folder."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = self.EVENT.unpack_from(data, at)
            at += self.EVENT.size
            yield number, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
