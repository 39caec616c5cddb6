"""Where the process listens that is warm for a caller: a socket in a folder of this user's alone, named after all that
a process inherits and that cannot be handed over. Who differs in any of it, be it in what he may or in what he sees,
has another one."""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b
from stat import S_IMODE, S_ISDIR

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from collections.abc import Mapping

OFF = "off"
"""A file beside the sockets: a config says that there is to be no link."""

LONGEST = 107
"""Bytes of a socket's path."""

_SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_INHERITED = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp", "Cpus_allowed")
VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG", "LD_LIBRARY_PATH", "LD_PRELOAD")
"""Of the environment, what counts while a program is loaded."""

_LOGINS = "/user.slice/user-"


def socket_path(environ: Mapping[str, str]) -> str | None:
    """The socket's path; None where there is no folder for it."""
    try:
        name = _name(environ)
    except OSError:  # no /proc: nobody could tell who is who
        return None
    for folder in folders(environ):
        path = f"{folder}/{name}"
        if os.path.exists(f"{folder}/{OFF}"):
            return None
        if len(os.fsencode(path)) <= LONGEST and is_mine(folder):
            return path
    return None


def folders(environ: Mapping[str, str]) -> list[str]:
    """Where it may lie, the best place first."""
    bases = (environ.get("XDG_RUNTIME_DIR", ""), "/sjs"), (environ.get("HOME", ""), "/.cache/sjs/link")
    return [base + place for base, place in bases if base.startswith("/") and _owner(base) == os.geteuid()]


def _owner(folder: str) -> int | None:
    """Whose it is: nothing of ours is put where somebody else is at home, as with sudo."""
    try:
        return os.stat(folder).st_uid
    except OSError:  # it is not there
        return None


def is_mine(folder: str) -> bool:
    """Whether the folder is there, or can be made, and nobody else can do anything in it."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:  # then another place, or none: commands work without
        return False
    return S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not S_IMODE(found.st_mode) & 0o077


def _name(environ: Mapping[str, str]) -> str:
    root = os.stat("/")
    told = [
        *(_space(one) for one in _SPACES),
        *(environ.get(one) for one in VARIABLES),
        *(line for line in _lines("status") if line.partition(":")[0] in _INHERITED),
        *_lines("limits"),
        *(_confinement(line) for line in _lines("cgroup")),
        *_lines("../sys/kernel/random/boot_id"),
        os.getpriority(os.PRIO_PROCESS, 0),
        (root.st_dev, root.st_ino),
        sys.executable,
        sys.version,
        sys.flags.isolated,
        *(found for found in environ.items() if found[0].startswith("PYTHON") and not sys.flags.isolated),
        os.path.abspath(__file__),
    ]
    return blake2b(repr(told).encode(), digest_size=9).hexdigest()


def _space(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{name}")
    except FileNotFoundError:  # an older kernel
        return ""


def _lines(name: str) -> list[str]:
    with open(f"/proc/self/{name}", encoding="utf-8", errors="surrogateescape") as source:
        return source.read().splitlines()


def _confinement(line: str) -> str:
    """Which cgroup one is in: a batch job's own, a container's. Those into which systemd puts logins, or the windows of
    a desktop, are all the same."""
    before, found, rest = line.partition(_LOGINS)
    return before + found + rest.partition("/")[0]
