"""What a PATCH makes of an object."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube.status import Obj, Refused, bad_request

LISTS_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "conditions": "type",
    "imagePullSecrets": "name",
}
"""Lists that a strategic merge merges by a key of their items; of plain words, finalizers alone are merged."""


def patched(obj: Obj, patch: Any, content_type: str) -> Obj:
    kind = content_type.split(";")[0].strip()
    if kind == "application/merge-patch+json":
        return dict(_merge(obj, patch))
    if kind == "application/strategic-merge-patch+json":
        return dict(_strategic(obj, patch, ""))
    if kind == "application/json-patch+json":
        return dict(_operations(obj, patch))
    known = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    raise Refused(415, "UnsupportedMediaType", message)


def _merge(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for key, one in patch.items():
        if one is None:
            found.pop(key, None)
        else:
            found[key] = _merge(found.get(key), one)
    return found


def _strategic(value: Any, patch: Any, name: str) -> Any:
    if isinstance(patch, list) and isinstance(value, list):
        return _lists(value, patch, name)
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for key, one in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.split("/", 1)[1]
            found[field] = [word for word in found.get(field, []) if word not in one]
        elif key.startswith("$"):
            continue
        elif one is None:
            found.pop(key, None)
        else:
            found[key] = _strategic(found.get(key), one, key)
    return found


def _lists(value: list[Any], patch: list[Any], name: str) -> list[Any]:
    if name == "finalizers":
        return [*value, *(word for word in patch if word not in value)]
    by = LISTS_BY.get(name)
    if by is None:
        return patch
    found = {one.get(by): one for one in value}
    for one in patch:
        if one.get("$patch") == "delete":
            found.pop(one.get(by), None)
        else:
            found[one.get(by)] = _strategic(found.get(one.get(by)), one, "")
    return list(found.values())


def _operations(obj: Obj, patch: Any) -> Any:
    whole: Any = copy.deepcopy(obj)
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for one in patch:
        try:
            whole = _operate(whole, one)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = f"the server rejected our request due to an error in our request: {one.get('op')} operation"
            raise Refused(422, "Invalid", f"{message} does not apply: {error}", {}) from error
    return whole


def _words(path: str) -> list[str]:
    return [word.replace("~1", "/").replace("~0", "~") for word in path.split("/")[1:]]


def _operate(whole: Any, one: Obj) -> Any:
    *way, last = _words(one["path"])
    parent = _at(whole, way)
    if one["op"] in ("move", "copy"):
        source = _words(one["from"])
        value = copy.deepcopy(_at(whole, source))
        if one["op"] == "move":
            _remove(_at(whole, source[:-1]), source[-1])
        _add(parent, last, value)
    elif one["op"] == "test":
        if _at(parent, [last]) != one.get("value"):
            raise ValueError(f"testing value {one['path']} failed: test failed")
    elif one["op"] == "add":
        _add(parent, last, one["value"])
    elif one["op"] == "remove":
        _remove(parent, last)
    elif one["op"] == "replace":
        _remove(parent, last)
        _add(parent, last, one["value"])
    else:
        raise ValueError(f"unexpected kind: {one['op']}")
    return whole


def _at(value: Any, way: list[str]) -> Any:
    for word in way:
        value = value[int(word)] if isinstance(value, list) else value[word]
    return value


def _add(parent: Any, last: str, value: Any) -> None:
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value


def _remove(parent: Any, last: str) -> None:
    del parent[int(last) if isinstance(parent, list) else last]
