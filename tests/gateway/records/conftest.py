"""Each database in turn, empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from tests.gateway.databases import SERVERS, empty, lay_out, server

KINDS = ("sqlite", "mariadb", "postgresql")


@pytest.fixture(scope="package")
def urls() -> Iterator[dict[str, str]]:
    """Of the servers that can be had here; each is started once."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(server(kind)) for kind, program in SERVERS.items() if program}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, urls: dict[str, str], tmp_path: Path) -> str:
    if request.param == "sqlite":
        lay_out(tmp_path / "g.db")
        return f"sqlite:///{tmp_path}/g.db"
    if request.param not in urls:
        pytest.skip(f"no {request.param} here")
    return urls[request.param]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Its tables are laid out by whoever comes first, and emptied by each."""
    engine = engine_of(url)
    with owned(engine):
        migrate(engine)
        with engine.connect() as connection:
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
        yield engine
        if engine.dialect.name != "sqlite":
            with engine.begin() as connection:
                empty(connection)
                connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": version})
    engine.dispose()
