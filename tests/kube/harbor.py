"""A Harbor registry's API (v2.0) for tests: repositories of a project and their artifacts, a page at a time."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlencode

from tests.kube.api import Answer, Asked
from tests.kube.certificates import Authority
from tests.kube.faults import Faults, Reset
from tests.kube.routes import split
from tests.kube.server import Server
from tests.kube.status import Obj

LARGEST_PAGE = 100
BORN = "2026-01-02T03:04:05.678Z"
CODES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 422: "UNPROCESSABLE_ENTITY"}


@dataclass(frozen=True)
class Artifact:
    """One image with its tags; one without any is shown with `null`."""

    tags: tuple[str, ...] = ("latest",)
    command: tuple[str, ...] = ("/bin/sh",)
    entrypoint: tuple[str, ...] = ()


@dataclass
class Repository:
    """An image by its name below the project."""

    name: str
    artifacts: tuple[Artifact, ...] = (Artifact(),)
    description: str = ""
    pulls: int = 0


class Refusal(Exception):
    """Answered in Harbor's form of an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def answer(self) -> Answer:
        word = CODES.get(self.code, "UNKNOWN")
        headers = {"WWW-Authenticate": 'Basic realm="harbor"'} if self.code == 401 else {}
        return Answer(self.code, {"errors": [{"code": word, "message": self.message}]}, headers)


@dataclass
class Registry:
    """What is in it, and who may look: nobody's name is needed for public projects."""

    projects: dict[str, list[Repository]] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    robots: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    seen: list[str] = field(default_factory=list)

    def handle(self, asked: Asked) -> Answer:
        self.seen.append(asked.target)
        try:
            return self._handle(asked)
        except Refusal as refusal:
            return refusal.answer()

    def _handle(self, asked: Asked) -> Answer:
        words, params = split(asked.target)
        if words[:2] != ["api", "v2.0"]:
            raise Refusal(404, f"path {asked.target} was not found")
        fault = self.faults.take(asked.method.lower(), words[-1])
        if fault is not None and not fault.code:
            raise Reset
        if fault is not None:
            raise Refusal(fault.code, "as the test wants it")
        user = self._user(asked.authorization)
        if len(words) < 5 or words[2] != "projects" or words[4] != "repositories":
            raise Refusal(404, f"path {asked.target} was not found")
        return self._of_project(words[3], words[5:], params, user, asked.target.split("?")[0])

    def _user(self, authorization: str) -> str:
        if not authorization:
            return ""
        scheme, _, coded = authorization.partition(" ")
        name, _, secret = base64.b64decode(coded).decode().partition(":")
        if scheme.lower() != "basic" or self.robots.get(name) != secret:
            raise Refusal(401, "unauthorized")
        return name

    def _of_project(self, project: str, rest: list[str], params: dict[str, str], user: str, path: str) -> Answer:
        if not user and project not in self.public:
            raise Refusal(401, "unauthorized")
        if project not in self.projects:
            raise Refusal(403, "forbidden")
        found = self.projects[project]
        if not rest:
            return _page([_repository(project, one, place) for place, one in enumerate(found, 1)], params, path)
        name = unquote(rest[0])
        one = next((one for one in found if one.name == name), None)
        if one is None:
            raise Refusal(404, f"repository {project}/{name} not found")
        if len(rest) == 1:
            return Answer(200, _repository(project, one, found.index(one) + 1))
        if rest[1:] != ["artifacts"]:
            raise Refusal(404, f"path {path} was not found")
        return _page([_artifact(project, one, each, at) for at, each in enumerate(one.artifacts, 1)], params, path)


def _page(items: list[Obj], params: dict[str, str], path: str) -> Answer:
    page, size = int(params.get("page", 1)), int(params.get("page_size", 10))
    if size > LARGEST_PAGE:
        raise Refusal(422, "validation failure list:\npage_size in query should be less than or equal to 100")
    if page < 1:
        raise Refusal(422, "validation failure list:\npage in query should be greater than or equal to 1")

    def link(number: int, which: str) -> str:
        return f'<{path}?{urlencode({**params, "page": number, "page_size": size})}>; rel="{which}"'

    links = [link(page - 1, "prev")] if page > 1 and (page - 1) * size < len(items) + size else []
    if page * size < len(items):
        links.append(link(page + 1, "next"))
    headers = {"X-Total-Count": str(len(items)), **({"Link": " , ".join(links)} if links else {})}
    return Answer(200, items[(page - 1) * size : page * size], headers)


def _repository(project: str, one: Repository, number: int) -> Obj:
    shown: Obj = {"artifact_count": len(one.artifacts), "creation_time": BORN, "id": number}
    shown |= {"name": f"{project}/{one.name}", "project_id": 1, "pull_count": one.pulls, "update_time": BORN}
    return {**shown, "description": one.description} if one.description else shown


def _artifact(project: str, repository: Repository, one: Artifact, number: int) -> Obj:
    digest = hashlib.sha256(f"{project}/{repository.name}/{number}".encode()).hexdigest()
    tags = [{"id": place, "name": tag, "push_time": BORN, "immutable": False} for place, tag in enumerate(one.tags, 1)]
    config = {"Cmd": list(one.command), **({"Entrypoint": list(one.entrypoint)} if one.entrypoint else {})}
    return {
        "id": number,
        "type": "IMAGE",
        "media_type": "application/vnd.docker.container.image.v1+json",
        "digest": f"sha256:{digest}",
        "size": 1000 * number,
        "push_time": BORN,
        "pull_time": "0001-01-01T00:00:00.000Z",
        "project_id": 1,
        "repository_name": f"{project}/{repository.name}",
        "extra_attrs": {"architecture": "amd64", "os": "linux", "config": config},
        "tags": tags or None,
    }


class Harbor:
    """A registry at a port of this machine, behind a certificate of an authority that nobody knows yet."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "harbor-pki")
        self.registry = Registry()
        self.server = Server(self.registry, self.authority.server())

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def ca_file(self) -> Path:
        return self.authority.ca_file

    def add(self, project: str, *repositories: Repository, public: bool = False) -> None:
        self.registry.projects.setdefault(project, []).extend(repositories)
        if public:
            self.registry.public.add(project)

    def add_robot(self, name: str, secret: str) -> None:
        """`robot$NAME`, as Harbor calls them."""
        self.registry.robots[f"robot${name}"] = secret

    def __enter__(self) -> Harbor:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
