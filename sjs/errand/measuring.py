"""The last value of each metric that jobs have printed. Read here, because outputs may be long and many: only numbers
travel. Of a long output only the beginning and the end are read; a reply comes after a second, and says how far it
came."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Iterator, List, Tuple

from sjs import wire
from sjs.core.metrics import Last, Lines, Number, Reader, flat, from_json, reader, to_wire
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import FOLDER, output_path
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.outputs import attempt_of, limited, opened
from sjs.errors import BadRequest

HEAD = 256 << 10
TAIL = 768 << 10
"""Bytes of an output that are read, at its beginning and at its end."""

RESULT = "result.json"
MAX_RESULT = 1 << 20

TURN = 1.0
"""Seconds after which a reply is sent with what there is."""

MAX_SAID = 1 << 20
"""Bytes of a reply, or about so many."""

PATIENCE = 2.0
"""Seconds of a processor that a person's expression may take for one job; the usual forms are no matter of time."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"results": results}


def results(request: Request, client: Client, where: Places) -> Reply:
    """What the outputs of attempts say: the values of each, by name; `done`: how many attempts were looked at."""
    asked = request.get("attempts")
    if not isinstance(asked, list) or len(asked) > wire.MAX_PAGE:
        raise BadRequest(f"'attempts' must be a list of at most {wire.MAX_PAGE} pairs")
    attempts = [attempt_of(one) for one in asked]
    pattern = wire.text(request, "pattern") if request.get("pattern") else None
    read, patience = reader(pattern), PATIENCE if pattern else 0.0
    until = time.monotonic() + TURN
    found: List[Tuple[int, Dict[str, Any]]] = []
    troubles: List[Tuple[int, str]] = []
    done = said = 0
    for job, attempt in attempts:
        try:
            with limited(patience, f"to read what job {job} has printed"):
                values = measured(where, job, attempt, read)
        except OSError as error:
            values = {}
            troubles.append((job, str(error.strerror)))
        if values:
            found.append((job, {name: to_wire(value) for name, value in values.items()}))
        done += 1
        said += sum(len(name) + 24 for name in values)
        if time.monotonic() > until or said > MAX_SAID:
            break
    return {"found": found, "troubles": troubles, "done": done}


def measured(where: Places, job: int, attempt: int, read: Reader) -> Dict[str, Number]:
    """The values of one attempt: what it left in its result.json counts most, then what it printed on stdout."""
    result = _result(os.path.join(output_path(where.jobs, job, attempt, FOLDER), RESULT))
    last = Last()
    last.take(iter(result))
    for stream in ("err", "out"):
        for line in _lines(output_path(where.jobs, job, attempt, stream)):
            last.take(read(line))
    last.take(iter(result))
    return last.values


def _result(path: str) -> List[Tuple[str, Number]]:
    with opened(path) as fd:
        body = None if fd is None else from_json(os.pread(fd, MAX_RESULT, 0).decode("utf-8", "replace"))
    return list(flat(body or {}))


def _lines(path: str) -> Iterator[str]:
    with opened(path) as fd:
        if fd is None:
            return
        size = os.fstat(fd).st_size
        lines = Lines()
        if size <= HEAD + TAIL:
            yield from lines.feed(os.pread(fd, size, 0))
        else:
            yield from lines.feed(os.pread(fd, HEAD, 0))
            lines = Lines()
            yield from lines.feed(os.pread(fd, TAIL, size - TAIL))[1:]  # the first is what is left of a line
        yield from lines.rest()
