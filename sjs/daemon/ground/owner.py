"""Whose a folder is, and who else can put something in its place. Light, for `ask` loads it."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False  # `typing` takes as long to load as all else that is here
if TYPE_CHECKING:
    from typing import Optional


def make_private(folder: str) -> None:
    """Make the folder, or take one that is there, if it is mine; nobody else is to see what is in it."""
    umask = os.umask(0o077)  # for those above it, too
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except FileExistsError:
        pass  # what it is, is said now
    finally:
        os.umask(umask)
    found = check(folder)
    if found is not None and stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(folder, 0o700)


def check(folder: str) -> Optional[os.stat_result]:
    """Refuse what is no folder of mine; None where nothing is. A link is no folder: who made it says where it leads."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is no folder", folder)
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"belongs to somebody else (user id {found.st_uid})", folder)
    return found


def is_guarded(folder: str) -> bool:
    """Whether nobody but me and root can move away what I make in the folder, and put something else in its place.

    In a folder with the sticky bit others may make what is not there yet, so `check` who did.
    """
    while True:
        try:
            if not _is_guarded(os.lstat(folder)):
                return False
        except FileNotFoundError:
            pass  # it will be mine, if I can make it
        if folder == os.path.dirname(folder):
            return True
        folder = os.path.dirname(folder)


def _is_guarded(found: os.stat_result) -> bool:
    if found.st_uid not in (0, os.geteuid()):
        return False
    if found.st_mode & stat.S_ISVTX:
        return True
    if found.st_mode & stat.S_IWGRP and not _is_only_mine(found.st_gid):
        return False
    return not found.st_mode & stat.S_IWOTH


def _is_only_mine(group_id: int) -> bool:
    """Whether the group is that of one user, as most Linux systems give one to each, with a umask of 002."""
    import grp
    import pwd

    try:
        group, me = grp.getgrgid(group_id), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}
