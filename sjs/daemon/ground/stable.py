"""The one path of this code that stays while its versions come and go: `current` beside their folders, a link.

What is noted down for later (in authorized_keys, a crontab, a unit) names it. Each manager that takes a queue over lets
it lead to its own code, so that what starts later finds what managed last; `unpack` does not remove that.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Optional, Tuple

from sjs.daemon.ground.program import OURS, Program

CURRENT = "current"
"""What the link is called. `unpack`, which runs alone, says it, too; what that loads, nobody else is to load."""


def program() -> Program:
    """What to note down: by the link, which is made if there is none; where no versions come and go, as it runs now."""
    found = _version()
    if found is None:
        return OURS
    base, _ = found
    if not os.path.exists(os.path.join(base, CURRENT)):
        renew()
    return OURS._replace(folder=os.path.join(base, CURRENT, "sjs", "daemon"))


def renew() -> None:
    """Let the link lead to the code that runs this."""
    found = _version()
    if found is None:
        return
    base, digest = found
    link = os.path.join(base, CURRENT)
    with contextlib.suppress(OSError):  # there is none, or no link: the next lines decide
        if os.readlink(link) == digest:
            return
    fresh = os.path.join(base, f".new-{CURRENT}-{os.getpid()}")
    os.symlink(digest, fresh)
    try:
        os.replace(fresh, link)
    except OSError:
        os.unlink(fresh)
        raise


def _version() -> Optional[Tuple[str, str]]:
    """The folder of all versions, and which one this is; None when it was not put there as one of several."""
    base, digest, *inside = OURS.folder.rsplit(os.sep, 3)
    is_one = inside == ["sjs", "daemon"] and re.match("[0-9a-f]{24}$", digest)
    return (base, digest) if is_one else None
