"""Every error that sjs raises on purpose.

    SjsError
      UsageError        what was typed, or the config, is wrong: nothing was sent
        ConfigError     … with the file and line
      Refused           the manager understood and said no
        BadRequest        a field is missing, of the wrong type or out of range
        UnknownRequest    no such op: the manager is older than the client
        UnknownJob        no job with this id
        Conflict          this key was used before, for other content
        Stopping          the manager is about to stop, or has stopped, and has not taken this before
        Full              no slot is free now, and the job was for a free one only
        TooLarge          this machine could never hold the job, whatever else runs
        NoSnapshot        the files with which the job is to run are not there as a whole
        NoSpace           the disk is too full to take the job
      Unreachable       no answer: nothing is known about what was asked
        NotReached        no connection came about, and later one may
        Missing           the machine has no sjs, or none of this version
        NoManager         nobody owns the queue
          NoQueue           … and nobody ever has: there are no records
        Stopped           … because somebody stopped it on purpose
        LinkLost          the link broke before the answer came; asking again by key is safe
          Ended             … because the program at its other end did

Each class has a `code`, which is what travels over the wire, and a one-line message; `hint` says what to do.
"""

from __future__ import annotations

from typing import Any, Dict, Type


class SjsError(Exception):
    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(SjsError):
    code = "usage"


class ConfigError(UsageError):
    code = "config"


class Refused(SjsError):
    code = "refused"


class BadRequest(Refused):
    code = "bad_request"


class UnknownRequest(Refused):
    code = "unknown_request"


class UnknownJob(Refused):
    code = "unknown_job"


class Conflict(Refused):
    code = "conflict"


class Stopping(Refused):
    code = "stopping"


class Full(Refused):
    code = "full"


class TooLarge(Refused):
    code = "too_large"


class NoSnapshot(Refused):
    code = "no_snapshot"


class NoSpace(Refused):
    code = "no_space"


class Unreachable(SjsError):
    code = "unreachable"


class NotReached(Unreachable):
    code = "not_reached"


class Missing(Unreachable):
    code = "missing"


class NoManager(Unreachable):
    code = "no_manager"


class NoQueue(NoManager):
    code = "no_queue"


class Stopped(NoManager):
    code = "stopped"


class LinkLost(Unreachable):
    code = "link_lost"


class Ended(LinkLost):
    code = "ended"


def _tree(root: Type[SjsError]) -> Dict[str, Type[SjsError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


_BY_CODE = _tree(SjsError)


def to_wire(error: SjsError) -> Dict[str, str]:
    """The error as it travels."""
    body = {"code": error.code, "message": error.message}
    if error.hint:
        body["hint"] = error.hint
    return body


def from_wire(body: Dict[str, Any]) -> SjsError:
    """The error that the other side meant; a code from a newer version becomes its nearest: a refusal."""
    kind = _BY_CODE.get(str(body.get("code")), Refused)
    return kind(str(body.get("message", "refused without a reason")), str(body.get("hint", "")))
