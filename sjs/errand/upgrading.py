"""Puts this code in the place of what manages the queue, with its jobs running on."""

from __future__ import annotations

from sjs.daemon.ground.places import Places
from sjs.daemon.terminal import upgrade_command
from sjs.errand.client import Client, Reply, Request
from sjs.errors import Refused


def upgrade(request: Request, client: Client, where: Places) -> Reply:
    """As `job_manager --upgrade` does; a queue that is managed as before when that fails."""
    failure = upgrade_command.run(where)
    if failure:
        raise Refused(failure)
    return {}
