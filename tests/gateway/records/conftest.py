"""Each database in turn, empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine

from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.records.tables import metadata
from tests.gateway.databases import SERVERS, server

KINDS = ("sqlite", "mariadb", "postgresql")


@pytest.fixture(scope="package")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of those that can be had here; each is started once."""
    with ExitStack() as stack:
        found = {kind: stack.enter_context(server(kind)) for kind, program in SERVERS.items() if program}
        yield {**found, "sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/g.db"}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, urls: dict[str, str]) -> str:
    if request.param not in urls:
        pytest.skip(f"no {request.param} here")
    return urls[request.param]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = engine_of(url)
    with owned(engine):
        migrate(engine)
        yield engine
        with engine.begin() as connection:
            metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
