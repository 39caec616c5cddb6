"""In `ask`: answers that it has itself, given as a manager's come."""

from __future__ import annotations

import os
from typing import List


class Replies:
    """Lines that are there at once, behind a descriptor that is readable while there are any."""

    def __init__(self) -> None:
        self.fd, self._bell = os.pipe()
        self.ended = False
        self._lines: List[bytes] = []

    def put(self, line: bytes) -> None:
        if not self._lines:
            os.write(self._bell, b"!")
        self._lines.append(line)

    def lines(self) -> List[bytes]:
        """Those that nobody has taken yet."""
        self.ended = not os.read(self.fd, 1)
        lines, self._lines = self._lines, []
        return lines

    def end(self) -> None:
        """No more will come."""
        os.close(self._bell)
