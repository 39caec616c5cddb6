"""Which store, and how: the section `artifacts` of the gateway's settings, as values. Pure.

    artifacts: {store: folder, path: /var/lib/sjs/artifacts}
    artifacts: {store: s3, bucket: results, endpoint: "https://minio:9000", path_style: true, profile: gateway}

No secret stands in it, only where one is: `{env: NAME}` or `{file: PATH}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from sjs.errors import ConfigError
from sjs.values import dataclass

SECTION = "artifacts"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}/){0,8}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENCRYPTIONS = ("AES256", "aws:kms")


@dataclass(frozen=True)
class Secret:
    """Where a secret is: in an environment variable, or in a file that is for nobody else."""

    env: str = ""
    file: str = ""


@dataclass(frozen=True)
class Keys:
    """The pair that signs requests, where it is not the usual chain that knows it."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


@dataclass(frozen=True)
class FolderSettings:
    path: str


@dataclass(frozen=True)
class S3Settings:
    """`endpoint`: none is Amazon's own; `public_endpoint`: what browsers know it as, if that is another; `prefix`: ends
    in a `/`. Without `keys` and `profile`, credentials are found as all programs of that kind find them: environment,
    shared files, the machine's role. `retries`: how often a request is made again; times in seconds."""

    bucket: str
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = ""
    prefix: str = ""
    path_style: bool = False
    profile: str = ""
    keys: Keys | None = None
    encryption: str = ""
    kms_key: str = ""
    ca_file: str = ""
    connect_timeout: int = 10
    read_timeout: int = 60
    retries: int = 4


Settings = FolderSettings | S3Settings


def parse(said: object, usual_folder: str) -> Settings:
    """What the section says; without one, or without a path in it, the usual folder. ConfigError names the key."""
    section = {"store": "folder"} if said is None else _mapping("", said)
    kind = section.get("store", "folder")
    if kind == "folder":
        _only(section, {"store", "path"}, "folder")
        return FolderSettings(_path("path", section.get("path", usual_folder)))
    if kind == "s3":
        return _s3(section)
    raise _wrong("store", f"is folder or s3, not {kind!r:.40}")


def _s3(section: Mapping[str, Any]) -> S3Settings:
    _only(section, {"store", *_CHECKS, *_PAIR}, "s3")
    if "bucket" not in section:
        raise _wrong("bucket", "is missing")
    values = {key: check(key, section[key]) for key, check in _CHECKS.items() if key in section}
    keys = _keys(section)
    if keys and "profile" in values:
        raise _wrong("profile", "and access_key_id exclude each other")
    if "kms_key" in values and values.get("encryption") != "aws:kms":
        raise _wrong("kms_key", "is for encryption: aws:kms")
    return S3Settings(**values, keys=keys)


def _keys(section: Mapping[str, Any]) -> Keys | None:
    if not section.keys() & _PAIR:
        return None
    for key in ("access_key_id", "secret_access_key"):
        if key not in section:
            raise _wrong(key, "is missing beside the other of the pair")
    token = section.get("session_token")
    return Keys(
        _text("access_key_id", section["access_key_id"]),
        _secret("secret_access_key", section["secret_access_key"]),
        None if token is None else _secret("session_token", token),
    )


def _secret(key: str, value: object) -> Secret:
    """Where it is; what stands there instead is not repeated."""
    if not isinstance(value, Mapping) or len(value) != 1 or not value.keys() <= {"env", "file"}:
        raise _wrong(key, "does not stand here: say where it is, {env: NAME} or {file: PATH}")
    if "file" in value:
        return Secret(file=_path(f"{key}.file", value["file"]))
    if not isinstance(value["env"], str) or not _VARIABLE.fullmatch(value["env"]):
        raise _wrong(f"{key}.env", "is no name of a variable")
    return Secret(env=value["env"])


def _mapping(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(key, "has keys and values")
    return value


def _only(section: Mapping[str, Any], known: set[str], kind: str) -> None:
    for key in section:
        if key not in known:
            raise _wrong(f"{key!s:.40}", f"is no key of a store that is {kind} (there are {', '.join(sorted(known))})")


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _wrong(key, "is a text that is not empty")
    return value


def _path(key: str, value: object) -> str:
    path = _text(key, value)
    if not path.startswith("/"):
        raise _wrong(key, f"begins with a /: {path!r:.80}")
    return path


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str, object], str]:
    def check(key: str, value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _wrong(key, f"is {what}, not {value!r:.80}")
        return value

    return check


def _prefix(key: str, value: object) -> str:
    prefix = _text(key, value)
    whole = prefix if prefix.endswith("/") else f"{prefix}/"
    return _matching(_PREFIX, "names of letters and digits with / in between")(key, whole)


def _url(key: str, value: object) -> str:
    """An address of a server and no more. What may have a password in it is not repeated."""
    url = _text(key, value)
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        is_one = False
    if not is_one or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise _wrong(key, "is http:// or https://, a host, and a port if need be")
    return url.rstrip("/")


def _bool(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, f"is true or false, not {value!r:.40}")
    return value


def _whole(low: int, high: int) -> Callable[[str, object], int]:
    def check(key: str, value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(key, f"is a whole number from {low} to {high}, not {value!r:.40}")
        return value

    return check


def _encryption(key: str, value: object) -> str:
    if not isinstance(value, str) or value not in _ENCRYPTIONS:
        raise _wrong(key, f"is {' or '.join(_ENCRYPTIONS)}, not {value!r:.40}")
    return value


def _wrong(key: str, why: str) -> ConfigError:
    return ConfigError(f"{SECTION}.{key}: {why}" if key else f"{SECTION}: {why}")


_PAIR = {"access_key_id", "secret_access_key", "session_token"}
_CHECKS: Mapping[str, Callable[[str, object], Any]] = {
    "bucket": _matching(_BUCKET, "the name of a bucket"),
    "endpoint": _url,
    "public_endpoint": _url,
    "region": _matching(_REGION, "the name of a region"),
    "prefix": _prefix,
    "path_style": _bool,
    "profile": _text,
    "encryption": _encryption,
    "kms_key": _text,
    "ca_file": _path,
    "connect_timeout": _whole(1, 600),
    "read_timeout": _whole(1, 3600),
    "retries": _whole(0, 20),
}
