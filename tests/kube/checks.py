"""What the API server finds wrong with an object, in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.kube import quantities
from tests.kube.kinds import CONFIGMAPS, JOBS, PODS, SECRETS, Resource
from tests.kube.status import Cause, Obj, duplicate, invalid_value, not_there, required, too_long, unsupported

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
ENV_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"
POLICIES = ("Never", "OnFailure", "Always")
STANDARD = ("cpu", "memory", "ephemeral-storage")
MANY, FEWER = 100_000, 10_000
"""Limits of an Indexed Job: of its parallelism, and of that and of its failures where it has more completions."""
ANNOTATIONS_BYTES, MAP_BYTES = 256 * 1024, 1024 * 1024


def checked(resource: Resource, obj: Obj) -> list[Cause]:
    """All that is wrong with a new object."""
    causes = list(_meta(obj["metadata"], "metadata", generated=False))
    if resource == JOBS:
        causes += _job(obj)
    elif resource == PODS:
        causes += _pod_spec(obj.get("spec") or {}, "spec")
    elif resource in (CONFIGMAPS, SECRETS):
        causes += _map(obj)
    return causes


def label_faults(text: str) -> list[str]:
    return _faults(text, r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", LABEL, 63)


def _faults(text: str, pattern: str, words: str, most: int) -> list[str]:
    long = [f"must be no more than {most} bytes"] if len(text) > most else []
    return long + ([] if re.fullmatch(pattern, text) else [words])


def _meta(meta: Obj, path: str, generated: bool) -> Iterator[Cause]:
    name = meta.get("name", "")
    if not name and not generated:
        yield required(f"{path}.name", "name or generateName is required")
    elif name:
        part = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
        for fault in _faults(name, rf"{part}(\.{part})*", SUBDOMAIN, 253):
            yield invalid_value(f"{path}.name", name, fault)
    yield from _annotations(meta.get("annotations") or {}, f"{path}.annotations")
    yield from _labels(meta.get("labels") or {}, f"{path}.labels")


def _annotations(given: dict[str, str], path: str) -> Iterator[Cause]:
    for key in given:
        yield from _key(key.lower(), path, key)
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > ANNOTATIONS_BYTES:
        yield too_long(path, ANNOTATIONS_BYTES)


def _labels(given: dict[str, str], path: str) -> Iterator[Cause]:
    for key, value in given.items():
        yield from _key(key, path, key)
        for fault in _faults(value, r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", VALUE, 63):
            yield invalid_value(path, value, fault)


def _key(key: str, path: str, shown: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    part = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    if slash and not re.fullmatch(rf"{part}(\.{part})*", prefix):
        yield invalid_value(path, shown, f"prefix part {SUBDOMAIN}" if prefix else "prefix part must be non-empty")
    if not name:
        yield invalid_value(path, shown, "name part must be non-empty")
    if len(name) > 63:
        yield invalid_value(path, shown, "name part must be no more than 63 bytes")
    if not re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", name):
        yield invalid_value(path, shown, QUALIFIED)


def _map(obj: Obj) -> Iterator[Cause]:
    size = 0
    for group in ("data", "binaryData"):
        for key, value in (obj.get(group) or {}).items():
            size += len(value.encode()) * 3 // 4 if group == "binaryData" else len(value.encode())
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
                yield invalid_value(f"{group}[{key}]", key, KEY)
            if group == "binaryData" and key in (obj.get("data") or {}):
                yield invalid_value(f"data[{key}]", key, "duplicate of key present in data")
    if size > MAP_BYTES:
        yield Cause("FieldValueTooLong", "[]", f"Too long: may not be more than {MAP_BYTES} bytes")


def _job(obj: Obj) -> Iterator[Cause]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    indexed = spec["completionMode"] == "Indexed"
    if indexed and spec.get("completions", 0) > 0:
        last = f"{name}-{spec['completions'] - 1}"
        if label_faults(last):
            told = f"will not able to create pod with invalid DNS label: {last}"
            yield invalid_value("metadata.name", name, told)
    for key in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit"):
        yield from _not_negative(spec, key)
    for key in ("ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"):
        yield from _not_negative(spec, key)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec["completionMode"] not in ("NonIndexed", "Indexed"):
        yield unsupported("spec.completionMode", spec["completionMode"], ("NonIndexed", "Indexed"))
    yield from _indexed(spec) if indexed else _not_indexed(spec)
    yield from _template(spec)


def _not_negative(spec: Obj, key: str) -> Iterator[Cause]:
    if spec.get(key, 0) < 0:
        yield invalid_value(f"spec.{key}", spec[key], "must be greater than or equal to 0")


def _indexed(spec: Obj) -> Iterator[Cause]:
    completions, most = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is None:
        yield required("spec.completions", "when completion mode is Indexed")
    yield from _at_most(spec, "parallelism", MANY, f"{MANY} when completion mode is Indexed")
    if completions is not None and most is not None and most > completions:
        yield invalid_value("spec.maxFailedIndexes", most, "must be less than or equal to completions")
    yield from _at_most(spec, "maxFailedIndexes", MANY, str(MANY))
    if (completions or 0) > MANY and "backoffLimitPerIndex" in spec:
        if most is None:
            yield required("spec.maxFailedIndexes", f"must be specified when completions is above {MANY}")
        told = f"{FEWER} when completions are above {MANY} and used with backoff limit per index"
        yield from _at_most(spec, "parallelism", FEWER, told)
        yield from _at_most(spec, "maxFailedIndexes", FEWER, told)


def _at_most(spec: Obj, key: str, most: int, told: str) -> Iterator[Cause]:
    if spec.get(key, 0) > most:
        yield invalid_value(f"spec.{key}", spec[key], f"must be less than or equal to {told}")


def _not_indexed(spec: Obj) -> Iterator[Cause]:
    for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if key in spec:
            yield invalid_value(f"spec.{key}", spec[key], "requires indexed completion mode")


def _template(spec: Obj) -> Iterator[Cause]:
    template = spec["template"]
    yield from _labels(template["metadata"].get("labels") or {}, "spec.template.labels")
    yield from _annotations(template["metadata"].get("annotations") or {}, "spec.template.annotations")
    if template["spec"]["restartPolicy"] == "Always":
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif template["spec"]["restartPolicy"] not in POLICIES:
        yield unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("OnFailure", "Never"))
    yield from _pod_spec(template["spec"], "spec.template.spec")


def _pod_spec(spec: Obj, path: str) -> Iterator[Cause]:
    volumes = [one.get("name", "") for one in spec.get("volumes", ())]
    for place, one in enumerate(spec.get("volumes", ())):
        yield from _volume(one, f"{path}.volumes[{place}]", volumes.index(one.get("name", "")) != place)
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    for group in ("initContainers", "containers"):
        seen: set[str] = set()
        for place, one in enumerate(spec.get(group, ())):
            where = f"{path}.{group}[{place}]"
            yield from _container(one, where, set(volumes))
            if one.get("name") in seen:
                yield duplicate(f"{where}.name", one["name"])
            seen.add(one.get("name", ""))


def _name(value: str, path: str) -> Iterator[Cause]:
    if not value:
        yield required(path)
    else:
        for fault in label_faults(value):
            yield invalid_value(path, value, fault)


def _volume(one: Obj, path: str, again: bool) -> Iterator[Cause]:
    yield from _name(one.get("name", ""), f"{path}.name")
    if again:
        yield duplicate(f"{path}.name", one["name"])
    needed = {"hostPath": "path", "nfs": "server", "persistentVolumeClaim": "claimName", "secret": "secretName"}
    for source, key in {**needed, "configMap": "name"}.items():
        if source in one and not one[source].get(key):
            yield required(f"{path}.{source}.{key}")
    if len(one) > 2:
        yield Cause(
            "FieldValueForbidden", f"{path}.{list(one)[2]}", "Forbidden: may not specify more than 1 volume type"
        )


def _container(one: Obj, path: str, volumes: set[str]) -> Iterator[Cause]:
    yield from _name(one.get("name", ""), f"{path}.name")
    if not one.get("image"):
        yield required(f"{path}.image")
    for place, env in enumerate(one.get("env", ())):
        yield from _env(env, f"{path}.env[{place}]")
    mounted: set[str] = set()
    for place, mount in enumerate(one.get("volumeMounts", ())):
        where = f"{path}.volumeMounts[{place}]"
        if not mount.get("name"):
            yield required(f"{where}.name")
        elif mount["name"] not in volumes:
            yield not_there(f"{where}.name", mount["name"])
        if not mount.get("mountPath"):
            yield required(f"{where}.mountPath")
        elif mount["mountPath"] in mounted:
            yield invalid_value(f"{where}.mountPath", mount["mountPath"], "must be unique")
        mounted.add(mount.get("mountPath", ""))
    if one.get("imagePullPolicy", "Always") not in ("Always", "IfNotPresent", "Never"):
        yield unsupported(f"{path}.imagePullPolicy", one["imagePullPolicy"], ("Always", "IfNotPresent", "Never"))
    yield from _resources(one.get("resources") or {}, f"{path}.resources")


def _env(env: Obj, path: str) -> Iterator[Cause]:
    name = env.get("name", "")
    if not name:
        yield required(f"{path}.name")
    elif not re.fullmatch(r"[ -<>-~]+", name):
        yield invalid_value(f"{path}.name", name, ENV_NAME)
    if env.get("value") and env.get("valueFrom"):
        yield invalid_value(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _resources(given: Obj, path: str) -> Iterator[Cause]:
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    for group, amounts in (("limits", limits), ("requests", requests)):
        for key, value in amounts.items():
            yield from _amount(key, value, f"{path}.{group}[{key}]")
    for key, value in requests.items():
        extended = "/" in key
        if key in limits and extended and quantities.amount(value) != quantities.amount(limits[key]):
            yield invalid_value(f"{path}.requests", value, f"must be equal to {key} limit of {limits[key]}")
        elif key in limits and quantities.amount(value) > quantities.amount(limits[key]):
            yield invalid_value(
                f"{path}.requests", value, f"must be less than or equal to {key} limit of {limits[key]}"
            )
        elif extended and key not in limits:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")


def _amount(key: str, value: Any, path: str) -> Iterator[Cause]:
    if "/" not in key and key not in STANDARD and not key.startswith("hugepages-"):
        yield invalid_value(path, key, "must be a standard resource type or fully qualified")
        yield invalid_value(path, key, "must be a standard resource for containers")
    number = quantities.amount(value)
    if number < 0:
        yield invalid_value(path, value, "must be greater than or equal to 0")
    if "/" in key and number.denominator != 1:
        yield invalid_value(path, value, "must be an integer")
