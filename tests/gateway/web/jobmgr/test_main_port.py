"""The dialect below /jobmgr of the gateway's own port, where who asks has a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.conftest import HOST, bearer, served
from tests.gateway.web.jobmgr.client import Client, query
from tests.gateway.web.jobmgr.conftest import Specs
from tests.live.machine import until


@pytest.fixture(scope="module")
def port(at_desk: Desk) -> Iterator[int]:
    with served(at_desk, guarded(at_desk, native(at_desk, {"PATH": "/usr/bin:/bin"}), [HOST])) as port:
        yield port


def client(port: int, desk: Desk, owner: str, *scopes: str) -> Client:
    return Client(port, "/jobmgr", bearer(desk, owner, scopes)["authorization"].removeprefix("Bearer "))


def test_nobody_comes_in_without_a_token_but_who_has_a_link(port: int, at_desk: Desk, specs: Specs) -> None:
    specs.shell("linked", 'echo x > "$JOBMGR_ARTIFACTS_DIR/x"')
    for method, path in (("GET", "/"), ("POST", "/jobs/start"), ("GET", "/jobs/get?id=1"), ("GET", "/artifacts/kept")):
        assert Client(port, "/jobmgr").ask(method, path).status == 401
    ann = client(port, at_desk, "ann", "submit", "read")
    assert ann.ask("GET", "/").body == b"Beep boop blop I am a jobmgr API server"
    assert ann.ask("GET", "/jobs/get/?id=1").headers["location"] == "/jobmgr/jobs/get?id=1"
    artifact = ann.run("linked")["artifacts"][0]["id"]
    assert ann.ask("GET", f"/artifacts/download?id={artifact}").headers["location"].startswith("/jobmgr/artifacts/")
    assert ann.fetch(artifact).body == b"x\n"


def test_jobs_are_their_owners(port: int, at_desk: Desk, specs: Specs) -> None:
    specs.shell("owned", 'echo x > "$JOBMGR_ARTIFACTS_DIR/x"')
    ann, bob = (client(port, at_desk, owner, "submit", "read") for owner in ("ann", "bob"))
    found = ann.run("owned")
    number, artifact = found["job"]["id"], found["artifacts"][0]["id"]
    internal = b'{"status":"error","error":"internal_server_error"}\n'
    assert bob.ask("GET", f"/jobs/get?id={number}").body == internal
    assert bob.ask("GET", f"/artifacts/download?id={artifact}").body == internal
    born_dead = ann.start("no-such")
    assert bob.ask("GET", f"/jobs/get?id={born_dead}").body == internal


def test_who_may_not_is_told_so(port: int, at_desk: Desk, specs: Specs) -> None:
    specs.shell("allowed", "true")
    reader = client(port, at_desk, "ann", "read")
    made = "(what a token may is said when it is made: submit token make --scope)"
    said = {"status": "error", "error": "internal_server_error", "hint": f"this token may not hand in jobs {made}"}
    for name in ("allowed", "no-such"):
        assert reader.post(name=name, parameters="{}").json == said
    writer = client(port, at_desk, "ann", "submit")
    number = writer.start("allowed")
    assert writer.get(number)["hint"] == f"this token may not look at jobs {made}"


def test_jobs_that_came_otherwise_are_not_there(port: int, at_desk: Desk) -> None:
    ann = client(port, at_desk, "ann", "submit", "read", "raw")
    made = Client(port, "/api/v1", ann.token).ask(
        "POST", "/jobs", b'{"command":"true"}', {"Content-Type": "application/json"}
    )
    assert ann.get(made.json["id"]) == {"status": "error", "error": "internal_server_error"}


def test_a_spec_in_yaml_may_say_more(port: int, at_desk: Desk, specs: Specs) -> None:
    """jobmgr had no defaults, and no choice of a machine."""
    (specs.folder / "more.yaml").write_text(
        'command: [echo, "{size}"]\nparameters: {size: {type: int, default: 7, max: 9}}\ntarget: b\n'
        "job: {name: other}\n"
    )
    ann = client(port, at_desk, "ann", "submit", "read")
    number = ann.start("more")
    found = ann.ended(number)
    assert (found["result"], found["job"]["name"]) == ("7\n", "more")
    row = at_desk.shelf.get(number)
    assert row is not None and row.target == "b"
    assert ann.first_line("more", size="10") == "parameter 'size' must be at most 9"
    assert ann.ask("POST", f"/jobs/start?{query(name='more', parameters='{}')}").json["status"] == "ok"


def test_of_a_job_that_was_tried_again_the_last_attempt_counts(port: int, at_desk: Desk, specs: Specs) -> None:
    """One that nothing could be run for has nothing to try."""
    specs.shell("again", 'echo $SJS_ATTEMPT | tee "$JOBMGR_ARTIFACTS_DIR/$SJS_ATTEMPT"')
    ann = client(port, at_desk, "ann", "submit", "read", "raw", "cancel")
    native = Client(port, "/api/v1", ann.token)
    number, dead = ann.run("again")["job"]["id"], ann.start("no-such")
    assert native.ask("POST", f"/jobs/{dead}/retry").status == 422
    assert native.ask("POST", f"/jobs/{number}/retry").status == 200
    until(lambda: ann.ended(number)["result"] == "2\n", "the second attempt")
    assert [one["name"] for one in ann.get(number)["artifacts"]] == ["2"]
    assert ann.get(dead)["job"]["status"] == "failed"
