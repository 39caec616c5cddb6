"""What a job has left, as an archive. It is made anew for whoever asks: the same files come to the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, BinaryIO

from sqlalchemy import Row

from sjs.gateway.artifacts.store import Store
from sjs.gateway.zips.packing import Writer

LEVEL = 1
"""It is packed while somebody waits."""


def pack(files: Sequence[Row[Any]], store: Store, to: BinaryIO) -> None:
    """Write an archive of these. Whole, before the first byte of it is sent: then what goes wrong can still be said."""
    writer = Writer(to, LEVEL)
    for file in sorted(files, key=lambda one: str(one.name)):
        with closing(store.open(file.place)) as content:
            writer.add(file.name.encode(), False, file.size, content)
    writer.close()
    to.seek(0)
