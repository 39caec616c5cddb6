"""An upload: read as it comes, and made into the tree of files in which its job runs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import BinaryIO

from sjs.capture.whole import take_whole
from sjs.core.job import Snapshot
from sjs.errors import Refused
from sjs.gateway.staging import Staging
from sjs.gateway.web.jobd import words
from sjs.gateway.zips.json_object import ObjectReader
from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.refusals import BadZip
from sjs.gateway.zips.sinks import Base64File, Tee, TextFile
from sjs.gateway.zips.unpacking import unpack
from sjs.snapshots.store import Store

SCRIPT = "run.sh"


class Unusable(Refused):
    """The upload is taken, and is nothing that can run; the message is jobd's."""

    code = "unusable"


class Upload:
    """One request's body. `text`: what came as `input`, letter for letter."""

    def __init__(self, staging: Staging, most: int) -> None:
        self.name = ""
        self.for_slurm = False
        self.text: BinaryIO = staging.file()
        self._archive: BinaryIO = staging.file()
        self._staging = staging
        self._decoded = Base64File(self._archive, most)
        sinks = Tee(TextFile(self.text, most), self._decoded)
        self._reader = ObjectReader({"id": str, "slurml": bool}, "input", sinks)

    def feed(self, data: bytes) -> None:
        """What has come next. BadJson, JsonTooLarge, NoSpace."""
        with self._staging.room():
            self._reader.feed(data)

    def finish(self) -> None:
        """All has come."""
        with self._staging.room():
            found = self._reader.close()
            self._decoded.close()
            self.text.seek(0)
            self._archive.flush()
        self.name = found.get("id", "")
        self.for_slurm = found.get("slurml", False)

    def tree(self, store: Store, limits: Limits) -> Snapshot:
        """What is in the archive, kept durably. Unusable, where it is none."""
        if self._decoded.trouble is not None:
            raise Unusable(words.no_zip(self._decoded.trouble.message))
        with self._staging.folder() as folder, self._staging.room():
            try:
                unpack(self._archive, folder, limits)
            except BadZip as error:
                raise Unusable(words.no_zip(error.message)) from None
            script = os.path.join(folder, SCRIPT)
            if not os.path.isfile(script):
                raise Unusable(words.NO_SCRIPT)
            os.chmod(script, 0o775)
            return take_whole(folder, store)

    def close(self) -> None:
        for file in (self.text, self._archive):
            with suppress(OSError):  # what could not be written is not wanted any more
                file.close()
