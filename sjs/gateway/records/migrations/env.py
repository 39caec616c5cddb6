"""What Alembic runs to walk the history: on the connection that it is given, never by a configuration of its own."""

from __future__ import annotations

from alembic import context

from sjs.gateway.records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
