"""What an API server says when it refuses, as errors of ours. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sjs.errors import BadRequest, Conflict, Full, LinkLost, Refused, SjsError, Unreachable

AGAIN = (429, 500, 502, 503, 504)
"""Answers after which the same may be asked again."""

MAX_TEXT = 500
"""Letters of what a server says."""


class Rejected(Refused):
    """An answer with a status of its own, which some of who ask expect."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status


class Gone(Rejected):
    """What was to be watched on from is too long ago."""


class Absent(Rejected):
    """There is no such object."""


class Exists(Conflict):
    """An object of this name is there."""


class Changed(Conflict):
    """The object is another one than was read."""


class Malformed(Rejected, BadRequest):
    """What was said makes no sense to the server."""

    code = BadRequest.code


class OverQuota(Rejected, Full):
    """The namespace may not have more."""

    code = Full.code


class Unproven(Unreachable):
    """Nobody there believes that we are who we say."""

    code = Unreachable.code


class Cut(LinkLost):
    """What was being read has stopped coming."""

    code = LinkLost.code


class Busy(LinkLost):
    """It can not answer now. `after`: the seconds that it wants to be left alone."""

    code = LinkLost.code

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


def error_of(status: int, data: bytes, namespace: str, after: str = "") -> SjsError:
    """The error that an answer is. `after`: its Retry-After."""
    said = _status(data)
    text = said_text(said) or f"HTTP {status}"
    reason = str(said.get("reason", ""))
    if status in AGAIN:
        return Busy(f"the API server can not answer now: {text}", float(after) if after.isdecimal() else 0.0)
    if status == 401:
        return Unproven("the cluster does not take our credentials", "log in again, as for kubectl")
    if status == 403 and "exceeded quota" in text:
        return OverQuota(status, f"the quota of namespace {namespace} is used up: {text}")
    if status == 403 and "because it is being terminated" in text:
        return Rejected(status, f"namespace {namespace} is being deleted, and takes nothing new")
    if status == 403:
        return Rejected(status, f"not allowed: {text}", f"who manages namespace {namespace} can give you a role")
    if status == 404:
        return Absent(status, text)
    if status == 409:
        return Exists(text) if reason == "AlreadyExists" else Changed(text)
    if status == 410:
        return Gone(status, text)
    if status in (400, 413, 415, 422):
        return Malformed(status, f"the cluster refuses it: {text}")
    return Rejected(status, f"the cluster refuses it: {text}")


def said_text(status: Mapping[str, Any]) -> str:
    """What a Status says, in one line."""
    return " ".join(str(status.get("message") or status.get("reason") or "").split())[:MAX_TEXT]


def _status(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}
