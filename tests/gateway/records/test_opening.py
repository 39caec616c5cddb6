"""Databases: opened, one gateway each, brought up to date."""

from __future__ import annotations

import gc
import os
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, insert, text

from sjs.errors import ConfigError, SjsError
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.records.tables import batches, metadata
from tests.gateway.databases import SERVERS, mortal


def test_the_history_leads_to_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_that_is_up_to_date_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(batches).values(key="k", word="any", created=1.0))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT word FROM batches")) == "any"


def test_one_of_a_newer_program_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SjsError, match="newer sjs \\(version 9999\\)"):
        migrate(engine)


def test_it_is_one_gateways(engine: Engine, url: str) -> None:
    other = engine_of(url)
    with pytest.raises(SjsError, match="another gateway works with this database"), owned(other):
        pass
    other.dispose()


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_it_is_given_up_in_peace_though_its_server_has_died(kind: str) -> None:
    if not SERVERS[kind]:
        pytest.skip(f"no {kind} here")
    with mortal(kind) as (url, server):
        engine = engine_of(url)
        with owned(engine):
            server.kill()
        engine.dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no URL"),
        ("nonsense", "is no URL"),
        ("oracle://h/x", "'oracle' is no database that is known"),
        ("mysql://h/x", "'mysql' is no database that is known"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_wrong_url_is_said(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        engine_of(url)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    engine = engine_of(f"mariadb://me:hush@localhost/x?unix_socket={tmp_path}/none")
    with pytest.raises(SjsError) as caught, owned(engine):
        pass
    assert "me:***@localhost" in str(caught.value) and "hush" not in str(caught.value)
    engine.dispose()
    del caught
    gc.collect()  # pymysql leaves the socket over which it did not connect to the garbage


def test_files_of_sqlite_are_the_owners_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        engine = engine_of(f"sqlite:///{tmp_path}/new/g.db")
        with owned(engine):
            migrate(engine)
            with engine.connect():
                files = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "new").iterdir()}
        engine.dispose()
    finally:
        os.umask(mask)
    assert set(files.values()) == {0o600} and {"g.db", "g.db.lock", "g.db-wal"} <= files.keys()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
