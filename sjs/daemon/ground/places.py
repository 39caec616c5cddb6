"""Where a queue lives: the door in the project folder, and the state folder. Light, for `ask` loads it.

<root>/<pipe>                 the door
<root>/.sjs/<pipe>/           the state folder, if <root> is on a local file system and nobody else can move what is
                              in it; else under the home folder, else /var/tmp, named after machine and queue, so
                              that hosts sharing a home share nothing
  jobs.db                     the queue
  jobs.db.good                a copy of it (`copies`)
  ids                         how far it has come (`marks`)
  suspect                     it is to be checked closely by who opens it next (`recovery`)
  ballast                     let go when the disk is full (`space`)
  jobs/<id//1000>/<id>.out    outputs (`workspace`), and <id>.tree, the folder in which a job with a snapshot runs
  snapshots/                  trees of files that clients have brought for jobs (`sjs.snapshots.store`)
  keeper.lock keeper.sock     the keeper; its lock says who it is
  manager.lock                whoever has the database open
  journal.<n>                 the keeper's append files (`journal`)
  sessions/                   pipes of sessions that are being opened
  manager.log                 what keeper and manager had to say; full ones are manager.log.1 to .3 (`notes`)
  stopped                     somebody stopped this manager on purpose
  kind                        whose hands its jobs are in, if not our own (`kind`)
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import stat
import time

from sjs.daemon.ground import owner

TYPE_CHECKING = False  # `typing` takes as long to load as all else that is here
if TYPE_CHECKING:
    from typing import Optional, Sequence, Tuple

SHARED = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "ncpfs", "orangefs", "glusterfs")
"""Starts of the names of file systems that other machines see, too; FUSE ones are judged by the rest of their name."""

VAR_TMP = "/var/tmp"

SHARED_FUSE = ("sshfs", "glusterfs", "gcsfuse", "s3fs", "cephfs", "rclone", "juicefs", "mfs")


class Places:
    """The paths of one queue. Making one touches nothing."""

    def __init__(self, root: str, pipe: str, state: str = "") -> None:
        self.root = os.path.realpath(os.path.expanduser(root))
        self.pipe = pipe
        self.door = os.path.join(self.root, pipe)
        self.state = os.path.realpath(os.path.expanduser(state)) if state else _state_folder(self.root, pipe)
        self.database = os.path.join(self.state, "jobs.db")
        self.jobs = os.path.join(self.state, "jobs")
        self.keeper_lock = os.path.join(self.state, "keeper.lock")
        self.keeper_socket = os.path.join(self.state, "keeper.sock")
        self.manager_lock = os.path.join(self.state, "manager.lock")
        self.snapshots = os.path.join(self.state, "snapshots")
        self.sessions = os.path.join(self.state, "sessions")
        self.log = os.path.join(self.state, "manager.log")
        self.good = os.path.join(self.state, "jobs.db.good")
        self.probe = os.path.join(self.state, "probe.json")
        self.trial = os.path.join(self.state, "trial.json")
        self.marks = os.path.join(self.state, "ids")
        self.suspect = os.path.join(self.state, "suspect")
        self.stopped = os.path.join(self.state, "stopped")
        self.kind = os.path.join(self.state, "kind")

    def make(self) -> None:
        """Make the state folder, private to its owner, and say to git that it is none of its business."""
        self.check()
        for folder in (*self._above, self.state, self.jobs, self.sessions):
            owner.make_private(folder)
        if self.is_inside:
            _write_once(os.path.join(self.root, ".sjs", ".gitignore"), "*\n")

    def check(self) -> None:
        """Refuse a state folder that others have put there, or could."""
        for folder in (*self._above, self.state):
            owner.check(folder)
        if self.is_inside and not owner.is_guarded(self.root):
            hint = f"others can replace it, for they can write to {self.root}; chmod go-w that, or choose a --state-dir"
            raise PermissionError(errno.EPERM, hint, self.state)

    @property
    def is_inside(self) -> bool:
        """Whether the state folder is in the project folder."""
        return self.state == os.path.join(self.root, ".sjs", self.pipe)

    @property
    def _above(self) -> Sequence[str]:
        """Folders of ours above it that anybody can have made first."""
        above = os.path.dirname(self.state)
        return (above,) if self.is_inside or above == _folder_in_var_tmp() else ()

    def is_taken(self) -> bool:
        """Whether a keeper or a manager of ours is there: one of them is, at every moment of a queue's service."""
        return is_locked(self.keeper_lock) or is_locked(self.manager_lock)


def _state_folder(root: str, pipe: str) -> str:
    inside = os.path.join(root, ".sjs", pipe)
    if os.path.lexists(inside) or (is_local(root) and owner.is_guarded(root)):
        return inside
    name = f"{machine()}-{os.uname().nodename}-{_slug(root)}-{pipe}"
    home = os.path.expanduser("~/.local/state/sjs")
    if is_local(os.path.expanduser("~")):
        return os.path.join(home, name)
    return os.path.join(_folder_in_var_tmp(), name)


def _folder_in_var_tmp() -> str:
    return os.path.join(VAR_TMP, f"sjs-{os.geteuid()}")


def is_local(path: str) -> bool:
    """Whether only this machine sees the file system that holds the path (or would, once it is made)."""
    return not is_shared_type(_file_system(path))


def is_shared_type(kind: str) -> bool:
    if kind.startswith("fuse."):
        return kind[5:].startswith(SHARED_FUSE)
    return kind.startswith(SHARED)


def _file_system(path: str) -> str:
    """The type of the file system at the path, from the longest mount point that leads to it."""
    best, kind = "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split(" ")
            point = fields[4].replace("\\040", " ").rstrip("/")
            if len(point) >= len(best) and (path == point or path.startswith(point + "/")):
                best, kind = point, fields[fields.index("-") + 1]
    return kind


def machine() -> str:
    """What tells this machine from others that share its disks."""
    try:
        with open("/etc/machine-id", encoding="ascii") as source:
            return source.read().strip()[:12]
    except OSError:
        return "nomachineid"


def boot_id() -> str:
    """This boot of this machine; after a reboot no process of before can be alive."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def _slug(path: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in path)[-80:]


def _write_once(path: str, content: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w") as target:
        target.write(content)


LOOK = 0.1
"""Seconds for which somebody who only looks whether a lock is held (`is_locked`) may be in the way."""

FOREVER = math.inf


def take_lock(path: str, wait: float = LOOK) -> Optional[int]:
    """Lock the file for this process's life, and write down who holds it; None when somebody else does for so long.

    The lock belongs to the open file, so a forked child holds it as well until it executes another program: whoever
    gets the keeper's lock knows that no half-started job of an earlier keeper is left.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + wait
    while not _lock(fd, fcntl.LOCK_EX if wait == FOREVER else fcntl.LOCK_EX | fcntl.LOCK_NB):
        if time.monotonic() >= until:
            os.close(fd)
            return None
        time.sleep(0.005)  # the kernel tells of no lock that was let go, but to one who waits for ever
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.uname().nodename} {os.getpid()}\n".encode(), 0)
    return fd


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock now."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _lock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(fd)


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:
        return False
    return True


NEWBORN = 1.0
"""Seconds after which a keeper has long written down who it is."""


def holder(path: str) -> str:
    """Who wrote the lock file last, as "host h, pid p"."""
    host, pid = _holder(path)
    return f"host {host}, pid {pid}" if pid else "unknown"


def held_elsewhere(where: Places) -> str:
    """Why nobody here can have a queue whose keeper's lock is taken: another host wrote that last; "" if none did."""
    host, pid = _holder(where.keeper_lock)
    if not pid or host == os.uname().nodename:
        return ""
    whose = f"host {host}, pid {pid} has the queue in {where.state}, which is for one machine"
    return f"{whose}; go by that host, or choose another --state-dir"


def _holder(path: str) -> Tuple[str, str]:
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            host, _, pid = source.read().strip().partition(" ")
    except OSError:
        return "", ""
    return host, pid


def open_door(path: str, private: bool = True) -> int:
    """Open the door for writing, never waiting; refuse what is not a pipe of mine, or not private where it must be.

    ENXIO means that nobody reads; the caller decides what that says.
    """
    try:
        return open_pipe(path, os.O_WRONLY, private)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody of mine will ever read what is somebody else's
            _check_pipe(os.lstat(path), path, private)
        raise


def open_pipe(path: str, mode: int, private: bool = True) -> int:
    """Open one without waiting for its other end, once it is known to be one (`check_pipe`)."""
    fd = os.open(path, mode | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        check_pipe(fd, path, private)
    except OSError:
        os.close(fd)
        raise
    return fd


def check_pipe(fd: int, path: str, private: bool = True) -> None:
    """Refuse an open file that is not a pipe, or not mine, or (where it must be private) open to others."""
    _check_pipe(os.fstat(fd), path, private)


def _check_pipe(found: os.stat_result, path: str, private: bool) -> None:
    if not stat.S_ISFIFO(found.st_mode):
        raise PermissionError(errno.EPERM, "is not a named pipe", path)
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to somebody else", path)
    if private and stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EPERM, "is open to others", path)
