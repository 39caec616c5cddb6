"""Artifacts in a bucket of S3, or of what speaks as S3 does.

An artifact that is small goes in one request; a larger one in parts, which become an object when the last one is there
and never if that does not come. `If-None-Match: *` keeps what is there. Some servers refuse it: it is left out; some
ignore it: so before, it is asked whether something is there, and of all who put under one key in this process it is the
turn of one at a time. A put whose process was killed leaves parts, which `tidy` ends.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sjs.errors import BadRequest, Refused, Unreachable, UsageError
from sjs.extras import how_to_get
from sjs.gateway.artifacts import media, s3_words, secrets
from sjs.gateway.artifacts.s3_reading import S3Reading, ranged
from sjs.gateway.artifacts.settings import Keys, S3Settings
from sjs.gateway.artifacts.store import (
    DAY,
    Measure,
    Reading,
    Stored,
    checked_key,
    checked_range,
    conflict,
    is_key_of,
    measured,
    no_artifact,
    past_the_end,
)
from sjs.gateway.artifacts.turns import Turns

PART = 8 << 20
"""Bytes that go in one request."""

MAX_PARTS = 10_000
MANY = 1_000
"""Keys in one request."""

MAX_SECONDS = 7 * 86_400
"""How long a link may live, which S3 says."""

CONNECTIONS = 32


class S3Store:
    """Making one asks the server nothing. `warn` hears of what goes wrong after something else has."""

    def __init__(self, settings: S3Settings, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise UsageError("artifacts in S3 need boto3", how_to_get("s3")) from None
        self.settings = settings
        self.errors: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
        self.warn = warn
        self._conditions = True
        self._turns = Turns()
        with self.told():
            session = boto3.Session(profile_name=settings.profile or None, **_pair(settings.keys, environ))
            self.client = _client(session, settings, settings.endpoint)
            self._public = self.client
            if settings.public_endpoint:
                self._public = _client(session, settings, settings.public_endpoint)

    def close(self) -> None:
        self.client.close()
        self._public.close()

    def check(self) -> None:
        with self.told():
            self.client.list_objects_v2(Bucket=self.settings.bucket, Prefix=self.settings.prefix, MaxKeys=1)

    @contextlib.contextmanager
    def told(self, key: str = "") -> Iterator[None]:
        """Say in a line what was refused, and of what."""
        try:
            yield
        except self.errors as error:
            raise s3_words.told(error, self.settings, key) from None

    def at(self, key: str) -> dict[str, str]:
        """What says to the library where that is."""
        return {"Bucket": self.settings.bucket, "Key": self.settings.prefix + checked_key(key)}

    # Keeping

    def put(self, key: str, pieces: Iterable[bytes], mime: str, limit: int) -> Stored:
        measure = Measure(limit)
        parts = _in_parts(measure.through(pieces), max(PART, -(-limit // MAX_PARTS)))
        how = {**self.at(key), "ContentType": mime, **_encryption(self.settings)}
        first, is_all = next(parts)
        is_new = self._is_put(key, how, first) if is_all else self._is_put_in_parts(key, how, first, parts)
        for _ in parts:
            pass  # of what is not sent, it is to be known what it is
        stored = measure.stored()
        if not is_new and not self._has(key, stored):
            raise conflict(key)
        return stored

    def _is_put(self, key: str, how: dict[str, str], data: bytearray) -> bool:
        """False, where something is there."""
        return self._is_made(key, self.client.put_object, **how, Body=data, ContentMD5=_md5(data))

    def _is_put_in_parts(
        self, key: str, how: dict[str, str], first: bytearray, rest: Iterator[tuple[bytearray, bool]]
    ) -> bool:
        if self._head(key) is not None:
            return False
        with self.told(key):
            upload = {**self.at(key), "UploadId": self.client.create_multipart_upload(**how)["UploadId"]}
        is_made = False
        try:
            sent = [self._sent(key, upload, 1, first)]
            for number, (part, _) in enumerate(rest, 2):
                sent.append(self._sent(key, upload, number, part))
            end = self.client.complete_multipart_upload
            is_made = self._is_made(key, end, **upload, MultipartUpload={"Parts": sent})
        finally:
            if not is_made:
                self._abort(key, upload)
        return is_made

    def _sent(self, key: str, upload: dict[str, str], number: int, data: bytearray) -> dict[str, Any]:
        with self.told(key):
            reply = self.client.upload_part(**upload, PartNumber=number, Body=data, ContentMD5=_md5(data))
        return {"PartNumber": number, "ETag": reply["ETag"]}

    def _is_made(self, key: str, request: Callable[..., Any], **how: Any) -> bool:
        """Ask for an object where there is none. False, where there is one."""
        with self._turns.of(self.at(key)["Key"]), self.told(key):
            return self._head(key) is None and self._is_done(request, how)

    def _is_done(self, request: Callable[..., Any], how: dict[str, Any]) -> bool:
        """False, where there is an object: or this was asked twice, because the first answer was lost."""
        try:
            request(**how, **({"IfNoneMatch": "*"} if self._conditions else {}))
        except self.errors as error:
            code = s3_words.code_of(error)
            if code in s3_words.NOT_OFFERED and self._conditions:
                self._conditions = False
                return self._is_done(request, how)
            if code in s3_words.CONDITION_FAILED or code == "NoSuchUpload":
                return False
            raise
        return True

    def _abort(self, key: str, upload: dict[str, str]) -> None:
        """End it. Why it is to end is worth more than why it cannot: that is only said."""
        try:
            self.client.abort_multipart_upload(**upload)
        except self.errors as error:
            if s3_words.code_of(error) != "NoSuchUpload":
                self.warn(f"parts are left over: {s3_words.told(error, self.settings, key)}")

    def _has(self, key: str, stored: Stored) -> bool:
        size = self._head(key)
        if size is None:
            raise Unreachable(f"what was sent as {key} is not there", "send it again")
        return size == stored.size and measured(self.open(key), size) == stored

    # Reading

    def open(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        checked_range(start, length)
        how = {**self.at(key), **ranged(start, length)}
        if length != 0:
            try:
                return S3Reading(self, key, how, start, length)
            except self.errors as error:
                code = s3_words.code_of(error)
                if code in s3_words.NOTHING_THERE:
                    raise no_artifact(key) from None
                if code not in s3_words.PAST_THE_END:
                    raise s3_words.told(error, self.settings, key) from None
        size = self.size(key)
        if start > size:
            raise past_the_end(key, start, size)
        return _Nothing()

    def size(self, key: str) -> int:
        size = self._head(key)
        if size is None:
            self.check()
            raise no_artifact(key)
        return size

    def _head(self, key: str) -> int | None:
        """The size of what is there; None, if nothing is."""
        with self.told(key):
            try:
                return int(self.client.head_object(**self.at(key))["ContentLength"])
            except self.errors as error:
                if s3_words.code_of(error) in s3_words.NOTHING_THERE:
                    return None
                if s3_words.code_of(error).isdigit():
                    self.check()  # the answer to this request has no words; that one's has
                raise

    def link(self, key: str, name: str, mime: str, seconds: int, disposition: str | None = None) -> str | None:
        if not 0 < seconds <= MAX_SECONDS:
            raise BadRequest(f"a link lives from 1 to {MAX_SECONDS} seconds, not {seconds}")
        how = {
            **self.at(key),
            "ResponseContentDisposition": media.disposition(name, mime) if disposition is None else disposition,
            "ResponseContentType": mime,
        }
        with self.told(key):
            return str(self._public.generate_presigned_url("get_object", Params=how, ExpiresIn=seconds))

    # Removing

    def delete(self, keys: Iterable[str]) -> None:
        whole = (self.at(key)["Key"] for key in keys)
        while some := list(islice(whole, MANY)):
            self._delete(some)

    def delete_below(self, prefix: str) -> int:
        count = 0
        where = {"Bucket": self.settings.bucket, "Prefix": self.at(prefix)["Key"] + "/"}
        with self.told(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(**where):
                keys = [one["Key"] for one in page.get("Contents", ())]
                if keys:
                    self._delete(keys)
                    count += len(keys)
        return count

    def _delete(self, keys: list[str]) -> None:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with self.told():
            reply = self.client.delete_objects(Bucket=self.settings.bucket, Delete=wanted)
        for error in reply.get("Errors", ()):
            key = str(error.get("Key", "")).removeprefix(self.settings.prefix)
            raise s3_words.told(_Said({"Error": error}), self.settings, key)

    def tidy(self, now: float) -> int:
        """End uploads that were begun more than a DAY ago by a gateway, as their keys show: a bucket may be others'."""
        count = 0
        with self.told():
            try:
                for upload in self._uploads():
                    key = upload["Key"].removeprefix(self.settings.prefix)
                    if is_key_of(key) and upload["Initiated"].timestamp() < now - DAY:
                        self._abort(key, {**self.at(key), "UploadId": upload["UploadId"]})
                        count += 1
            except self.errors as error:
                if s3_words.code_of(error) not in s3_words.NOT_OFFERED:
                    raise
                raise _cannot_tidy(self.settings) from None
        return count

    def _uploads(self) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.settings.bucket, Prefix=self.settings.prefix
        )
        return [upload for page in pages for upload in page.get("Uploads", ())]


class _Nothing:
    def __iter__(self) -> _Nothing:
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> None:
        return


class _Said(Exception):
    """What a server says of one key among many, in the form of what it says of one alone."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response


def _client(session: Any, settings: S3Settings, endpoint: str) -> Any:
    from botocore.config import Config

    client = session.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=settings.region or session.region_name or "us-east-1",
        verify=settings.ca_file or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": _style(settings, endpoint)},
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            retries={"total_max_attempts": settings.retries + 1, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            # Checksums of the new kind are not known to many servers; an MD5 is to all.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    client.meta.events.register("before-call.s3.DeleteObjects", _with_md5)
    return client


def _style(settings: S3Settings, endpoint: str) -> str:
    """Whether the bucket stands in the path or in the host's name. Left to choose, the library makes links to Amazon
    that name no region, and where one is needed they are not good."""
    if settings.path_style or (not endpoint and "." in settings.bucket):
        return "path"
    return "auto" if endpoint else "virtual"


def _with_md5(params: dict[str, Any], **_: Any) -> None:
    params["headers"]["Content-MD5"] = _md5(params["body"])


def _pair(keys: Keys | None, environ: Mapping[str, str]) -> dict[str, str]:
    if keys is None:
        return {}
    found = {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": secrets.read("artifacts.secret_access_key", keys.secret_access_key, environ),
    }
    if keys.session_token is not None:
        found["aws_session_token"] = secrets.read("artifacts.session_token", keys.session_token, environ)
    return found


def _encryption(settings: S3Settings) -> dict[str, str]:
    found = {"ServerSideEncryption": settings.encryption, "SSEKMSKeyId": settings.kms_key}
    return {key: value for key, value in found.items() if value}


def _in_parts(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytearray, bool]]:
    """The same cut otherwise: all of that size but the last, which is said to be."""
    part = bytearray()
    for piece in pieces:
        left = memoryview(piece)
        while left:
            if len(part) == size:
                yield part, False
                part = bytearray()
            room = size - len(part)
            part += left[:room]
            left = left[room:]
    yield part, True


def _md5(data: bytes | bytearray) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _cannot_tidy(settings: S3Settings) -> Refused:
    return Refused(
        f"s3://{settings.bucket}: this server does not say which uploads have not ended",
        "have it end them itself after a day, if it can",
    )
