"""Secrets, read from where settings say that they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from sjs.errors import ConfigError
from sjs.gateway.artifacts.settings import Secret

MAX_SECRET = 16 << 10


def read(key: str, secret: Secret, environ: Mapping[str, str]) -> str:
    """The secret that a key of the config means. ConfigError, which does not repeat it, where there is none, or others
    can read it."""
    if secret.env:
        value = environ.get(secret.env, "")
        if not value:
            raise ConfigError(f"{key}: the variable {secret.env} is not set")
        return value
    try:
        value = _from_file(key, secret.file)
    except OSError as error:
        raise ConfigError(f"{key}: {secret.file}: {error.strerror}") from None
    if not value.isprintable() or not value:
        raise ConfigError(f"{key}: {secret.file} has to hold the secret in one line, and nothing else")
    return value


def _from_file(key: str, path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{key}: {path} is no file")
        if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
            raise ConfigError(f"{key}: {path} can be read by others", f"chmod 600 {path}")
        return os.read(fd, MAX_SECRET).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)
