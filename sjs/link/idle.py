"""How long a link stays when nobody comes, as the configs say; and that some want none at all."""

from __future__ import annotations

import contextlib
import os
import struct

from sjs.link import place

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = 600.0
_FORM = struct.Struct("d")
_parent: int | None = None


def tell_to(fd: int) -> None:
    """This process carries a command out for a warm one, which hears there how long it is to stay."""
    global _parent
    _parent = fd


def is_told() -> bool:
    """Whether there is a warm process that hears."""
    return _parent is not None


def heed(seconds: float, environ: Mapping[str, str]) -> None:
    """Have the link stay for so long from now on; 0: end, and have none for the commands that follow."""
    for folder in place.folders(environ):
        mark = os.path.join(folder, place.OFF)
        if seconds == 0 and place.is_mine(folder):
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif seconds and os.path.exists(mark):
            with contextlib.suppress(FileNotFoundError):  # another command was quicker
                os.unlink(mark)
    tell(seconds)


def tell(seconds: float) -> None:
    """Have the warm process, if one carries this out, stay for so long."""
    if _parent is not None:
        os.write(_parent, _FORM.pack(seconds))


def read(data: bytes) -> float:
    """What was told last."""
    seconds: float = _FORM.unpack(data[-_FORM.size :])[0]
    return seconds
