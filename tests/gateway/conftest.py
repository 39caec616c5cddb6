"""Two real queues on this machine, and records of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sjs.config import Config, from_mapping
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from tests.gateway.databases import lay_out
from tests.live.machine import Machine, running


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.delenv(name, raising=False)
        with running(home / "a", slots=2) as a, running(home / "b", slots=2) as b:
            yield {"a": a, "b": b}


@pytest.fixture
def said(machines: dict[str, Machine]) -> dict[str, Any]:
    """What the config says."""
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    return {"managers": managers, "groups": {"both": ["a", "b"]}}


@pytest.fixture
def config(said: dict[str, Any]) -> Config:
    return from_mapping(said, {})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    lay_out(tmp_path / "gateway.db")
    engine = engine_of(f"sqlite:///{tmp_path}/gateway.db")
    with owned(engine):
        yield engine
    engine.dispose()
