"""Signatures, judged by OpenSSL; and the key."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from sjs.errors import ConfigError
from sjs.gateway.posting import signing

BODY = b'{"type":"job.ended","data":{"id":7}}'


def test_a_signature_is_what_openssl_makes_of_the_secret_that_was_shown() -> None:
    secret = signing.secret(bytes(32), signing.salt())
    shown = signing.shown(secret)
    assert shown.startswith("whsec_")
    headers = signing.signed(secret, "msg_1_2", 1_614_265_330, BODY)
    key = base64.b64decode(shown.removeprefix("whsec_")).hex()
    argv = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    mac = subprocess.run(argv, input=b"msg_1_2.1614265330." + BODY, capture_output=True, check=True).stdout
    assert headers == {
        "webhook-id": "msg_1_2",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def test_each_hook_has_a_secret_of_its_own() -> None:
    one, other = signing.salt(), signing.salt()
    assert one != other and signing.secret(bytes(32), one) != signing.secret(bytes(32), other)
    assert signing.secret(bytes(32), one) != signing.secret(b"x" * 32, one)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    key = signing.key(str(folder))
    assert len(key) == 32 and signing.key(str(folder)) == key
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert [(one.name, one.stat().st_mode & 0o777) for one in folder.iterdir()] == [("hooks.key", 0o600)]


def test_a_key_that_others_can_read_or_that_is_none_is_not_used(tmp_path: Path) -> None:
    signing.key(str(tmp_path))
    path = tmp_path / "hooks.key"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod"):
        signing.key(str(tmp_path))
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="32 bytes"):
        signing.key(str(tmp_path))
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError):
        signing.key(str(tmp_path))
