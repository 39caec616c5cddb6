"""What this machine's kernel can do that older ones cannot."""

from __future__ import annotations

import platform

TELLS_ALL = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (6, 15)
"""Whether it tells who is not the parent of a process how that ended."""
