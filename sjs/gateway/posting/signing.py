"""How who is told knows that it was the gateway, as Standard Webhooks has it (https://www.standardwebhooks.com). Pure,
but for the key.

    webhook-id          the same for each try
    webhook-timestamp   Unix seconds of the try
    webhook-signature   v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))

No secret is kept: one is made of the gateway's key, a file of its own, and of what is kept of the hook. So who reads
the database can sign nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from secrets import token_bytes

from sjs.errors import ConfigError

KEY = "hooks.key"
KEY_BYTES = 32

_PURPOSE = b"sjs webhook secret, 1\0"


def key(folder: str) -> bytes:
    """The gateway's key, made when it is first needed."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, KEY)
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    part = f"{path}.{os.getpid()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, token_bytes(KEY_BYTES))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(part, path)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return _read(path)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if found.st_mode & 0o077 or found.st_uid != os.geteuid():
            raise ConfigError(f"{path}: others can read it", f"chmod 600 {path}, and have its hooks made again")
        said = os.read(fd, KEY_BYTES + 1)
    finally:
        os.close(fd)
    if len(said) != KEY_BYTES:
        raise ConfigError(f"{path}: is no key of {KEY_BYTES} bytes", "remove it, and have its hooks made again")
    return said


def salt() -> str:
    """What is kept of a new hook."""
    return token_bytes(16).hex()


def secret(key: bytes, salt: str) -> bytes:
    """What a hook's messages are signed with."""
    return hmac.digest(key, _PURPOSE + bytes.fromhex(salt), hashlib.sha256)


def shown(secret: bytes) -> str:
    """As its owner is told, once."""
    return f"whsec_{base64.b64encode(secret).decode('ascii')}"


def signed(secret: bytes, name: str, now: int, body: bytes) -> Mapping[str, str]:
    """The headers of a message."""
    mac = hmac.digest(secret, f"{name}.{now}.".encode("ascii") + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac).decode('ascii')}"
    return {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signature}
