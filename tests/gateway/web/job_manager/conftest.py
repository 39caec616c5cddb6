"""The dialect as it is served at a port of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from sjs.config import from_mapping
from sjs.gateway.desk import Desk, opened
from sjs.gateway.settings import usual
from sjs.gateway.web.app import of_dialect
from sjs.values import replace
from tests.gateway.web.conftest import HOST, served
from tests.gateway.web.job_manager.client import Client

NUMBERS = count(1_000)


@pytest.fixture(scope="module")
def at_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with opened(replace(usual(str(folder)), heartbeat=0.3), from_mapping({}, {}), {}) as desk:
        yield desk


@pytest.fixture(scope="module")
def url(at_desk: Desk) -> Iterator[str]:
    with served(at_desk, of_dialect(at_desk, "stages", "web", [HOST], {})) as port:
        yield f"http://{HOST}:{port}"


@pytest.fixture
def mine(url: str) -> Client:
    """One whose jobix nobody had before."""
    return replace(Client(url), jobix=next(NUMBERS))
