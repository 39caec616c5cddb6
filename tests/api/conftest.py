"""Two real queues on this machine, and a fleet of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sjs
from tests.live.machine import Machine, running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder of its own, as long as the queues live."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def machines(home: Path) -> Iterator[dict[str, Machine]]:
    with running(home / "a", slots=2) as a, running(home / "b", slots=2) as b:
        yield {"a": a, "b": b}


@pytest.fixture(scope="module")
def config(machines: dict[str, Machine]) -> dict[str, Any]:
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    return {"managers": managers, "groups": {"both": ["a", "b"]}}


@pytest.fixture
def fleet(config: dict[str, Any]) -> Iterator[sjs.Fleet]:
    with sjs.connect(config) as fleet:
        yield fleet
