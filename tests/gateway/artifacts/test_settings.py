"""What the settings of a store may say, and what is said of what they may not; secrets, from where they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sjs.errors import ConfigError
from sjs.gateway.artifacts import secrets
from sjs.gateway.artifacts.settings import FolderSettings, Keys, S3Settings, Secret, parse

USUAL = "/var/lib/sjs/artifacts"
S3 = {"store": "s3", "bucket": "results"}


def test_a_folder_is_usual() -> None:
    assert parse(None, USUAL) == parse({}, USUAL) == parse({"store": "folder"}, USUAL) == FolderSettings(USUAL)
    assert parse({"store": "folder", "path": "/srv/a"}, USUAL) == FolderSettings("/srv/a")


def test_a_bucket_is_enough() -> None:
    assert parse(S3, USUAL) == S3Settings("results")


def test_all_that_can_be_said_of_s3() -> None:
    said = {
        **S3,
        "endpoint": "https://minio.example.org:9000/",
        "public_endpoint": "https://files.example.org",
        "region": "eu-central-1",
        "prefix": "sjs/prod",
        "path_style": True,
        "access_key_id": "AKIA1",
        "secret_access_key": {"file": "/etc/sjs/s3"},
        "session_token": {"env": "S3_TOKEN"},
        "encryption": "aws:kms",
        "kms_key": "alias/sjs",
        "ca_file": "/etc/ssl/ours.pem",
        "connect_timeout": 1,
        "read_timeout": 2,
        "retries": 0,
    }
    assert parse(said, USUAL) == S3Settings(
        bucket="results",
        endpoint="https://minio.example.org:9000",
        public_endpoint="https://files.example.org",
        region="eu-central-1",
        prefix="sjs/prod/",
        path_style=True,
        keys=Keys("AKIA1", Secret(file="/etc/sjs/s3"), Secret(env="S3_TOKEN")),
        encryption="aws:kms",
        kms_key="alias/sjs",
        ca_file="/etc/ssl/ours.pem",
        connect_timeout=1,
        read_timeout=2,
        retries=0,
    )
    assert parse({**S3, "profile": "gateway"}, USUAL) == S3Settings("results", profile="gateway")


WRONG: list[tuple[Any, str]] = [
    ("s3", "artifacts: has keys and values"),
    ({"store": "ftp"}, "artifacts.store: is folder or s3, not 'ftp'"),
    ({"store": ["s3"]}, "artifacts.store: is folder or s3, not ['s3']"),
    ({"path": "artifacts"}, "artifacts.path: begins with a /: 'artifacts'"),
    ({"path": ""}, "artifacts.path: is a text that is not empty"),
    ({"path": "/a\0b"}, "artifacts.path: is a text that is not empty"),
    ({"bucket": "x"}, "artifacts.bucket: is no key of a store that is folder (there are path, store)"),
    ({"store": "s3"}, "artifacts.bucket: is missing"),
    ({**S3, "bucket": "a/b"}, "artifacts.bucket: is the name of a bucket, not 'a/b'"),
    ({**S3, "bucket": 7}, "artifacts.bucket: is the name of a bucket, not 7"),
    ({**S3, "buckets": "x"}, "artifacts.buckets: is no key of a store that is s3 (there are access_key_id, "),
    ({**S3, "prefix": "../x"}, "artifacts.prefix: is names of letters and digits with / in between, not '../x/'"),
    ({**S3, "prefix": "/x"}, "artifacts.prefix: is names of"),
    ({**S3, "path_style": "yes"}, "artifacts.path_style: is true or false, not 'yes'"),
    ({**S3, "retries": True}, "artifacts.retries: is a whole number from 0 to 20, not True"),
    ({**S3, "retries": 21}, "artifacts.retries: is a whole number from 0 to 20, not 21"),
    ({**S3, "encryption": "rot13"}, "artifacts.encryption: is AES256 or aws:kms, not 'rot13'"),
    ({**S3, "kms_key": "k"}, "artifacts.kms_key: is for encryption: aws:kms"),
    ({**S3, "endpoint": "minio:9000"}, "artifacts.endpoint: is http:// or https://, a host, and a port if need be"),
    ({**S3, "endpoint": "http://h:99999"}, "artifacts.endpoint: is http:// or https://"),
    ({**S3, "endpoint": "http://h/path"}, "artifacts.endpoint: is http:// or https://"),
    ({**S3, "endpoint": "ftp://h"}, "artifacts.endpoint: is http:// or https://"),
    ({**S3, "endpoint": "http://h?x"}, "artifacts.endpoint: is http:// or https://"),
    ({**S3, "access_key_id": "A"}, "artifacts.secret_access_key: is missing beside the other of the pair"),
    ({**S3, "session_token": {"env": "A"}}, "artifacts.access_key_id: is missing beside the other of the pair"),
]


@pytest.mark.parametrize(("said", "words"), WRONG)
def test_what_is_wrong_is_named(said: object, words: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse(said, USUAL)
    assert found.value.message.startswith(words)
    assert found.value.message.isprintable()


PAIR = {**S3, "access_key_id": "AKIA1", "secret_access_key": {"env": "X"}}


def test_profile_and_keys_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="profile: and access_key_id exclude each other"):
        parse({**PAIR, "profile": "x"}, USUAL)


@pytest.mark.parametrize(
    "said",
    [
        {**PAIR, "secret_access_key": "hunter2"},
        {**PAIR, "secret_access_key": {"value": "hunter2"}},
        {**PAIR, "secret_access_key": {"env": "hunter2!"}},
        {**PAIR, "secret_access_key": {"env": "A", "file": "hunter2"}},
        {**PAIR, "secret_access_key": ["hunter2"]},
        {**PAIR, "session_token": "hunter2"},
        {**S3, "endpoint": "https://anna:hunter2@minio"},
        {**S3, "public_endpoint": "https://hunter2@minio"},
    ],
)
def test_a_secret_is_refused_and_not_repeated(said: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as found:
        parse(said, USUAL)
    assert "hunter2" not in str(found.value)


# Secrets


def test_a_secret_of_the_environment() -> None:
    assert secrets.read("artifacts.key", Secret(env="S3"), {"S3": "hunter2"}) == "hunter2"
    for environ in ({}, {"S3": ""}):
        with pytest.raises(ConfigError, match=r"^artifacts\.key: the variable S3 is not set$"):
            secrets.read("artifacts.key", Secret(env="S3"), environ)


def test_a_secret_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    assert secrets.read("artifacts.key", Secret(file=str(path)), {}) == "hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_no_secret_that_others_can_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"can be read by others \(chmod 600 "):
        secrets.read("artifacts.key", Secret(file=str(path)), {})


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nhunter2", b"hunter2\0"])
def test_no_secret_of_several_lines(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="in one line") as found:
        secrets.read("artifacts.key", Secret(file=str(path)), {})
    assert "hunter2" not in str(found.value)


def test_no_secret_of_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, why in ((tmp_path, "is no file"), (tmp_path / "pipe", "is no file"), (tmp_path / "x", "No such file")):
        with pytest.raises(ConfigError, match=why):
            secrets.read("artifacts.key", Secret(file=str(path)), {})
