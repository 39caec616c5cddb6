"""Puts this code in the place of what manages the queue, with its jobs running on."""

from __future__ import annotations

from typing import Dict

from sjs.daemon.ground.places import Places
from sjs.daemon.terminal import upgrade_command
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errors import Refused


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"upgrade": upgrade}


def upgrade(request: Request, client: Client, where: Places) -> Reply:
    """As `job_manager --upgrade` does; a queue that is managed as before when that fails."""
    failure = upgrade_command.run(where)
    if failure:
        raise Refused(failure)
    return {}
