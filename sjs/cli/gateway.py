"""What the programs about the gateway share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sjs.config import Config
from sjs.errors import UsageError
from sjs.extras import how_to_get

if TYPE_CHECKING:
    from sjs.gateway.settings import Settings

NEEDED = ("sqlalchemy", "alembic", "fastapi", "uvicorn", "httptools")


def settings_of(config: Config) -> Settings:
    """What the config says of the gateway; UsageError where what it needs is not installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the gateway needs {missing[0]}, which is not here", how_to_get("gateway"))
    from sjs.gateway.section import settings_of

    return settings_of(config, os.environ)
