"""The registry for tests: pages and their headers, accounts, refusals in Harbor's form."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.kube.caller import Caller
from tests.kube.harbor import Artifact, Harbor, Repository

REPOSITORIES = "/api/v2.0/projects/lab/repositories"


@pytest.fixture
def harbor(tmp_path: Path) -> Iterator[Harbor]:
    with Harbor(tmp_path) as made:
        made.add("lab", *(Repository(f"image-{place:03d}") for place in range(205)))
        made.add("lab", Repository("deep/name", (Artifact(("1", "2")), Artifact(())), "# Deep\n"))
        made.add("open", Repository("hello"), public=True)
        made.add_robot("reader", "secret")
        yield made


@pytest.fixture
def robot(harbor: Harbor) -> Iterator[Caller]:
    told = base64.b64encode(b"robot$reader:secret").decode()
    with Caller(harbor.server.port, harbor.ca_file, authorization=f"Basic {told}") as caller:
        yield caller


def test_pages_follow_each_other(robot: Caller) -> None:
    names: list[str] = []
    path, links = f"{REPOSITORIES}?page_size=100", []
    while path:
        reply = robot("GET", path)
        names += [one["name"] for one in reply.body]
        assert reply.headers["X-Total-Count"] == "206"
        links.append(reply.headers["Link"])
        following = re.search(r'<([^>]*)>; rel="next"', links[-1])
        path = following[1] if following else ""
    assert len(names) == len(set(names)) == 206 and len(links) == 3
    assert len(robot("GET", REPOSITORIES).body) == 10, "unless more are asked for"
    assert robot("GET", f"{REPOSITORIES}?page=9&page_size=100").body == []
    assert robot("GET", f"{REPOSITORIES}?page_size=101").body["errors"][0]["code"] == "UNPROCESSABLE_ENTITY"


def test_names_with_slashes_are_coded_twice(robot: Caller) -> None:
    where = f"{REPOSITORIES}/{quote(quote('deep/name', ''), '')}"
    assert robot("GET", where).body["description"] == "# Deep\n"
    artifacts = robot("GET", f"{where}/artifacts?page_size=100").body
    assert [[tag["name"] for tag in one["tags"] or []] for one in artifacts] == [["1", "2"], []]
    assert artifacts[1]["tags"] is None


def test_refusals_have_harbors_form(harbor: Harbor, robot: Caller) -> None:
    missing = robot("GET", f"{REPOSITORIES}/nope")
    assert (missing.code, missing.body) == (
        404,
        {"errors": [{"code": "NOT_FOUND", "message": "repository lab/nope not found"}]},
    )
    assert robot("GET", "/api/v2.0/projects/nope/repositories").code == 403
    with Caller(harbor.server.port, harbor.ca_file) as nobody:
        closed = nobody("GET", REPOSITORIES)
        assert (closed.code, closed.body["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        assert len(nobody("GET", "/api/v2.0/projects/open/repositories").body) == 1
