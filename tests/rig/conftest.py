from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.rig.lab import Lab, obstacle, rig


@pytest.fixture(scope="session", autouse=True)
def ground() -> None:
    """Where hosts can be made, they are; a CI that cannot is no proof of anything."""
    reason = obstacle()
    if not reason:
        return
    if os.environ.get("CI") or os.geteuid() == 0:
        pytest.fail(f"the rig cannot be set up: {reason}")
    pytest.skip(reason)


@pytest.fixture
def lab(ground: None) -> Iterator[Lab]:
    """Three hosts of the common kind."""
    with rig(3) as found:
        yield found
