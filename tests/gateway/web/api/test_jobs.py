"""Jobs over HTTP: served by a real server, on two real queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.live.machine import until

BRIEF = {"timeout": 60}


def submit(api: httpx.Client, command: str, **more: Any) -> int:
    made = api.post("/jobs", json={"command": command, **more})
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def ended(api: httpx.Client, number: int) -> dict[str, Any]:
    """Its document, once it has ended."""
    found: dict[str, Any] = api.get(f"/jobs/{number}/wait", params=BRIEF).json()
    assert found["ended"] is not None, found
    return found


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """What a problem says to people, where it has a body to say it in."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    if answer.request.method == "HEAD":
        return ""
    said = answer.json()
    assert (said["code"], said["status"], said["request"]) == (code, status, answer.headers["x-request-id"])
    return str(said["detail"])


def test_a_job_is_handed_in_and_looked_at(api: httpx.Client) -> None:
    made = api.post("/jobs", json={"command": "exit 3"})
    assert made.status_code == 201 and made.headers["location"] == f"/api/v1/jobs/{made.json()['id']}"
    job = ended(api, made.json()["id"])
    assert (job["state"], job["exit"], job["reason"], job["attempt"]) == ("failed", 3, "exit", 1)


def test_so_many_jobs_of_a_token_wait_or_run_and_no_more(api: httpx.Client, desk: Desk) -> None:
    """By owner: what came with another token counts, and what has ended does not."""
    held, two = {"command": "true", "options": {"hold": True}}, Limits(queued=2)
    api.headers.update(bearer(desk, "bob", limits=two))
    first = api.post("/jobs", json=held).json()["id"]
    api.headers.update(bearer(desk, "bob", limits=two))
    assert "above the limit of 2" in refused(api.post("/batches", json={"jobs": [held] * 2}), 429, "too_many_queued")
    api.post("/jobs", json=held)
    late = api.post("/jobs", json=held)
    assert refused(late, 429, "too_many_queued") and int(late.headers["retry-after"]) > 0
    api.post(f"/jobs/{first}/cancel")
    ended(api, first)
    assert api.post("/jobs", json=held).status_code == 201
    assert api.post(f"/jobs/{first}/retry").status_code == 200
    refused(api.post("/jobs", json=held), 429, "too_many_queued")


def test_a_document_is_sent_again_only_when_it_is_another(api: httpx.Client) -> None:
    number = submit(api, "true", options={"hold": True})
    seen = api.get(f"/jobs/{number}")
    for header in (seen.headers["etag"], f"W/{seen.headers['etag']}", f'"x", {seen.headers["etag"]}', "*"):
        same = api.get(f"/jobs/{number}", headers={"if-none-match": header})
        assert (same.status_code, same.content) == (304, b"") and "etag" in same.headers
    assert api.get(f"/jobs/{number}", headers={"if-none-match": '"x"'}).status_code == 200
    api.post(f"/jobs/{number}/cancel")
    ended(api, number)
    assert api.get(f"/jobs/{number}", headers={"if-none-match": seen.headers["etag"]}).json()["state"] == "cancelled"


def test_many_are_taken_or_none(api: httpx.Client) -> None:
    made = api.post("/batches", json={"jobs": [{"command": f"exit {n}"} for n in (0, 4, 0)]})
    assert made.status_code == 201
    assert [ended(api, number)["exit"] for number in made.json()["ids"]] == [0, 4, 0]
    before = api.get("/jobs").json()["jobs"]
    wrong = api.post("/batches", json={"jobs": [{"command": "true"}, {"spec": "nothing"}]})
    refused(wrong, 404, "no_spec")
    refused(
        api.post("/batches", json={"jobs": [{"command": "true"}, {"command": "true", "target": "mars"}]}), 422, "usage"
    )
    refused(api.post("/batches", json={"jobs": [{"command": "true"}] * 1_001}), 422, "bad_request")
    assert api.get("/jobs").json()["jobs"] == before


def test_the_same_under_one_key_is_taken_once(api: httpx.Client, tmp_path: Path) -> None:
    """Also what comes out otherwise each time: a delay is a moment that is later each time."""
    job = {"command": f"echo x >> {tmp_path}/ran", "target": "a", "options": {"delay": 0.001}}
    for path, said in (("/jobs", job), ("/batches", {"jobs": [job, job]})):
        key = {"idempotency-key": f"of{path}"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: api.post(path, json=said, headers=key), range(8)))  # noqa: B023
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({str({**answer.json(), "repeated": None}) for answer in answers}) == 1
        other = api.post(path, json={"jobs": [job]} if path == "/batches" else {**job, "target": "b"}, headers=key)
        refused(other, 409, "conflict")
    refused(api.post("/jobs", json=job, headers={"idempotency-key": "of/batches"}), 409, "conflict")
    for one in api.get("/jobs").json()["jobs"]:
        ended(api, one["id"])
    assert len((tmp_path / "ran").read_text().split()) == 3


def pages(api: httpx.Client, **wanted: Any) -> Iterator[list[int]]:
    cursor: str | None = ""
    while cursor is not None:
        found = api.get("/jobs", params={**wanted, **({"cursor": cursor} if cursor else {})}).json()
        yield [job["id"] for job in found["jobs"]]
        cursor = found["next"]


def test_a_list_goes_on_where_it_was_whatever_comes_meanwhile(api: httpx.Client) -> None:
    made = api.post("/batches", json={"jobs": [{"command": "true", "options": {"hold": True}}] * 7}).json()["ids"]
    found: list[list[int]] = []
    for page in pages(api, limit=3):
        found.append(page)
        submit(api, "true", options={"hold": True})
    assert found == [made[:-4:-1], made[-4:-7:-1], made[:1]]


def test_a_list_is_of_those_that_are_wanted(api: httpx.Client, desk: Desk) -> None:
    spec = Path(desk.settings.specs) / "sleepy.yaml"
    spec.write_text("command: [sh, -c, exit 5]\n")
    spec.chmod(0o600)
    well = submit(api, "true", options={"name": "one"}, target="a")
    held = submit(api, "true", options={"hold": True, "name": "two"}, target="b")
    made = api.post("/jobs", json={"spec": "sleepy"}).json()["id"]
    ended(api, well)
    ended(api, made)
    assert list(pages(api, name="one")) == [[well]]
    assert list(pages(api, name="on")) == [[]]
    assert list(pages(api, spec="sleepy")) == [[made]]
    assert list(pages(api, state=["succeeded", "failed"])) == [[made, well]]
    assert list(pages(api, state="queued")) == [[held]]
    assert list(pages(api, target="a", name="one")) == [[well]]
    refused(api.get("/jobs", params={"state": "asleep"}), 422, "bad_request")
    for cursor in ("x", "YmVmb3JlIDA", "YmVmb3JlIC0x", "====", "é"):
        refused(api.get("/jobs", params={"cursor": cursor}), 422, "bad_request")


def test_who_waits_hears_of_the_end_and_asks_for_the_rows_no_more_than_that(
    api: httpx.Client, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    number = submit(api, f"until [ -e {gate} ]; do sleep 0.02; done; exit 2", target="a")
    still = api.get(f"/jobs/{number}/wait", params={"timeout": 0})
    assert still.status_code == 200 and still.json()["ended"] is None
    asked: list[int] = []
    row = desk.row

    async def counted(token: Any, number: int) -> Any:
        asked.append(number)
        return await row(token, number)

    monkeypatch.setattr(desk, "row", counted)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ended, api, number)
        gate.touch()
        assert waiting.result(60)["exit"] == 2
    assert len(asked) <= 4  # at first, when it began, when it had ended
    refused(api.get("/jobs/999999/wait"), 404, "unknown_job")


def test_a_job_that_runs_is_cancelled(api: httpx.Client) -> None:
    number = submit(api, "sleep 1000", target="a")
    answer = api.post(f"/jobs/{number}/cancel", json={"grace": 0})
    assert answer.status_code == 200 and answer.json()["id"] == number
    assert ended(api, number)["state"] == "cancelled"
    again = api.post(f"/jobs/{number}/cancel")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")
    refused(api.post(f"/jobs/{number}/cancel", json={"grace": -1}), 422, "bad_request")
    refused(api.post("/jobs/999999/cancel"), 404, "unknown_job")


def test_a_job_that_has_ended_runs_again_where_it_was(api: httpx.Client, tmp_path: Path) -> None:
    number = submit(api, f"echo x >> {tmp_path}/ran; [ -e {tmp_path}/good ]", target="b")
    first = ended(api, number)
    assert (first["state"], first["attempt"]) == ("failed", 1)
    (tmp_path / "good").touch()
    answer = api.post(f"/jobs/{number}/retry")
    assert answer.status_code == 200, answer.text
    second = ended(api, number)
    assert (second["state"], second["attempt"], second["at"]) == ("succeeded", 2, first["at"])
    assert second["version"] > first["version"] and second["exit"] == 0
    assert (tmp_path / "ran").read_text() == "x\nx\n"
    details = api.get(f"/jobs/{number}/details").json()
    assert [one["exit"] for one in details["attempts"]] == [1]
    assert (details["record"]["attempt"], details["job"]["id"]) == (2, number)


def test_only_what_has_ended_runs_again(api: httpx.Client) -> None:
    number = submit(api, "true", options={"hold": True}, target="a")
    assert "has not ended" in refused(api.post(f"/jobs/{number}/retry"), 409, "conflict")
    until(lambda: "held" in str(api.get(f"/jobs/{number}/why").json()["why"]), "that its target has it")
    refused(api.post("/jobs/999999/retry"), 404, "unknown_job")


def test_what_nobody_could_take_is_tried_again_by_all(api: httpx.Client) -> None:
    number = submit(api, "true", options={"cpus": 1_000_000})
    assert ended(api, number)["reason"] == "refused"
    assert api.get(f"/jobs/{number}/why").json()["why"] == ["no target has what the job needs (ask for less)"]
    assert api.get(f"/jobs/{number}/details").json()["record"] is None
    assert api.post(f"/jobs/{number}/retry").status_code == 200
    again = ended(api, number)
    assert (again["reason"], again["at"]) == ("refused", None)


def test_who_may_not_is_told_so_and_what_is_not_theirs_is_not_there(desk: Desk) -> None:
    everybody = guarded(desk, native(desk, {}), [HOST])
    with served(desk, everybody) as port, client(port, bearer(desk, "ann", ["submit", "raw", "read"])) as ann:
        number = submit(ann, "true", options={"hold": True})
        refused(ann.post(f"/jobs/{number}/cancel"), 403, "forbidden")
        with client(port, bearer(desk, "bob", ["submit", "read", "cancel"])) as bob:
            answer = bob.post("/jobs", json={"command": "true"})
            refused(answer, 403, "forbidden")
            assert answer.json()["hint"] == "any command: submit token make OWNER --scope submit,read,raw"
            for path in ("", "/wait", "/logs", "/why", "/details"):
                refused(bob.get(f"/jobs/{number}{path}"), 404, "unknown_job")
            for verb in ("cancel", "retry"):
                refused(bob.post(f"/jobs/{number}/{verb}"), 404, "unknown_job")
            assert bob.get("/jobs").json() == {"jobs": [], "next": None}
        with client(port, bearer(desk, "cid", ["read", "cancel", "admin"])) as cid:
            assert [job["id"] for job in cid.get("/jobs").json()["jobs"]] == [number]
            refused(cid.post(f"/jobs/{number}/retry"), 403, "forbidden")
            assert cid.post(f"/jobs/{number}/cancel").json()["owner"] == "ann"
        with client(port, {}) as nobody:
            refused(nobody.get("/jobs"), 401, "token_none")


def test_a_method_that_is_none_hears_of_those_that_are(api: httpx.Client) -> None:
    for path, methods in (("/jobs", "GET, POST"), ("/jobs/1", "GET"), ("/batches", "POST")):
        answer = api.put(path)
        refused(answer, 405, "no_such_method")
        assert answer.headers["allow"] == methods
    refused(api.get("/nowhere"), 404, "no_such_path")


DEEP: list[Any] = json.loads("[" * 900 + "]" * 900)

SENSELESS: list[dict[str, Any]] = [
    {},
    {"command": ""},
    {"command": "true", "argv": ["true"]},
    {"command": None},
    {"argv": []},
    {"argv": [""]},
    {"command": "true", "parameters": {}},
    {"command": "true", "target": "mars"},
    {"command": "true", "target": "a,b,"},
    {"command": "true", "nonsense": 1},
    {"command": "true", "options": {"nonsense": 1}},
    {"command": "true", "options": {"name": "a\nb"}},
    {"command": "true", "options": {"mem": "much"}},
    {"command": "true", "options": {"retries": True}},
    {"command": "true", "options": {"retries": 1, "backoff": [1, "often"]}},
    {"command": "true", "options": {"retries": 1, "backoff": [1, 1e999]}},
    {"command": "true", "options": {"env": {"SJS_X": "1"}}},
    {"command": "true", "options": {"labels": {"x" * 70: "1"}}},
    {"command": "true", "options": {"security_context": {"a": [1e999]}}},
    {"command": "true", "options": {"security_context": {"a": DEEP}}},
    {"spec": "x", "options": {"cpus": 2}, "parameters": []},
    {"spec": "x", "parameters": {"a": DEEP}},
]


def test_what_makes_no_sense_is_refused(api: httpx.Client) -> None:
    for job in SENSELESS:
        answer = api.post("/jobs", content=json.dumps(job), headers={"content-type": "application/json"})
        assert answer.status_code == 422 and answer.json()["detail"], (job, answer.text)
    assert api.get("/jobs").json()["jobs"] == []


def test_what_runs_says_since_when(api: httpx.Client) -> None:
    """Each of several: one whose process was not seen yet does not count as one that runs."""
    numbers = [submit(api, "sleep 600", target=name) for name in ("a", "a", "b", "b")]

    def every() -> list[dict[str, Any]]:
        return [api.get(f"/jobs/{number}").json() for number in numbers]

    until(lambda: all(one["state"] == "running" for one in every()), "their start")
    assert all(one["started"] is not None for one in every())
    for number in numbers:
        assert api.post(f"/jobs/{number}/cancel").status_code == 200
        ended(api, number)
