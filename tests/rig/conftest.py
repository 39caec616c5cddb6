from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.lab import Lab, rig


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Three hosts of the common kind."""
    with rig(3) as found:
        yield found
