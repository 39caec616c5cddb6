"""From options of a job, as they are typed or as Python code gives them, to what is said to Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sjs.core.quantities import duration
from sjs.errors import UsageError
from sjs.targets.kubernetes import flavors, native

_PLAIN = ("image", "entrypoint", "job_name", "priority_class")


def read(base: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The base with what was given. Single values replace, lists are added to."""
    said = {**base, **{name: given[name] for name in _PLAIN if name in given}}
    if "resources_flavor" in given:
        said = {name: value for name, value in said.items() if name not in ("flavor", "resources")}
        said |= _flavor(given["resources_flavor"])
    if "annotations" in given:
        said["annotations"] = {**base.get("annotations", {}), **_object("--annotations", given["annotations"])}
    if "labels" in given:
        said["labels"] = {**base.get("labels", {}), **dict(given["labels"])}
    if "volumes" in given:
        said["volumes"] = [*base.get("volumes", ()), *given["volumes"]]
    if "security_context" in given:
        said["security_context"] = _object("--security-context", given["security_context"])
    if "ttl" in given:
        said["ttl"] = int(duration(given["ttl"]) if isinstance(given["ttl"], str) else given["ttl"])
    return native.to_json(native.from_json(said))


def _flavor(given: str | Mapping[str, Any]) -> Mapping[str, Any]:
    found = flavors.said(given) if isinstance(given, str) else flavors.flavor_of("resources_flavor", given)
    if isinstance(found, str):
        return {"flavor": found}
    return {"flavor": found.name, "resources": found.resources.to_json()}


def _object(option: str, given: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """An object, or the JSON of one."""
    if not isinstance(given, str):
        return given
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option}: is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f'{option}: must be an object, as {{"name": "value"}}')
    return found
