"""What is said of something that was looked at."""

from __future__ import annotations

from typing import Tuple

OK, WARN, FAIL = "ok", "warn", "fail"

Check = Tuple[str, str, str]
"""The verdict, what was found, and what to do about it."""
