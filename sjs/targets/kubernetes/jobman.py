"""The settings of jobman, as far as they mean something here.

By itself jobman takes those of its template, and over them `~/.jobman/settings.json`, with lists one after the other; a
file that is named counts alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sjs.errors import ConfigError

TEMPLATE: Mapping[str, Any] = {"jobsQueue": {"namespace": "default", "configmap": "jobman-queue-position"}}
"""What of its template is no mere example."""

MAX_BYTES = 4 << 20


def load(source: str | bool, environ: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """The settings, and the file they are from. `source`: a path, or true for what jobman takes by itself."""
    if isinstance(source, str):
        return _file(source), source
    home = environ.get("HOME") or os.path.expanduser("~")
    path = os.path.join(home, ".jobman", "settings.json")
    return merged(TEMPLATE, _file(path) if os.path.exists(path) else {}), path


def _file(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as source:
            found = json.loads(source.read(MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: must be an object")
    return found


def merged(base: Any, over: Any) -> Any:
    """The second over the first: objects key by key, lists one after the other."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        both = {key: merged(base[key], over[key]) for key in base if key in over}
        return {**base, **over, **both}
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    return over


def mapped(settings: Mapping[str, Any], path: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What they say, as keys of an entry."""
    found = _Reader(settings, path)
    said: dict[str, Any] = {
        "image": found.text("job.defaultImage"),
        "image_prefix": found.text("job.imagePrefix"),
        "priority_class": found.text("job.priorityClassName"),
        "user_configmap": found.text("job.userConfigmap"),
        "flavor_label": found.text("job.resources.label"),
        "default_flavor": found.at("job.resources.default"),
        "flavors": found.at("job.resources.predefined"),
        "security_context": _without_nothing(found.object("job.securityContext")),
        "annotations": _annotations(found, environ),
        "gpu_resources": found.at("jobsQueue.gpuResources"),
        **_connection(found),
    }
    harbor = {key: found.text(f"harbor.{key}") for key in ("url", "project")}
    queue = {"namespace": found.text("jobsQueue.namespace"), "name": found.text("jobsQueue.configmap")}
    said["harbor"] = harbor if all(harbor.values()) else None
    said["queue_configmap"] = queue if all(queue.values()) else None
    return {key: value for key, value in said.items() if value}


class _Reader:
    def __init__(self, settings: Mapping[str, Any], path: str) -> None:
        self._settings, self._path = settings, path

    def at(self, place: str) -> Any:
        """What stands there; None if nothing does."""
        found: Any = self._settings
        for word in place.split("."):
            found = found.get(word) if isinstance(found, Mapping) else None
        return found

    def text(self, place: str) -> str:
        found = self.at(place)
        if found is not None and not isinstance(found, str):
            raise self.error(place, "must be text")
        return found or ""

    def object(self, place: str) -> Mapping[str, Any]:
        found = self.at(place)
        if found is not None and not isinstance(found, dict):
            raise self.error(place, "must be an object")
        return found or {}

    def error(self, place: str, message: str) -> ConfigError:
        return ConfigError(f"{self._path}: {place}: {message}")


def _without_nothing(context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if value is not None and value != []}


def _annotations(found: _Reader, environ: Mapping[str, str]) -> dict[str, str]:
    """Those that are said, and those that are the values of variables here."""
    place = "job.annotations"
    listed = found.at(place) or []
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and one.keys() >= {"key", "value"} for one in listed
    ):
        raise found.error(place, "must be a list of objects with 'key', 'value' and 'valueType'")
    said = {}
    for one in listed:
        value = one["value"]
        if one.get("valueType", "string") == "env":
            if value not in environ:
                raise found.error(place, f"{one['key']} is what the variable {value} says, which is not set")
            value = environ[value]
        said[one["key"]] = value
    return said


def _connection(found: _Reader) -> dict[str, Any]:
    place = "kubeConfig.type"
    kind = found.text(place) or "default"
    if kind == "file":
        return {"kubeconfig": os.path.expanduser(found.text("kubeConfig.file"))}
    if kind not in ("default", "cluster"):
        raise found.error(place, f"must be default, cluster or file, not {kind}")
    return {"in_cluster": kind == "cluster"}
