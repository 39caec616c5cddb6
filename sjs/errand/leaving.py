"""What jobs leave in the folders of their own, for whoever wants it of many at once."""

from __future__ import annotations

import os
from typing import Dict, List, Optional

from sjs import wire
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import FOLDER, output_path
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.outputs import attempt_of, opened
from sjs.errors import BadRequest


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"left": left}


def left(request: Request, client: Client, where: Places) -> Reply:
    """The files of one name that attempts have left, one behind the other, as much of them as a message holds: the size
    of each, None where there is none. `offset`: how much of the first is known."""
    asked, name = request.get("attempts"), wire.text(request, "name")
    if not isinstance(asked, list) or not 1 <= len(asked) <= wire.MAX_PAGE:
        raise BadRequest(f"'attempts' must be a list of 1 to {wire.MAX_PAGE} pairs")
    if "/" in name or name in ("", ".", ".."):
        raise BadRequest("'name' must be a plain file name")
    offset = wire.whole(request, "offset", 0, 2**62, 0)
    sizes: List[Optional[int]] = []
    data = b""
    for job, attempt in map(attempt_of, asked):
        if len(data) >= wire.MAX_FRAME:
            break
        with opened(os.path.join(output_path(where.jobs, job, attempt, FOLDER), name)) as fd:
            sizes.append(None if fd is None else os.fstat(fd).st_size)
            if fd is not None:
                data += os.pread(fd, wire.MAX_FRAME - len(data), offset)
        offset = 0
    client.enclosed = data
    return {"sizes": sizes}
