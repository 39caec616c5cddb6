"""TLS of what listens: read from its files, and anew when they are others."""

from __future__ import annotations

import os
import ssl
from typing import NoReturn

from sjs.errors import UsageError
from sjs.gateway.identity.startup import Listener


class Tls:
    """Of one listener. `context` is what connections are made with."""

    def __init__(self, listener: Listener) -> None:
        self._files = listener.certificate, listener.key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.read()

    def read(self) -> None:
        """Have those who come from now on see what is in the files now. UsageError where that is nothing good; then
        all stays as it was."""
        certificate, key = self._files
        for path, is_secret in ((certificate, False), (key, True)):
            _check(path, is_secret)
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                context.load_cert_chain(certificate, key, password=lambda: _refuse(key))
            except (OSError, ValueError) as error:  # an SSLError is one
                reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
                raise UsageError(f"TLS: {certificate} and {key}: {reason.replace('_', ' ').lower()}") from None


def _check(path: str, is_secret: bool) -> None:
    try:
        found = os.stat(path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UsageError(f"TLS: {path}: {error.strerror}") from None
    if is_secret and found.st_mode & 0o007:
        raise UsageError(f"TLS: {path}: everybody can read this key", f"chmod o= {path}")


def _refuse(key: str) -> NoReturn:
    raise UsageError(f"TLS: {key}: is encrypted, and nobody is here to type its password", "decrypt it: openssl pkey")
