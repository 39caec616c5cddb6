"""From the path of a request to the resource and the verb it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kube.kinds import GROUPS, NAMESPACES, Resource, named
from tests.kube.status import no_such_path

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


@dataclass(frozen=True)
class Route:
    """What is asked of which resource."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    sub: str = ""
    params: dict[str, str] = field(default_factory=dict)

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() in ("1", "true")


def split(target: str) -> tuple[list[str], dict[str, str]]:
    parts = urlsplit(target)
    return [unquote(part) for part in parts.path.split("/") if part], dict(parse_qsl(parts.query, True))


def route(method: str, words: list[str], params: dict[str, str]) -> Route:
    """The words of a path below /api or /apis."""
    group, rest = ("", words[2:]) if words[0] == "api" else (words[1] if len(words) > 1 else "", words[3:])
    if not rest or (group and group not in GROUPS):
        raise no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    resource = named(group, rest[0])
    name, sub = (*rest[1:3], "", "")[:2]
    if resource is None or len(rest) > 3 or (sub and sub not in resource.subresources):
        raise no_such_path()
    return Route(_verb(method, name, params), resource, namespace, name, sub, params)


def _verb(method: str, name: str, params: dict[str, str]) -> str:
    verb = VERBS.get(method, method.lower())
    if name:
        return verb
    if verb == "get":
        return "watch" if params.get("watch", "").lower() in ("1", "true") else "list"
    return "deletecollection" if verb == "delete" else verb
