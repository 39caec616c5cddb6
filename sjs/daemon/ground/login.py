"""What becomes of a user's processes at the end of his login, and the place where what is to outlive it is begun."""

from __future__ import annotations

import glob
import os
import pwd
import subprocess
from typing import List

CONF = ("/usr/lib/systemd/logind.conf.d/*.conf", "/etc/systemd/logind.conf", "/etc/systemd/logind.conf.d/*.conf")
LINGER = "/var/lib/systemd/linger"
SCOPE = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--"]
PATIENCE = 10.0
"""Seconds that a user's systemd may take to make a place."""


def user() -> str:
    """Who this is."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # of a user database that is away now
        return str(os.geteuid())


def takes_all_along() -> bool:
    """Whether the system ends all processes of a login with it (`KillUserProcesses`)."""
    said = "no"
    for path in (path for pattern in CONF for path in sorted(glob.glob(pattern))):
        try:
            with open(path, encoding="utf-8", errors="replace") as source:
                for line in source:
                    name, _, value = line.partition("=")
                    said = value.strip() if name.strip() == "KillUserProcesses" else said
        except OSError:
            continue  # what I may not read, I may not have been meant to know
    return said in ("yes", "true", "on", "1")


def lingers() -> bool:
    """Whether the user's own systemd runs on without him, and so what runs under it."""
    return os.path.exists(os.path.join(LINGER, user()))


def apart() -> List[str]:
    """Words to put before a command, so that no login's end is its own; none where that is so anyway, or can not be."""
    if not (takes_all_along() and lingers()):
        return []
    words = ["env", f"XDG_RUNTIME_DIR=/run/user/{os.getuid()}", *SCOPE, "env", "-u", "XDG_RUNTIME_DIR"]
    try:
        subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # there is no such systemd; the doctor says what that means
    return words
