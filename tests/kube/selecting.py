"""Which objects a labelSelector or a fieldSelector means."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.kube.kinds import EVENTS, JOBS, NAMESPACES, PODS, SECRETS, Resource
from tests.kube.status import Obj, bad_request

Chosen = Callable[[Obj], bool]

FIELDS: dict[str, tuple[str, ...]] = {
    PODS.plural: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    EVENTS.plural: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    JOBS.plural: ("status.successful",),
    NAMESPACES.plural: ("status.phase",),
    SECRETS.plural: ("type",),
}


def by_labels(text: str) -> Chosen:
    """`a=b,c!=d,e in (f,g),h,!i` as a question to one object."""
    asked = [_requirement(part.strip()) for part in _split(text)]
    return lambda obj: all(one(obj["metadata"].get("labels") or {}) for one in asked)


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    key = r"([A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)"
    if match := re.fullmatch(key + r"\s+(in|notin)\s+\(([^)]*)\)", part):
        name, values = match[1], {value.strip() for value in match[3].split(",")}
        if match[2] == "in":
            return lambda labels: name in labels and labels[name] in values
        return lambda labels: labels.get(name) not in values
    if match := re.fullmatch(key + r"\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)", part):
        name, value = match[1], match[3]
        if match[2] == "!=":
            return lambda labels: labels.get(name) != value
        return lambda labels: labels.get(name) == value
    if match := re.fullmatch(r"(!?)\s*" + key, part):
        name, absent = match[2], bool(match[1])
        return lambda labels: (name in labels) is not absent
    raise bad_request(f"unable to parse requirement: found '{part}', expected: identifier")


def by_fields(resource: Resource, text: str) -> Chosen:
    """`metadata.name=x,status.phase!=Failed` as a question to one object."""
    asked = [_field(resource, part, text) for part in text.split(",") if part]
    return lambda obj: all(one(obj) for one in asked)


def _field(resource: Resource, part: str, text: str) -> Chosen:
    match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
    if not match:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    name, wanted, value = match[1], match[2] != "!=", match[3]
    if name not in ("metadata.name", "metadata.namespace", *FIELDS.get(resource.plural, ())):
        where = f"{resource.api_version if resource.group else '/' + resource.version}, Resource={resource.plural}"
        found = f'Unable to find "{where}" that match label selector "", field selector "{text}"'
        raise bad_request(f"{found}: {_unknown(resource, name)}")
    return lambda obj: (_text(obj, name) == value) is wanted


def _unknown(resource: Resource, name: str) -> str:
    if resource == JOBS:
        return f'field label "{name}" not supported for batchv1.Job'
    if resource.plural in FIELDS:
        return f"field label not supported: {name}"
    return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _text(obj: Obj, path: str) -> str:
    if path == "status.successful":
        return str((obj.get("status") or {}).get("succeeded", 0))
    value: Any = obj
    for key in path.split("."):
        value = (value or {}).get(key)
    return value.get("component", "") if isinstance(value, dict) else str("" if value is None else value)
