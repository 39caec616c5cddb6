"""The dialect below /stages of the gateway's own port, where who asks has a token."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.web.app import guarded, native
from sjs.values import replace
from tests.gateway.web.conftest import HOST, bearer, served
from tests.gateway.web.job_manager.client import HTML, Client


@pytest.fixture(scope="module")
def port(at_desk: Desk) -> Iterator[int]:
    with served(at_desk, guarded(at_desk, native(at_desk, {}), [HOST])) as port:
        yield port


def client(port: int, desk: Desk, owner: str, *scopes: str) -> Client:
    token = bearer(desk, owner, scopes)["authorization"].removeprefix("Bearer ")
    return Client(f"http://{HOST}:{port}/stages", 1, token)


def test_nobody_comes_in_without_a_token(port: int) -> None:
    for path in ("/", "/get", "/get/0", "/init/1", "/events", "/lifetime"):
        assert Client(f"http://{HOST}:{port}/stages").ask(path).status == 401


def test_a_client_is_answered_as_at_its_own_port(port: int, at_desk: Desk) -> None:
    ann = client(port, at_desk, "ann", "submit", "read")
    assert ann.get("/") == "Hello World!"
    assert ann.get("/init/0/1") == '{"0": 0, "1": 1}'
    assert ann.post("/set", {"3": {"jobstage": 0}}) == "Accepted to 1!"
    assert ann.get("/get/0") == '{"jobid": 3, "jobcmd": null, "jobstage": 0, "jobix": 1}'
    assert ann.get("/update_job/3/1") == "Success, job 3 was updated to stage 1!"
    assert ann.ask("/nothing").headers["content-type"] == HTML
    assert replace(ann, jobix=None).ask("/get/0").status == 403


def test_owners_do_not_see_each_others(port: int, at_desk: Desk, mine: Client) -> None:
    """Whatever number they say; those who come without a token are one owner."""
    ann, bob = (client(port, at_desk, owner, "submit", "read") for owner in ("carl", "bob"))
    bob = replace(bob, jobix=mine.jobix)
    ann = replace(ann, jobix=mine.jobix)
    for one, name in ((ann, "ann's"), (bob, "bob's"), (mine, "mine")):
        one.post("/set", {"1": {"jobstage": 0, "jobcmd": name}})
        one.post("/update_job/1/0", {"filename": name.replace("'", "-")})
    for one, name in ((ann, "ann-s"), (bob, "bob-s"), (mine, "mine")):
        page = one.get("/get")
        assert [other for other in ("ann-s", "bob-s", "mine") if f"<bdi>{other}</bdi>" in page] == [name]
        assert replace(one, jobix=None).get("/get").count("<h1>") == 1
    assert "<bdi>ann-s</bdi>" in replace(ann, jobix=None).get("/get")
    assert json.loads(bob.get("/get/0"))["jobcmd"] == "bob's"
    assert json.loads(ann.get("/get/0"))["jobcmd"] == "ann's"


def test_of_administrators_it_is_their_own_too(port: int, at_desk: Desk) -> None:
    """As a client of this dialect, one has but his own jobs."""
    root = replace(client(port, at_desk, "root", "submit", "read", "admin"), jobix=None)
    other = client(port, at_desk, "dora", "submit", "read")
    other.post("/set", {"1": {"jobstage": 0}})
    assert "There are none yet." in root.get("/get")


def test_who_may_not_is_told_so(port: int, at_desk: Desk) -> None:
    reader, writer = client(port, at_desk, "eve", "read"), client(port, at_desk, "eve", "submit")
    for path in ("/get/0", "/update_job/1/2", "/init/1", "/lifetime/1/2"):
        answer = reader.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (403, HTML)
    assert writer.post("/set", {"1": {"jobstage": 0}}) == "Accepted to 1!"
    assert json.loads(writer.get("/get/0"))["jobid"] == 1
    assert writer.ask("/check_stages").status == writer.ask("/get").status == writer.ask("/events").status == 403


def test_the_native_api_has_the_same_jobs(port: int, at_desk: Desk) -> None:
    ann = replace(client(port, at_desk, "fay", "submit", "read"), jobix=77)
    ann.get("/init/0/0/0")
    ann.post("/set", {str(one): {"jobstage": 0, "jobcmd": ["x"]} for one in range(3)})
    ann.get("/get/0")
    api = Client(ann.url.replace("/stages", "/api/v1/stages"), None, ann.token)
    found = api.ask("/jobix-77/items").json
    assert [(one["number"], one["stage"], one["command"]) for one in found["items"]] == [
        (0, 1, ["x"]),
        (1, 0, ["x"]),
        (2, 0, ["x"]),
    ]
    assert api.ask("/jobix-77", method="DELETE").status == 204
    assert ann.get("/init") == "{}"
