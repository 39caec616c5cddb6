"""What /swagger says is what is so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.web.app import of_dialect
from sjs.gateway.web.jobd.description import described
from tests.gateway.web.conftest import HOST, served
from tests.gateway.web.jobd.speaking import JSON, Answer, Client, archive

TYPES = {"string": str, "integer": int, "boolean": bool}


def fits(document: dict[str, Any], path: str, method: str, answer: Answer) -> None:
    """An answer is one of those that are described."""
    said = document["paths"][path][method]["responses"][str(answer.status)]["schema"]["$ref"]
    schema = document["definitions"][said.rsplit("/", 1)[1]]
    assert list(answer.said) == schema["required"] == list(schema["properties"])
    for name, value in answer.said.items():
        assert type(value) is TYPES[schema["properties"][name]["type"]]
        assert value in schema["properties"][name].get("enum", [value])


def test_it_is_true(jobd: Client) -> None:
    answer = jobd.ask("GET", "/swagger/doc.json")
    assert (answer.status, answer.media) == (200, JSON)
    document = answer.said
    assert document["swagger"] == "2.0"
    base = document["basePath"]
    for body in (b"", b"{}", json.dumps({"id": "a", "input": "QQ=="}).encode(), b'{"id":"a"}'):
        fits(document, "/api/upload", "post", Client(jobd.port, base, jobd.headers).post(body))
    asking = Client(jobd.port, base, jobd.headers)
    assert asking.upload("b", archive("exit 0")).status == 201
    for name in ("a", "b", "nobody"):
        fits(document, "/api/get/{id}", "get", asking.get(name))
    fits(document, "/api/get/{id}", "get", asking.ended("b"))


@pytest.mark.parametrize(("root", "base"), [("", "/"), ("/jobd", "/jobd")])
def test_paths_begin_where_it_is_served(root: str, base: str) -> None:
    document = described(root)
    assert document["basePath"] == base
    assert all(path.startswith("/api/") for path in document["paths"])


def test_at_a_port_of_its_own_nobody_needs_a_token(desk: Desk) -> None:
    with served(desk, of_dialect(desk, "jobd", "web", [HOST], {})) as port:
        jobd = Client(port, "", {})
        assert jobd.ask("GET", "/swagger/doc.json").said["basePath"] == "/"
        assert jobd.run("a", "echo ok > it").files["it"] == b"ok\n"
        assert jobd.upload("large", archive("exit 0") + bytes(desk.settings.most_body)).status == 201


def test_each_reference_leads_somewhere() -> None:
    document = described("")
    told = json.dumps(document)
    for name in told.split("#/definitions/")[1:]:
        assert name.partition('"')[0] in document["definitions"]


def test_people_can_read_it(jobd: Client) -> None:
    answer = jobd.ask("GET", "/swagger/index.html")
    assert (answer.status, answer.media) == (200, "text/html; charset=utf-8")
    assert b"POST /jobd/api/upload" in answer.body
    assert b"<script" not in answer.body
