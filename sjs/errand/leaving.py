"""What jobs leave in the folders of their own: for whoever wants it of many at once, and until somebody has it."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, Optional

from sjs import wire
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import ARTIFACTS, FOLDER, TREE, output_path
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.outputs import attempt_of, opened
from sjs.errors import BadRequest
from sjs.trees.entries import PART
from sjs.trees.folder import OPEN_FOLDER, Folder, names_in


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"left": left, "discard": discard}


def left(request: Request, client: Client, where: Places) -> Reply:
    """The files of one name that attempts have left, one behind the other, as much of them as a message holds: the size
    of each, None where there is none. `offset`: how much of the first is known."""
    asked, name = _attempts(request), wire.text(request, "name")
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


def discard(request: Request, client: Client, where: Places) -> Reply:
    """Remove what attempts have left as artifacts, or their checkouts: somebody has it, and they have ended."""
    what = wire.text(request, "what")
    if what not in (ARTIFACTS, TREE):
        raise BadRequest(f"'what' must be {ARTIFACTS} or {TREE}")
    with Folder(where.jobs) as jobs:
        for job, attempt in map(attempt_of, _attempts(request)):
            own = os.path.relpath(output_path(where.jobs, job, attempt, TREE if what == TREE else FOLDER), where.jobs)
            place = own if what == TREE else f"{own}/{ARTIFACTS}"
            with jobs.told(place), contextlib.suppress(FileNotFoundError):
                _remove(*jobs.find(place))
                jobs.forget()
            if what == ARTIFACTS:
                with contextlib.suppress(OSError):  # there is something else in it
                    above, name = jobs.find(own)
                    os.rmdir(name, dir_fd=above)
    return {}


def _attempts(request: Request) -> List[Any]:
    asked = request.get("attempts")
    if not isinstance(asked, list) or not 1 <= len(asked) <= wire.MAX_PAGE:
        raise BadRequest(f"'attempts' must be a list of 1 to {wire.MAX_PAGE} pairs")
    return asked


def _remove(above: int, name: bytes) -> None:
    """Whatever it is, with all that is in it, and whatever a job has made of its rights. What lies deeper is first
    moved up: nobody could have a thousand folders open that are in each other, or name what is in the last."""
    if not _is_folder(above, name):
        os.unlink(name, dir_fd=above)
        return
    top = _enter(above, name)
    try:
        for one in _all_in(top):
            if _is_folder(top, one):
                _empty(top, one)
                os.rmdir(one, dir_fd=top)
            else:
                os.unlink(one, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=above)


def _all_in(fd: int) -> Iterator[bytes]:
    """The names in a folder, until there are none: what is removed meanwhile may leave others there."""
    names = names_in(fd)
    while names:
        yield from names
        names = names_in(fd)


def _empty(above: int, name: bytes) -> None:
    """Remove the files in a folder, and move its folders to where it is itself."""
    fd = _enter(above, name)
    try:
        for one in names_in(fd):
            if _is_folder(fd, one):
                os.close(_enter(fd, one))
                os.rename(one, PART + os.urandom(8).hex().encode(), src_dir_fd=fd, dst_dir_fd=above)
            else:
                os.unlink(one, dir_fd=fd)
    finally:
        os.close(fd)


def _enter(above: int, name: bytes) -> int:
    os.chmod(name, 0o700, dir_fd=above)
    return os.open(name, OPEN_FOLDER, dir_fd=above)


def _is_folder(above: int, name: bytes) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
