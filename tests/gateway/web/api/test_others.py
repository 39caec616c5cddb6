"""Specs, targets, tokens and artifacts over HTTP."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from sjs.gateway import inquiries
from sjs.gateway.artifacts.store import key_of, uuid_of
from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.records import artifacts
from sjs.gateway.records.artifacts import Artifact
from sjs.gateway.records.tables import tokens as table
from sjs.gateway.web.app import guarded, native
from sjs.values import replace
from tests.gateway.web.api.test_jobs import ended, refused, submit
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.live.machine import Machine, until

SPEC = """\
description: Trains.
target: a
command: [echo, "{word}"]
parameters:
  word: {type: string, default: so, max_length: 10}
"""


@pytest.fixture
def specs(desk: Desk) -> Path:
    folder = Path(desk.settings.specs)
    for name, text in (("train", SPEC), ("wrong", "description: x\ncommand: 7\n")):
        (folder / f"{name}.yaml").write_text(text)
        (folder / f"{name}.yaml").chmod(0o600)
    return folder


def test_specs_are_shown_with_what_they_take_or_what_is_wrong(api: httpx.Client, specs: Path) -> None:
    train, wrong = api.get("/specs").json()["specs"]
    assert train == api.get("/specs/train").json() and wrong == api.get("/specs/wrong").json()
    assert (train["name"], train["error"], train["target"]) == ("train", None, "a")
    assert train["parameters"]["properties"]["word"]["maxLength"] == 10
    assert train["digest"] == hashlib.sha256(SPEC.encode()).hexdigest()
    assert wrong["parameters"] is None and "wrong.yaml:2" in wrong["error"]
    refused(api.get("/specs/other"), 404, "no_spec")
    refused(api.get("/specs/a.b"), 422, "bad_spec_name")
    refused(api.post("/jobs", json={"spec": "wrong"}), 422, "config")


def made(api: httpx.Client, **said: object) -> dict[str, str]:
    """The header of a token that this has made."""
    answer = api.post("/tokens", json={"owner": "bob", "scopes": ["read", "submit"], **said})
    assert answer.status_code == 201, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}", "id": answer.json()["id"]}


def test_who_may_use_some_sees_no_others(api: httpx.Client, specs: Path) -> None:
    bob = made(api, specs=["train"], targets=["b"])
    assert [one["name"] for one in api.get("/specs", headers=bob).json()["specs"]] == ["train"]
    refused(api.get("/specs/wrong", headers=bob), 404, "no_spec")
    assert [one["name"] for one in api.get("/targets", headers=bob).json()["targets"]] == ["b"]
    refused(api.get("/targets/a", headers=bob), 404, "no_target")
    refused(api.post("/jobs", json={"spec": "train"}, headers=bob), 403, "forbidden")


def test_targets_say_how_they_are(api: httpx.Client, machines: dict[str, Machine]) -> None:
    with machines["b"].client() as asking:
        asking.ask("drain")
        try:
            first, second = api.get("/targets").json()["targets"]
        finally:
            asking.ask("undrain")
    assert (first["name"], first["state"], first["slots"]) == ("a", "ready", 2)
    assert (second["name"], second["state"]) == ("b", "drained")
    assert api.get("/targets/a").json()["version"] == first["version"]
    refused(api.get("/targets/c"), 404, "no_target")


def test_a_target_that_does_not_answer_keeps_nobody_waiting(
    api: httpx.Client, desk: Desk, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manager stands still; however often it is asked how it is, there is one question."""
    monkeypatch.setattr(inquiries, "SILENCE", 0.3)
    pid = machines["b"].manager_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            states = {one["name"]: one["state"] for one in api.get("/targets").json()["targets"]}
            assert states["b"] == "unreachable"
        assert desk.questions.count("b") == 1
    finally:
        os.kill(pid, signal.SIGCONT)


def test_tokens_are_made_listed_and_revoked_by_administrators(api: httpx.Client, desk: Desk) -> None:
    bob = made(api, label="of bob", limits={"rate": 5}, expires=time.time() + 3_600)
    found = next(one for one in api.get("/tokens").json()["tokens"] if one["id"] == bob["id"])
    assert (found["owner"], found["label"], found["scopes"]) == ("bob", "of bob", ["submit", "read"])
    assert found["limits"]["rate"] == 5 and found["revoked"] is None and "token" not in found
    for answer in (api.get("/tokens", headers=bob), api.delete(f"/tokens/{bob['id']}", headers=bob)):
        refused(answer, 403, "forbidden")
    assert api.delete(f"/tokens/{bob['id']}").status_code == 204
    with desk._engine.connect() as connection:
        revoked = connection.scalar(select(table.c.revoked).where(table.c.id == bob["id"]))
    assert revoked is not None
    assert api.delete(f"/tokens/{bob['id']}").status_code == 204
    with desk._engine.connect() as connection:
        assert connection.scalar(select(table.c.revoked).where(table.c.id == bob["id"])) == revoked
    refused(api.delete("/tokens/0123456789abcdef"), 404, "no_token")
    assert api.get("/jobs", headers=made(api, scopes=["metrics"])).status_code == 403
    senseless = {"owner": "bob", "scopes": ["raw"]}
    refused(api.post("/tokens", json=senseless), 422, "bad_request")
    refused(api.post("/tokens", json={"owner": "bob", "scopes": ["read"], "expires": 1.0}), 422, "bad_request")


def test_what_is_not_said_of_a_token_is_as_it_is_usual_here(
    desk: Desk, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "settings", replace(desk.settings, limits=Limits(rate=7.0, queued=70)))
    answer = api.post("/tokens", json={"owner": "bob", "scopes": ["read"], "limits": {"burst": 3}}).json()
    assert answer["limits"] == {
        "rate": 7.0,
        "burst": 3,
        "requests": 64,
        "streams": 16,
        "queued": 70,
        "items": 1_000_000,
    }
    found = next(one for one in api.get("/tokens").json()["tokens"] if one["id"] == answer["id"])
    assert found == {name: value for name, value in answer.items() if name != "token"}


def leave(desk: Desk, job: int, name: str, data: bytes) -> str:
    """What a job has left, as it is written down when it was collected; its id."""
    place = key_of(job, 1, name)
    kept = desk.store.put(place, [data], "text/plain", 1 << 20)
    found = Artifact(name, "text/plain", kept.size, kept.sha256, uuid_of(job, 1, name), place)
    of = artifacts.Leaving(job, "ann", "a", 1, 1, "failed", "{}", "wanted")
    desk.write(lambda connection: artifacts.add(connection, of, [found], time.time()))
    return found.uuid


def names(api: httpx.Client, number: int) -> list[str]:
    """Of the files that a job has left, once all are kept."""
    assert ended(api, number)["state"] == "succeeded"
    until(lambda: api.get(f"/jobs/{number}/artifacts").json()["is_complete"], "the end of its collection")
    return [str(one["name"]) for one in api.get(f"/jobs/{number}/artifacts").json()["artifacts"]]


def test_what_a_job_leaves_is_kept_for_who_asks_for_that(api: httpx.Client) -> None:
    command = 'cd "${SJS_ARTIFACTS_DIR:?}" && echo 1 > a.png && echo 2 > b.tmp'
    assert names(api, submit(api, command, artifacts={})) == ["a.png", "b.tmp"]
    assert names(api, submit(api, command, artifacts={"include": ["*.png"]})) == ["a.png"]
    assert ended(api, submit(api, command))["state"] == "failed", "who asks for nothing has no such folder"
    refused(api.post("/jobs", json={"command": "x", "artifacts": {"include": ["../x"]}}), 422, "bad_request")
    refused(api.post("/jobs", json={"spec": "train", "artifacts": {}}), 422, "bad_request")


def test_of_a_spec_what_it_says_is_kept(api: httpx.Client, specs: Path) -> None:
    for name, rules in (("all", "{}"), ("some", '{exclude: "*.tmp"}')):
        said = f"command: [sh, -c, 'cd \"$SJS_ARTIFACTS_DIR\" && touch a.png b.tmp']\nartifacts: {rules}\n"
        (specs / f"{name}.yaml").write_text(said)
        (specs / f"{name}.yaml").chmod(0o600)
    numbers = [api.post("/jobs", json={"spec": name}).json()["id"] for name in ("all", "some")]
    assert [names(api, one) for one in numbers] == [["a.png", "b.tmp"], ["a.png"]]


def test_artifacts_are_listed_sent_and_linked_to(desk: Desk, api: httpx.Client) -> None:
    number = submit(api, "true", target="a")
    ended(api, number)
    data = bytes(range(256)) * 4_000
    uuid = leave(desk, number, "out/it.txt", data)
    page = leave(desk, number, "page.html", b"<script>")
    listed = api.get(f"/jobs/{number}/artifacts").json()
    assert [one["name"] for one in listed["artifacts"]] == ["out/it.txt", "page.html"] and listed["is_complete"]
    path = f"/jobs/{number}/artifacts/{uuid}"
    whole = api.get(path)
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert whole.headers["content-disposition"] == 'inline; filename="it.txt"'
    assert "attachment" in api.get(f"/jobs/{number}/artifacts/{page}").headers["content-disposition"]
    assert api.get(path, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    part = api.get(path, headers={"range": "bytes=300-299999", "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, data[300:300_000])
    assert part.headers["content-range"] == f"bytes 300-299999/{len(data)}"
    head = api.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))
    assert head.headers["etag"] == whole.headers["etag"] and head.headers["accept-ranges"] == "bytes"
    assert api.get(path, headers={"range": "bytes=0-1", "if-range": '"x"'}).content == data
    refused(api.get(path, headers={"range": f"bytes={len(data)}-"}), 416, "no_such_range")
    refused(api.get(f"/jobs/{number}/artifacts/{uuid_of(1, 1, 'x')}"), 404, "no_artifact")
    link = api.post(f"{path}/link").json()
    with httpx.Client(base_url=str(api.base_url.copy_with(path="/"))) as nobody:
        assert nobody.get(link["url"]).content == data
        part = nobody.get(link["url"], headers={"range": "bytes=-5", "if-range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, data[-5:])
        refused(nobody.get(link["url"], headers={"range": f"bytes={len(data)}-"}), 416, "no_such_range")
        head = nobody.head(link["url"])
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))
        forged = nobody.get(link["url"][:-3] + "abc")
        refused(forged, 403, "bad_link")
        refused(nobody.get(f"/api/v1{path}"), 401, "token_none")


def test_what_somebody_elses_job_has_left_is_not_there(desk: Desk) -> None:
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        with client(port, bearer(desk, "ann")) as ann:
            number = submit(ann, "true", options={"hold": True})
        uuid = leave(desk, number, "it", b"x")
        with client(port, bearer(desk, "bob", ["read"])) as bob:
            for path in ("", f"/{uuid}"):
                refused(bob.get(f"/jobs/{number}/artifacts{path}"), 404, "unknown_job")
            refused(bob.post(f"/jobs/{number}/artifacts/{uuid}/link"), 404, "unknown_job")
