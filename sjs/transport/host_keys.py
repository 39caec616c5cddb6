"""The files that say which key is whose: the system's, the user's, and sjs's own, the only one that is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sjs.errors import UsageError
from sjs.transport import known_hosts
from sjs.transport.known_hosts import Entry, HostKey, Verdict

SYSTEM = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
USER = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class HostKeys:
    """What the files say, read once."""

    def __init__(self, files: Sequence[str], own: str) -> None:
        self._own = own
        self._entries = [entry for path in (*files, own) for entry in _read(path)]

    def judge(self, name: str, key: HostKey) -> Verdict:
        """Whether this is the key of the machine of that name."""
        return known_hosts.judge(self._entries, name, key)

    def kinds(self, name: str) -> Sequence[str]:
        """The kinds of keys by which the machine is known."""
        return known_hosts.kinds(self._entries, name)

    def pin(self, name: str, key: HostKey) -> None:
        """Make the key known from now on: a line more in sjs's own file."""
        os.makedirs(os.path.dirname(self._own), mode=0o700, exist_ok=True)
        fd = os.open(self._own, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            is_cut = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            os.write(fd, (b"\n" if is_cut else b"") + known_hosts.line(name, key))
        finally:
            os.close(fd)


def own_file(environ: Mapping[str, str]) -> str:
    """Where sjs notes the keys that somebody trusts."""
    base = environ.get("XDG_CONFIG_HOME", "")
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(base if os.path.isabs(base) else os.path.join(home, ".config"), "sjs", "known_hosts")


def _read(path: str) -> list[Entry]:
    try:
        with open(path, "rb") as source:
            return list(known_hosts.entries(source, path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:  # it may hold a line that revokes a key
        raise UsageError(f"{path}: {error.strerror}") from None
