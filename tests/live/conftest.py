from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import Machine, running


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A manager with two slots."""
    with running(tmp_path / "machine") as one:
        yield one
