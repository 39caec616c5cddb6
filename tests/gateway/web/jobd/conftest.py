"""jobd's clients, and what answers them over two real queues: the same for all tests of a module, each of which has an
owner of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from sjs.config import Config, from_mapping
from sjs.gateway.desk import Desk, opened
from sjs.gateway.settings import Settings, usual
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.conftest import HOST, bearer, served
from tests.gateway.web.jobd.speaking import Client
from tests.live.machine import Machine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("gateway")
    (folder / "jobspecs").mkdir()
    return usual(str(folder))


@pytest.fixture(scope="module")
def config(machines: dict[str, Machine]) -> Config:
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    return from_mapping({"managers": managers}, {})


@pytest.fixture(scope="module")
def desk(settings: Settings, config: Config) -> Iterator[Desk]:
    with opened(settings, config, {}) as desk:
        yield desk


@pytest.fixture(scope="module")
def port(desk: Desk) -> Iterator[int]:
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        yield port


@pytest.fixture
def owner() -> str:
    return uuid4().hex


@pytest.fixture
def jobd(desk: Desk, port: int, owner: str) -> Client:
    """Somebody who may hand in anything."""
    return Client(port, "/jobd", bearer(desk, owner))
