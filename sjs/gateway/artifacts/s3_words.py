"""What servers of S3, and the library that asks them, say when they refuse, as errors of ours: one line each."""

from __future__ import annotations

from typing import Any

from sjs.errors import NoSpace, NotReached, Refused, SjsError, Unreachable
from sjs.gateway.artifacts.settings import S3Settings

MAX_WORDS = 200

CONDITION_FAILED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
NOTHING_THERE = {"NoSuchKey", "NotFound", "404"}
PAST_THE_END = {"InvalidRange", "416"}
NOT_OFFERED = {"NotImplemented", "501"}

_DENIED = "they need s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListBucket"
_KEYS = "see access_key_id, secret_access_key and profile in the settings, or AWS_PROFILE and the like"
_REGION = "say the bucket's in `region`"
_REFUSALS = {
    "NoSuchBucket": ("there is no such bucket", "make it, or name another in `bucket`"),
    "InvalidBucketName": ("no bucket can be called so", "see `bucket` in the settings"),
    "AccessDenied": ("these credentials do not allow it", _DENIED),
    "AllAccessDisabled": ("these credentials do not allow it", _DENIED),
    "403": ("these credentials do not allow it", _DENIED),
    "InvalidAccessKeyId": ("the access key is not known there", _KEYS),
    "SignatureDoesNotMatch": ("the secret key is not the access key's", _KEYS),
    "ExpiredToken": ("the credentials have expired", _KEYS),
    "InvalidToken": ("the session token is not known there", _KEYS),
    "RequestTimeTooSkewed": ("this machine's clock and the server's are too far apart", "set the clock (NTP)"),
    "PermanentRedirect": ("the bucket is in another region", _REGION),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", _REGION),
    "IllegalLocationConstraintException": ("the bucket is in another region", _REGION),
    "301": ("the bucket is in another region", _REGION),
    "EntityTooLarge": ("too large for this server", ""),
}
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "500", "502", "503", "504"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}


def code_of(error: BaseException) -> str:
    """The word by which a server has refused; nothing, where it was not a server that did."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def told(error: Exception, settings: S3Settings, key: str = "") -> SjsError:
    """The error that says so, and of what."""
    where = f"s3://{settings.bucket}/{settings.prefix}{key}"
    if code_of(error):
        return _refusal(error, where)
    return _own_trouble(error, where, settings)


def _refusal(error: Exception, where: str) -> SjsError:
    code = code_of(error)
    if code in _REFUSALS:
        why, hint = _REFUSALS[code]
        return Refused(f"{where}: {why}", hint)
    if code in _FULL:
        return NoSpace(f"{where}: {_line(error)}", "make room")
    if code in _BUSY:
        return Unreachable(f"{where}: the server is too busy, or not well: {_line(error)}", "later it may work")
    return Refused(f"{where}: {_line(error)}")


def _own_trouble(error: Exception, where: str, settings: S3Settings) -> SjsError:
    """What the library could not do, by the names of its errors, of which there are some hundred."""
    from botocore import exceptions as known

    server = settings.endpoint or "Amazon S3"
    if isinstance(error, known.NoCredentialsError):
        return Refused(f"{where}: no credentials were found", _KEYS)
    if isinstance(error, known.PartialCredentialsError):
        return Refused(f"{where}: only a part of the credentials was found: {_line(error)}", _KEYS)
    if isinstance(error, known.ProfileNotFound):
        return Refused(f"{where}: {_line(error)}", _KEYS)
    if isinstance(error, (known.CredentialRetrievalError, known.TokenRetrievalError, known.SSOError)):
        return Refused(f"{where}: the credentials could not be had: {_line(error)}", _KEYS)
    if isinstance(error, known.SSLError):
        return NotReached(f"{where}: {server} is not believed: {_line(error)}", "see `ca_file` in the settings")
    if isinstance(error, (known.EndpointConnectionError, known.ConnectTimeoutError, known.ProxyConnectionError)):
        return NotReached(f"{where}: {server} is not reached", "see `endpoint` in the settings, and whether it runs")
    if isinstance(error, (known.HTTPClientError, known.IncompleteReadError, known.ReadTimeoutError)):
        return Unreachable(f"{where}: the answer broke off: {_line(error)}", "later it may work")
    return Refused(f"{where}: {_line(error)}")


def _line(error: Exception) -> str:
    """What it says, in one line, of which a server does not choose the length."""
    code = code_of(error)
    response: dict[str, Any] = getattr(error, "response", None) or {}
    words = f"{code}: {response['Error'].get('Message', '')}" if code else str(error)
    return "".join(letter if letter.isprintable() else " " for letter in words).strip(" :")[:MAX_WORDS]
