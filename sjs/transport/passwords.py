"""Passwords that nobody has to type: of the config, else of the environment, else of the keyring of the desktop."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from sjs.transport.way import Hop

VARIABLE = "SJS_PASSWORD"
SERVICE = "sjs"
"""Under which the keyring has them, each for user@host:port."""


class Secret(NamedTuple):
    """A password, and what it is called where one tells what was tried."""

    text: str
    source: str

    def __repr__(self) -> str:
        return f"Secret({self.source})"


NONE = Secret("", "")


def find(hop: Hop, said: str, environ: Mapping[str, str]) -> Secret:
    """The password for a server. `said`: by the config. NONE may say why the keyring gives none."""
    if said:
        return Secret(said, "password")
    if environ.get(VARIABLE):
        return Secret(environ[VARIABLE], f"password of ${VARIABLE}")
    return _of_keyring(hop)


def _of_keyring(hop: Hop) -> Secret:
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:  # it was not installed with us
        return NONE
    try:
        text = keyring.get_password(SERVICE, str(hop))
    except keyring.errors.KeyringError as error:
        return Secret("", f"no password of the keyring ({error or type(error).__name__})")
    return Secret(text, "password of the keyring") if text else NONE
