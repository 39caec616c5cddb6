"""From the JSON of a request to an object: types are checked, unknown fields found, amounts written in one form."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from tests.kube import quantities, schema
from tests.kube.kinds import Resource
from tests.kube.status import Obj, bad_request

WORDS = {str: "string", int: "number", float: "number", bool: "bool", list: "array", dict: "object"}
PYTHON = {schema.S: str, schema.INT: int, schema.BOOL: bool}


def decoded(resource: Resource, body: Any) -> tuple[Obj, list[str]]:
    """The object and the paths of its unknown fields, which are left out of it."""
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type " + resource.kind + ")")
    for key, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        given = body.get(key)
        if given is not None and given != wanted:
            raise _wrong_kind(resource, body)
    type_ = schema.KINDS.get(resource.kind)
    unknown: list[str] = []
    try:
        obj = dict(body) if type_ is None else _value(type_, body, "", "", unknown)
    except (TypeError, quantities.NotAQuantity, binascii.Error) as error:
        where = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise bad_request(f"{where}: {error}") from error
    return {**obj, "metadata": obj.get("metadata") or {}}, unknown


def _wrong_kind(resource: Resource, body: Obj) -> Exception:
    given = f"{body.get('apiVersion', '')}, Kind={body.get('kind', '')}"
    group = f"{resource.group}/{resource.version}" if resource.group else f"/{resource.version}"
    return bad_request(
        f"the API version in the data ({body.get('apiVersion', '')}) does not match the expected API version "
        f"({resource.api_version})"
        if body.get("apiVersion") != resource.api_version
        else f"{given} cannot be handled as {group}, Kind={resource.kind}"
    )


def _value(type_: schema.Type, value: Any, path: str, owner: str, unknown: list[str]) -> Any:
    if type_ == schema.ANY or value is None:
        return value
    if isinstance(type_, str):
        return _scalar(type_, value, path, owner)
    if isinstance(type_, list):
        if not isinstance(value, list):
            raise _mismatch(value, path, owner, "[]" + _go(type_[0]))
        return [_value(type_[0], one, f"{path}[{place}]", owner, unknown) for place, one in enumerate(value)]
    if not isinstance(value, dict):
        raise _mismatch(value, path, owner, _go(type_))
    if "*" in type_:
        return {key: _value(type_["*"], one, f"{path}.{key}", owner, unknown) for key, one in value.items()}
    return _struct(type_, value, path, unknown)


def _struct(type_: Obj, value: Obj, path: str, unknown: list[str]) -> Obj:
    found = {}
    for key, one in value.items():
        where = f"{path}.{key}" if path else key
        if key not in type_ or not key:
            unknown.append(where)
        elif one is not None:
            found[key] = _value(type_[key], one, where, type_[""], unknown)
    return found


def _scalar(type_: str, value: Any, path: str, owner: str) -> Any:
    if type_ == "quantity":
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise quantities.NotAQuantity(quantities.WRONG)
        return quantities.canonical(value)
    if type_ == "bytes":
        if not isinstance(value, str):
            raise _mismatch(value, path, owner, "[]uint8")
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise TypeError("illegal base64 data at input byte 0") from error
        return value
    if type(value) is not PYTHON[type_]:
        raise _mismatch(value, path, owner, type_)
    return value


def _mismatch(value: Any, path: str, owner: str, wanted: str) -> TypeError:
    plain = "".join(part.split("[")[0] + "." for part in path.split(".")).rstrip(".")
    return TypeError(
        f"json: cannot unmarshal {WORDS[type(value)]} into Go struct field {owner}.{plain} of type {wanted}"
    )


def _go(type_: schema.Type) -> str:
    if isinstance(type_, dict):
        return "map[string]" + _go(type_["*"]) if "*" in type_ else "v1." + str(type_[""])
    return str(type_) if not isinstance(type_, list) else "[]" + _go(type_[0])
