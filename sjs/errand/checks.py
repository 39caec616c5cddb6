"""Whether a machine is fit for a queue: one function for each question, each answers with as few words as it can."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import tempfile
from typing import Callable, Dict, Iterator, List

from sjs.daemon.ground import login, owner, places, resources, space
from sjs.daemon.ground.kernel import pidfd_open
from sjs.daemon.ground.notes import last_line
from sjs.daemon.ground.places import Places
from sjs.errand import facts
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.verdicts import FAIL, OK, WARN, Check

FEW_FILES = 1000
"""With fewer names left in a file system it is worth a word."""

DESCRIPTORS = 256


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"checks": checks}


def checks(request: Request, client: Client, where: Places) -> Reply:
    """All of them, in the order in which they are mended."""
    found: List[List[str]] = []
    for name, look in LOOKS.items():
        found += [[name, *one] for one in look(where)]
    return {"checks": found}


def project(where: Places) -> Iterator[Check]:
    """The folder in which jobs run."""
    root = where.root
    if not os.path.lexists(root):
        yield WARN, f"{root} is not there yet", "`start` makes it"
    elif not os.path.isdir(root):
        yield FAIL, f"{root} is no folder", f"mv {root} elsewhere"
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield FAIL, f"{root} can not be written", f"chown it to {login.user()}, or name another project_root"
    else:
        yield OK, root, ""


def state(where: Places) -> Iterator[Check]:
    """The folder in which the queue is kept, and who else can reach it."""
    try:
        where.check()
    except OSError as error:
        yield FAIL, f"{error.filename} {error.strerror}", ""
        return
    if not where.is_inside and os.path.isdir(where.root):
        kind = "on a network file system" if not places.is_local(where.root) else "open to others, or not to be used"
        yield OK, f"{where.state}, for {where.root} is {kind}", ""
    elif os.path.isdir(where.root) and not owner.is_guarded(where.root):
        yield WARN, f"others can replace what is in {where.root}", f"chmod go-w {where.root}"


def files(where: Places) -> Iterator[Check]:
    """Whether that file system can do what a queue needs: pipes, locks, making a file once."""
    above = facts.nearest(where.state)
    try:
        folder = tempfile.mkdtemp(prefix=".sjs-doctor-", dir=above)
    except OSError as error:
        yield FAIL, f"nothing can be made in {above}: {error.strerror}", _mend(error, above)
        return
    try:
        os.mkfifo(os.path.join(folder, "pipe"), 0o600)
        lock = places.take_lock(os.path.join(folder, "lock"))
        if lock is None or not places.is_locked(os.path.join(folder, "lock")):
            yield FAIL, f"{above} keeps no locks", "set state_dir to a folder on a local disk"
        else:
            yield OK, f"pipes and locks work in {above}", ""
        if lock is not None:
            os.close(lock)
    except OSError as error:
        yield FAIL, f"no pipes or locks in {above}: {error.strerror}", "set state_dir to a folder on a local disk"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def room(where: Places) -> Iterator[Check]:
    """Blocks and names that are left on the queue's disk."""
    above = facts.nearest(where.state)
    found = os.statvfs(above)
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    if total and free < space.sizes(total).low_water:
        yield FAIL, f"{above} has {free >> 20} MB left: nothing would start", "free some"
    elif found.f_files and found.f_favail < FEW_FILES:
        yield FAIL, f"{above} has {found.f_favail} names for files left", "remove some files"
    else:
        yield OK, f"{above} has {free >> 20} MB left", ""


def door(where: Places) -> Iterator[Check]:
    """The pipe in the project folder."""
    try:
        found = os.lstat(where.door)
    except OSError:
        return  # there is none, and a manager makes it
    if not stat.S_ISFIFO(found.st_mode):
        yield FAIL, f"{where.door} is in the way of the pipe", f"mv {where.door} elsewhere, or set another `pipe`"
    elif found.st_uid != os.geteuid():
        yield FAIL, f"{where.door} belongs to somebody else (user id {found.st_uid})", "ask them to remove it"
    elif not where.is_taken() and _has_reader(where.door):
        yield WARN, f"a manager of simple-job-submit reads {where.door}", "it is spoken to, but does less"
    elif not where.is_taken() and not os.path.exists(where.database):
        yield WARN, f"{where.door} was left behind, nobody reads it", "`start` uses it again"


def manager(where: Places) -> Iterator[Check]:
    """Keeper and manager."""
    keeper, here = places.is_locked(where.keeper_lock), places.is_locked(where.manager_lock)
    if keeper and here:
        yield OK, f"a manager runs ({places.holder(where.manager_lock)})", ""
    elif os.path.exists(where.stopped):
        yield WARN, "the manager was stopped on purpose", "`start` starts it again"
    elif keeper or here:
        yield FAIL, f"the {'manager' if keeper else 'keeper'} is gone{_said(where)}", "`start`, or look again"
    elif os.path.exists(where.database):
        yield FAIL, f"the manager is gone{_said(where)}", "`start` starts it again; nothing is lost"
    else:
        yield WARN, "no manager yet", "`start` starts one"


def limits(where: Places) -> Iterator[Check]:
    """What this system lets a user have, and can tell."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors != resource.RLIM_INFINITY and descriptors < DESCRIPTORS:
        yield WARN, f"only {descriptors} open files are allowed", "raise it in /etc/security/limits.conf"
    fd = pidfd_open(os.getpid())
    if fd is None:
        yield WARN, "this kernel has no pidfd: jobs that outlive a crash are looked at once a second", ""
    else:
        os.close(fd)
    if login.takes_all_along() and not login.apart():
        yield WARN, "who logs out has all processes ended here", f"loginctl enable-linger {login.user()}"


def graphics(where: Places) -> Iterator[Check]:
    """GPUs, as their own tools tell of them."""
    there = [name for name in ("/dev/nvidia0", "/dev/kfd") if os.path.exists(name)]
    found = resources.gpus()
    if found:
        yield OK, f"{len(found)} GPU{'s' if len(found) > 1 else ''} ({found[0]['kind']})", ""
    elif resources.has_gpu_tools():
        yield (
            FAIL,
            "the tool for GPUs is there and tells of none",
            "run it there: is the driver loaded?",
        )
    elif there:
        yield WARN, f"{there[0]} is there, and no tool that tells of it", "install nvidia-smi or rocm-smi"


LOOKS: Dict[str, Callable[[Places], Iterator[Check]]] = {
    "project_root": project,
    "queue": state,
    "files": files,
    "room": room,
    "pipe": door,
    "limits": limits,
    "gpus": graphics,
    "manager": manager,
}


def _said(where: Places) -> str:
    """The last words of whoever is gone."""
    line = last_line(where.log)
    return f"; its log ends with: {line}" if line else ""


def _mend(error: OSError, folder: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some room"
    return "mount it for writing" if error.errno == errno.EROFS else f"chown {folder} to {login.user()}"


def _has_reader(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError:
        return False
    return True
