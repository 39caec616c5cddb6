"""How long the tests go on, and from which seed: a short form in CI, a long one by `scripts/torture`."""

from __future__ import annotations

import os
import random
import time

MINUTES = float(os.environ.get("SJS_TORTURE_MINUTES", "0"))
"""0 is the short form. A test in its long form goes on for so long, or until it has shown what it must."""

LONG = MINUTES > 0

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)


def end() -> float:
    """When a test that begins now has gone on for long enough, on the monotonic clock."""
    return time.monotonic() + 60 * MINUTES
