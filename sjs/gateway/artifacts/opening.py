"""The store that settings mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sjs.gateway.artifacts.settings import FolderSettings, Settings
from sjs.gateway.artifacts.store import Store


def open_store(settings: Settings, environ: Mapping[str, str], warn: Callable[[str], None]) -> Store:
    """Open it. What it needs and is not there is said now, but for what only a server knows, which `check` asks."""
    if isinstance(settings, FolderSettings):
        from sjs.gateway.artifacts.folder import FolderStore

        return FolderStore(settings.path)
    from sjs.gateway.artifacts.s3 import S3Store

    return S3Store(settings, environ, warn)
