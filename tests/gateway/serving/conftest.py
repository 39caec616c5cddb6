from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.serving.program import Gateway

Make = Callable[..., Gateway]


@pytest.fixture
def make() -> Iterator[Make]:
    """Gateways that are gone when the test is over, in folders with names so short that a socket's fits behind."""
    made: list[Gateway] = []
    with tempfile.TemporaryDirectory(prefix="sjs-gate-") as folder:

        def one(said: dict[str, Any] | None = None, managers: object = None) -> Gateway:
            home = Path(folder) / str(len(made))
            home.mkdir()
            made.append(Gateway(home, said, managers))
            return made[-1]

        yield one
        for gateway in made:
            gateway.close()


@pytest.fixture
def gateway(make: Make) -> Gateway:
    return make()
