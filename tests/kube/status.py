"""What a Kubernetes API server answers when it refuses: a Status object, and the code it is sent with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.kube.kinds import Resource

Obj = dict[str, Any]


class Refused(Exception):
    """A request that is answered by a Status of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Obj | None = None,
        headers: dict[str, str] | None = None,
        meta: Obj | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.headers, self.meta = details, headers or {}, meta or {}

    def body(self) -> Obj:
        body: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": self.meta, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong with a field."""

    reason: str
    field: str
    message: str

    def text(self) -> str:
        return f"{self.field}: {self.message}"


def invalid_value(field: str, value: Any, detail: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else _json(value)
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: {detail}")


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", field, "Required value" + (f": {detail}" if detail else ""))


def unsupported(field: str, value: str, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{word}"' for word in sorted(known))
    return Cause("FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {listed}')


def duplicate(field: str, value: str) -> Cause:
    return Cause("FieldValueDuplicate", field, f'Duplicate value: "{value}"')


def not_there(field: str, value: str) -> Cause:
    return Cause("FieldValueNotFound", field, f'Not found: "{value}"')


def too_long(field: str, most: int) -> Cause:
    return Cause("FieldValueTooLong", field, f"Too long: may not be more than {most} bytes")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def details(resource: Resource, name: str = "") -> Obj:
    found = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in found.items() if value}


def not_found(resource: Resource, name: str) -> Refused:
    return Refused(404, "NotFound", f'{resource.qualified} "{name}" not found', details(resource, name))


def already_exists(resource: Resource, name: str, going: bool = False) -> Refused:
    told = f'{"object is being deleted: " if going else ""}{resource.qualified} "{name}" already exists'
    return Refused(409, "AlreadyExists", told, details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> Refused:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refused(409, "Conflict", message, details(resource, name))


def modified(resource: Resource, name: str) -> Refused:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def invalid(resource: Resource, name: str, causes: list[Cause]) -> Refused:
    texts = list(dict.fromkeys(cause.text() for cause in causes))
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    about = {**details(resource, name), "kind": resource.kind, "causes": listed}
    return Refused(422, "Invalid", f'{kind} "{name}" is invalid: {told}', about)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    about = f'{resource.qualified} "{name}"' if name else resource.qualified
    return Refused(403, "Forbidden", f"{about} is forbidden: {why}", details(resource, name))


def expired(message: str, meta: Obj | None = None) -> Refused:
    return Refused(410, "Expired", message, meta=meta)


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def too_large_version(asked: int, current: int) -> Refused:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    about = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Too large resource version: {asked}, current: {current}"
    return Refused(504, "Timeout", message, about, {"Retry-After": "1"})


def success(resource: Resource, name: str, uid: str) -> Obj:
    about = {**details(resource, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about}
