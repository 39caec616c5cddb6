"""What the server tells of itself: its version, its health, its groups and resources."""

from __future__ import annotations

from tests.kube.kinds import GROUPS, RESOURCES
from tests.kube.status import Obj

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0-test",
    "gitCommit": "0" * 40,
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def told(words: list[str]) -> Obj | str | None:
    """The answer to a path that names no resource; None for all others."""
    if words == ["version"]:
        return VERSION
    if words and words[0] in ("healthz", "livez", "readyz"):
        return "ok"
    if words == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if words == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS]}
    if len(words) == 2 and words[0] == "apis" and words[1] in GROUPS:
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(words[1])}
    if words == ["api", "v1"] or (len(words) == 3 and words[0] == "apis" and words[1] in GROUPS and words[2] == "v1"):
        return _resources("" if words[0] == "api" else words[1])
    return None


def _group(name: str) -> Obj:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str) -> Obj:
    found = []
    for one in RESOURCES:
        if one.group == group:
            row = {"name": one.plural, "singularName": one.kind.lower(), "namespaced": one.namespaced}
            found.append({**row, "kind": one.kind, "verbs": VERBS})
            found += [
                {**row, "name": f"{one.plural}/{sub}", "kind": one.kind, "verbs": ["get"]} for sub in one.subresources
            ]
    version = f"{group}/v1" if group else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": found}
