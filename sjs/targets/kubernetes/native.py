"""What a job says to Kubernetes alone: `native.kubernetes` of its spec.

image              of its container, before the entry's prefix
entrypoint         true: its words are what runs, instead of arguments of the image's entry point
job_name           of the Job in the cluster
flavor, resources  the name of a set of resources; and, where it is none of the entry's list, what is in it
annotations, labels, volumes, security_context, priority_class
ttl                seconds after its end, after which the cluster may remove it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sjs.core.job import Spec
from sjs.errors import BadRequest
from sjs.targets.kubernetes import names
from sjs.targets.kubernetes.flavors import Resources, resources_of
from sjs.targets.kubernetes.volumes import parse
from sjs.values import dataclass, fields

KIND = "kubernetes"

OPTIONS = {
    "flavor": "--resources-flavor",
    "resources": "--resources-flavor",
    "labels": "--label",
    "volumes": "--volume",
}
"""How that is typed which is typed otherwise."""

Pairs = tuple[tuple[str, str], ...]

MAX_TTL = 2**31 - 1


@dataclass(frozen=True)
class Native:
    """What is said. `security_context` is JSON text, as nobody here needs to know what may be in it."""

    image: str = ""
    entrypoint: bool = False
    job_name: str = ""
    flavor: str = ""
    resources: Resources | None = None
    annotations: Pairs = ()
    labels: Pairs = ()
    volumes: tuple[str, ...] = ()
    security_context: str = ""
    priority_class: str = ""
    ttl: int | None = None


USUAL = Native()


def of(spec: Spec) -> Native:
    """What a spec says to us."""
    said = dict(spec.native).get(KIND)
    return USUAL if said is None else from_json(json.loads(said))


def from_json(body: Any) -> Native:
    """A checked one."""
    if not isinstance(body, dict):
        raise BadRequest("'native.kubernetes' must be an object")
    for key in body:
        if key not in _CHECKS:
            raise BadRequest(f"'native.kubernetes' knows {', '.join(_CHECKS)}, not {key!r:.40}")
    return Native(**{key: _CHECKS[key](key, value) for key, value in body.items()})


def to_json(native: Native) -> dict[str, Any]:
    """The same as JSON, but for what is not said."""
    said = {name: getattr(native, name) for name in fields(native)}
    body = {name: value for name, value in said.items() if value != getattr(USUAL, name)}
    for name in ("annotations", "labels"):
        if name in body:
            body[name] = dict(body[name])
    if "volumes" in body:
        body["volumes"] = list(body["volumes"])
    if "security_context" in body:
        body["security_context"] = json.loads(body["security_context"])
    if native.resources is not None:
        body["resources"] = native.resources.to_json()
    return body


def text(key: str, value: Any) -> str:
    """A word of one line."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise BadRequest(f"'{key}' must be one line of text that is not empty")
    return value


def name(key: str, value: Any) -> str:
    """What a Job can be called."""
    if not isinstance(value, str) or not names.is_name(value):
        raise BadRequest(
            f"'{key}' can not be {value!r:.80}",
            f"small letters, digits and '-', at most {names.NAME_MAX}, a letter or digit first and last",
        )
    return value


def annotation_pairs(key: str, value: Any) -> Pairs:
    """Texts by the names of annotations."""
    return tuple((_qualified(key, name), _value(key, name, said)) for name, said in _object(key, value).items())


def label_pairs(key: str, value: Any) -> Pairs:
    """Values of labels by their names."""
    pairs = annotation_pairs(key, value)
    for name, said in pairs:
        if not names.is_label_value(said):
            raise BadRequest(
                f"'{key}.{name}' can not be {said!r:.80}", "a label has at most 63 letters, digits and '.', '_', '-'"
            )
    return pairs


def volume_texts(key: str, value: Any) -> tuple[str, ...]:
    """Volumes as they are typed."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadRequest(f"'{key}' must be a list of texts")
    for one in value:
        parse(one)
    return tuple(value)


def context_text(key: str, value: Any) -> str:
    """JSON of an object of which we know no more."""
    return json.dumps(_object(key, value), sort_keys=True)


def seconds(key: str, value: Any) -> int:
    """Seconds."""
    if type(value) is not int or not 0 <= value <= MAX_TTL:
        raise BadRequest(f"'{key}' must be a whole number of seconds, not {value!r:.40}")
    return value


def _flag(key: str, value: Any) -> bool:
    if type(value) is not bool:
        raise BadRequest(f"'{key}' must be true or false")
    return value


def _object(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise BadRequest(f"'{key}' must be an object")
    return value


def _qualified(key: str, name: str) -> str:
    if not names.is_qualified(name):
        raise BadRequest(f"'{key}' holds {name!r:.80}, which is no name", "write it as name or example.org/name")
    if name.split("/")[0] == names.OURS:
        raise BadRequest(f"'{key}' holds {name!r:.80}: what begins with {names.OURS}/ is ours")
    return name


def _value(key: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"'{key}.{name}' must be text", "put it in quotes")
    return value


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "image": text,
    "entrypoint": _flag,
    "job_name": name,
    "flavor": text,
    "resources": resources_of,
    "annotations": annotation_pairs,
    "labels": label_pairs,
    "volumes": volume_texts,
    "security_context": context_text,
    "priority_class": text,
    "ttl": seconds,
}
