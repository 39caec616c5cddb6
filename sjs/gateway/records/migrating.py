"""Brings a database up to date, whatever version it has, and refuses one that is newer than this program."""

from __future__ import annotations

import os

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from sjs.errors import SjsError

FOLDER = os.path.join(os.path.dirname(__file__), "migrations")


def migrate(engine: Engine) -> None:
    """Walk the steps that it has not gone yet. Where the database can undo such changes, all of them or none."""
    with engine.begin() as connection:
        config = config_for(connection)
        here = MigrationContext.configure(connection).get_current_revision()
        scripts = ScriptDirectory.from_config(config)
        if here == scripts.get_current_head():
            return
        try:
            scripts.get_revision(here or "base")
        except (ResolutionError, CommandError):
            raise SjsError(
                f"the database is of a newer sjs (version {here})", "use that one; there is no way back"
            ) from None
        command.upgrade(config, "head")


def config_for(connection: Connection) -> Config:
    """What Alembic is told."""
    config = Config()
    config.set_main_option("script_location", FOLDER.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
