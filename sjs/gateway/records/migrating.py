"""Brings a database up to date, whatever version it has, and refuses one that is newer than this program."""

from __future__ import annotations

import os

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Engine

from sjs.errors import SjsError

FOLDER = os.path.join(os.path.dirname(__file__), "migrations")


def is_current(engine: Engine) -> bool:
    """Whether there is nothing to do."""
    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_revision()
    return here == ScriptDirectory(FOLDER).get_current_head()


def migrate(engine: Engine) -> None:
    """Walk the steps that it has not gone yet. Where the database can undo such changes, all of them or none."""
    scripts = ScriptDirectory(FOLDER)
    with engine.begin() as connection:
        steps = MigrationContext.configure(
            connection, opts={"fn": lambda here, _: scripts._upgrade_revs("head", here), "render_as_batch": True}
        )
        here = steps.get_current_revision()
        try:
            scripts.get_revision(here or "base")
        except (ResolutionError, CommandError):
            hint = "use that one; there is no way back"
            raise SjsError(f"the database is of a newer sjs (version {here})", hint) from None
        with Operations.context(steps), steps.begin_transaction():
            steps.run_migrations()
