"""What of jobs' files somebody may have who came through a gate: what lies in the folders in which jobs of his own left
what is to be collected, and nothing else of the machine.

A request is made anew of the fields that it may have. A path is not looked at for what it must not hold: the job and
its attempt are read from it, and it has to be the one that these two make.
"""

from __future__ import annotations

import os
import re
from typing import Any, List, Optional, Tuple

from sjs import wire
from sjs.daemon.asking.whose import Whose
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import ARTIFACTS, artifacts_path
from sjs.errand.client import Request, texts
from sjs.errand.outputs import attempt_of
from sjs.errors import BadRequest, Refused
from sjs.trees.entries import piece_from

_TOP = re.compile(r"[0-9]{1,19}/(?P<job>[0-9]{1,19})(\.(?P<attempt>[0-9]{1,19}))?\.dir/artifacts", re.ASCII)


class Own:
    """For who brings jobs under this name; any job's, if there is none."""

    def __init__(self, name: str, where: Places) -> None:
        self._jobs = where.jobs
        self._whose: Optional[Whose] = Whose(where, name) if name else None

    def narrowed(self, op: str, request: Request) -> Request:
        """The request as it may be answered. Refused says why it is not."""
        made: Request = {"op": op, "id": request.get("id")}
        if op in ("outputs", "discard"):
            made["attempts"] = [list(one) for one in self._attempts(request)]
            if op == "discard":
                if request.get("what") != ARTIFACTS:
                    raise _no("checkouts")
                made["what"] = ARTIFACTS
            return made
        if request.get("at") != self._jobs:
            raise _no("other folders")
        made["at"] = self._jobs
        if op == "tree":
            (glob, *more) = texts(request, "globs") or [""]
            if more or self._top(glob) != glob:
                raise _no("other folders")
            made.update(globs=[glob], others=request.get("others") is True)
            made.update({name: request[name] for name in ("after", "most") if request.get(name)})
            return made
        asked = request.get("pieces")
        for one in asked if isinstance(asked, list) else ():
            self._top(piece_from(one).file.path)
        made.update(pieces=asked, digests=request.get("digests") is True)
        return made

    def _attempts(self, request: Request) -> List[Tuple[int, int]]:
        asked = request.get("attempts")
        if not isinstance(asked, list) or len(asked) > wire.MAX_PAGE:
            raise BadRequest(f"'attempts' must be a list of at most {wire.MAX_PAGE} pairs")
        found = [attempt_of(pair) for pair in asked]
        for job, _ in found:
            self._check(job)
        return found

    def _top(self, path: str) -> str:
        """The folder that a path leads to, or into, by the job that has left it."""
        found = _TOP.match(path)
        top = self._made(found) if found else ""
        if not top or not f"{path}/".startswith(f"{top}/"):
            raise _no("other files")
        return top

    def _made(self, found: Any) -> str:
        job, attempt = int(found["job"]), int(found["attempt"] or 1)
        top = os.path.relpath(artifacts_path(self._jobs, job, attempt), self._jobs)
        if top != found[0]:
            return ""
        self._check(job)
        return top

    def _check(self, job: int) -> None:
        if self._whose is not None:
            self._whose.check(job)


def _no(what: str) -> Refused:
    return Refused(f"this key may not have {what}", "it may have what its own jobs left as artifacts")
