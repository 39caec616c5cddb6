from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.rig import Gateway, Rig


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    found = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        found.serve()
        yield found
    finally:
        found.close()


@pytest.fixture
def rig(gateway: Gateway, tmp_path: Path) -> Iterator[Rig]:
    """A pipeline of its own, and workers of it."""
    found = Rig(gateway, tmp_path)
    yield found
    found.close()
