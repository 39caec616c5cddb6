"""Sweeps over HTTP: served by a real server, on two real queues."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sjs.core.job import Task
from sjs.gateway import outcomes
from sjs.gateway.desk import Desk
from sjs.gateway.engine.office import Office
from sjs.gateway.identity.limits import Limits
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.api.test_jobs import ended, refused, submit
from tests.gateway.web.conftest import HOST, bearer, client, served
from tests.live.machine import Machine, until

HELD = {"command": "true {a}", "options": {"hold": True}}


def swept(api: httpx.Client, **said: Any) -> dict[str, Any]:
    made = api.post("/sweeps", json=said)
    assert made.status_code == 201, made.text
    return dict(made.json())


def jobs(api: httpx.Client, name: str, **wanted: Any) -> list[dict[str, Any]]:
    """Its jobs, the first one first."""
    return list(reversed(api.get("/jobs", params={"sweep": name, "limit": 1_000, **wanted}).json()["jobs"]))


def over(api: httpx.Client, name: str) -> dict[str, Any]:
    """The document of a sweep, once all of its jobs have ended."""
    for job in jobs(api, name):
        ended(api, job["id"])
    found = dict(api.get(f"/sweeps/{name}").json())
    assert found["is_over"]
    return found


def results(api: httpx.Client, name: str, **wanted: Any) -> dict[str, Any]:
    answer = api.get(f"/sweeps/{name}/results", params=wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("word", ["any", "any:@both"])
def test_jobs_of_a_sweep_run_on_two_machines(api: httpx.Client, tmp_path: Path, word: str) -> None:
    """More than one of them has slots for, so both have some; each runs once."""
    gate = tmp_path / "gate"
    command = f"echo {{n}} >> {tmp_path}/ran; until [ -e {gate} ]; do sleep 0.02; done; echo loss={{n}}"
    made = swept(api, name="two", command=command, parameters={"n": "int:1..4"}, target=word)
    assert made == {"name": "two", "settings": 4, "repeated": False, "notes": []}
    until(lambda: len({job["at"]["target"] for job in jobs(api, "two") if job["at"]}) == 2, "that both have some")
    gate.touch()
    assert over(api, "two")["counts"] == {"succeeded": 4}
    assert sorted((tmp_path / "ran").read_text().split()) == ["1", "2", "3", "4"]
    found = results(api, "two", best="max:loss")
    assert [one["metrics"] for one in found["results"]] == [{"loss": n} for n in (4, 3, 2, 1)]
    assert {one["at"]["target"] for one in found["results"]} == {"a", "b"} and not found["troubles"]


def test_it_is_looked_at_and_listed(api: httpx.Client) -> None:
    made = api.post("/sweeps", json={"name": "tune", **HELD, "parameters": {"a": [1, 2, 3]}, "target": "any:@both"})
    assert made.status_code == 201 and made.headers["location"] == "/api/v1/sweeps/tune"
    seen = api.get("/sweeps/tune")
    said = seen.json()
    asked = said.pop("asked")
    assert (asked["command"], asked["parameters"], asked["target"]) == ("true {a}", {"a": [1, 2, 3]}, "any:@both")
    created = said.pop("created")
    assert said == {
        "name": "tune",
        "owner": "ann",
        "target": "any:@both",
        "spec": None,
        "parameters": ["a"],
        "settings": 3,
        "counts": {"queued": 3},
        "is_over": False,
        "metric": None,
        "max_running": None,
        "stop_after_failures": None,
        "stop_rule": None,
        "stopped": None,
    }
    same = api.get("/sweeps/tune", headers={"if-none-match": seen.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    jobs_of = jobs(api, "tune")
    assert [(job["sweep"], job["parameters"], job["name"]) for job in jobs_of] == [
        ("tune", {"a": number}, "tune") for number in "123"
    ]
    assert all(abs(job["created"] - created) < 1 for job in jobs_of)
    api.post(f"/jobs/{jobs_of[0]['id']}/cancel")
    ended(api, jobs_of[0]["id"])
    changed = api.get("/sweeps/tune", headers={"if-none-match": seen.headers["etag"]})
    assert changed.json()["counts"] == {"queued": 2, "cancelled": 1}
    other = swept(api, **HELD, parameters={"a": [7]})["name"]
    assert [one["name"] for one in api.get("/sweeps").json()["sweeps"]] == [other, "tune"]
    page = api.get("/sweeps", params={"limit": 1}).json()
    assert [one["name"] for one in page["sweeps"]] == [other]
    rest = api.get("/sweeps", params={"limit": 1, "cursor": page["next"]}).json()
    assert [one["name"] for one in rest["sweeps"]] == ["tune"] and rest["next"] is None
    refused(api.get("/sweeps/nothing"), 404, "unknown_sweep")
    refused(api.get("/sweeps/no%20name"), 422, "bad_request")


def test_all_its_jobs_are_taken_or_none(api: httpx.Client, desk: Desk) -> None:
    spec = Path(desk.settings.specs) / "train.yaml"
    spec.write_text('command: [echo, "{n}"]\nparameters:\n  n: {type: int, max: 9}\n')
    spec.chmod(0o600)
    wrong = api.post("/sweeps", json={"spec": "train", "parameters": {"n": [1, 2, 10]}})
    assert refused(wrong, 422, "bad_parameters").startswith("setting 3: parameter 'n'")
    assert [(one["code"], one["name"]) for one in wrong.json()["problems"]] == [("out_of_range", "n")]
    refused(api.post("/sweeps", json={"spec": "nothing", "parameters": {"n": [1]}}), 404, "no_spec")
    refused(api.post("/sweeps", json={**HELD, "parameters": {"a": "int:1..1000000000"}}), 422, "bad_request")
    refused(api.post("/sweeps", json={**HELD, "parameters": {"a": [1]}, "target": "mars"}), 422, "usage")
    assert api.get("/jobs").json()["jobs"] == api.get("/sweeps").json()["sweeps"] == []
    made = swept(api, spec="train", parameters={"n": "int:1..3"}, target="a", options={"tags": {"k": "v"}})
    assert over(api, made["name"])["counts"] == {"succeeded": 3}
    found = jobs(api, made["name"], tag="k=v", spec="train", state="succeeded")
    assert [job["parameters"] for job in found] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_so_many_jobs_of_an_owner_wait_or_run_and_no_more(api: httpx.Client, desk: Desk) -> None:
    api.headers.update(bearer(desk, "bob", limits=Limits(queued=3)))
    late = api.post("/sweeps", json={**HELD, "parameters": {"a": "int:1..4"}})
    assert refused(late, 429, "too_many_queued") and int(late.headers["retry-after"]) > 0
    assert api.get("/sweeps").json()["sweeps"] == []
    swept(api, name="fits", **HELD, parameters={"a": "int:1..3"})
    refused(api.post("/sweeps", json={**HELD, "parameters": {"a": [1]}}), 429, "too_many_queued")
    api.post("/sweeps/fits/cancel")
    assert over(api, "fits")["counts"] == {"cancelled": 3}
    swept(api, name="next", **HELD, parameters={"a": [1]})
    refused(api.post("/sweeps/fits/retry", json={"states": ["cancelled"]}), 429, "too_many_queued")


def test_a_name_is_taken_once_and_the_same_under_one_key_too(api: httpx.Client, tmp_path: Path) -> None:
    said = {
        "name": "once",
        "command": f"echo {{a}} >> {tmp_path}/ran",
        "parameters": {"a": [1, 2]},
        "target": "a",
        "options": {"delay": 0.001},
    }
    key = {"idempotency-key": "k"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("/sweeps", json=said, headers=key), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert all(answer.json()["settings"] == 2 for answer in answers)
    refused(api.post("/sweeps", json={**said, "target": "b"}, headers=key), 409, "conflict")
    refused(api.post("/sweeps", json=said), 409, "exists")
    refused(api.post("/sweeps", json=said, headers={"idempotency-key": "other"}), 409, "exists")
    over(api, "once")
    assert sorted((tmp_path / "ran").read_text().split()) == ["1", "2"]


def test_what_has_not_ended_is_cancelled_wherever_it_is(api: httpx.Client) -> None:
    swept(api, name="c", command="[ {n} = 1 ] && exit 3; sleep 1000", parameters={"n": "int:1..6"}, target="any:@both")
    until(lambda: {"running", "failed"} <= {job["state"] for job in jobs(api, "c")}, "that some run")
    answer = api.post("/sweeps/c/cancel", json={"grace": 0})
    assert answer.status_code == 200 and answer.json()["name"] == "c"
    assert over(api, "c")["counts"] == {"cancelled": 5, "failed": 1}
    assert api.post("/sweeps/c/cancel").json()["counts"] == {"cancelled": 5, "failed": 1}
    refused(api.post("/sweeps/nothing/cancel"), 404, "unknown_sweep")


def test_what_has_failed_runs_again_where_it_was(api: httpx.Client, tmp_path: Path) -> None:
    good = tmp_path / "good"
    command = f"echo {{n}} >> {tmp_path}/ran; [ {{n}} = 1 ] || [ -e {good} ]; code=$?; echo loss={{n}}; exit $code"
    swept(api, name="r", command=command, parameters={"n": "int:1..5"}, target="any:@both")
    assert over(api, "r")["counts"] == {"succeeded": 1, "failed": 4}
    before = {job["id"]: job["at"] for job in jobs(api, "r")}
    assert len(results(api, "r")["results"]) == 5
    good.touch()
    assert api.post("/sweeps/r/retry").status_code == 200
    assert over(api, "r")["counts"] == {"succeeded": 5}
    after = jobs(api, "r")
    assert {job["id"]: job["at"] for job in after} == before
    assert sorted(job["attempt"] for job in after) == [1, 2, 2, 2, 2]
    assert sorted((tmp_path / "ran").read_text().split()) == sorted("1" + "2345" * 2)
    assert {one["state"] for one in results(api, "r", best="min:loss")["results"]} == {"succeeded"}
    assert api.post("/sweeps/r/retry").json()["counts"] == {"succeeded": 5}  # there is nothing to do
    refused(api.post("/sweeps/r/retry", json={"states": ["running"]}), 422, "bad_request")


def test_many_run_again_by_few_questions(
    api: httpx.Client, desk: Desk, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one whose record is gone is lost, and keeps no other from that."""
    swept(api, name="m", argv=["false", "{n}"], parameters={"n": "int:1..40"}, target="a")
    over(api, "m")
    gone = jobs(api, "m")[7]
    with machines["a"].client() as asking:
        assert asking.ask("clean", jobs=[[gone["at"]["id"]] * 2])["changed"]
    asked: list[str] = []
    sessions = desk.office._sessions
    call = sessions.call

    def counted(name: str, *more: Any) -> Any:
        asked.append(name)
        return call(name, *more)

    monkeypatch.setattr(sessions, "call", counted)
    assert api.post("/sweeps/m/retry").status_code == 200
    assert over(api, "m")["counts"] == {"failed": 39, "lost": 1}
    assert [job["attempt"] for job in jobs(api, "m", state="failed")] == [2] * 39
    assert len(asked) <= 45, len(asked)


TRAIN = (
    'n={n}; echo "epoch $n loss: 0.$((5 - n))"; echo "acc=0.5"; [ {n} = 4 ] && echo "loss=nan"; '
    '[ {n} = 3 ] && echo "loss=0.0001" && exit 1; true'
)


def test_results_are_a_table_sorted_by_whatever_is_asked_for(api: httpx.Client) -> None:
    swept(api, name="t", command=TRAIN, parameters={"n": "int:1..4", "kind": ["x,y", '=1+"1"']}, target="any:@both")
    over(api, "t")
    found = results(api, "t", best="min:loss")
    assert (found["parameters"], found["metrics"]) == (["n", "kind"], ["epoch", "loss", "acc"])
    losses = [(one["parameters"]["n"], one["metrics"]["loss"], one["state"]) for one in found["results"]]
    assert losses[0] == ("2", 0.3, "succeeded") and losses[2] == ("1", 0.4, "succeeded")
    assert {one[0] for one in losses[4:]} == {"3", "4"}  # who failed, and nan, are behind
    assert found["best"] == found["results"][0]["job"] and found["unread"] == 0
    assert [one["metrics"]["loss"] for one in found["results"] if one["parameters"]["n"] == "4"] == ["nan"] * 2
    assert [one["number"] for one in results(api, "t", sort="-number", limit=2)["results"]] == [8, 7]
    assert [one["parameters"]["n"] for one in results(api, "t", sort="n")["results"]] == sorted("1234" * 2)
    assert {one["parameters"]["n"] for one in results(api, "t", state="failed")["results"]} == {"3"}
    assert results(api, "t", sort="nobody", best="min:nix")["best"] is None
    for wrong in ({"best": "loss"}, {"best": "min:"}, {"limit": 0}, {"state": "asleep"}):
        refused(api.get("/sweeps/t/results", params=wrong), 422, "bad_request")
    table = api.get("/sweeps/t/results", params={"sort": "number"}, headers={"accept": "text/csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8" and table.headers["vary"] == "accept"
    assert table.headers["content-disposition"] == 'attachment; filename="t.csv"'
    head, *rows = csv.reader(io.StringIO(table.text))
    assert head == ["number", "target", "job_id", "state", "seconds", "n", "kind", "epoch", "loss", "acc"]
    assert [row[0] for row in rows] == list("12345678") and [row[6] for row in rows[:2]] == ["x,y", '=1+"1"']
    assert int(rows[0][2]) == jobs(api, "t")[0]["id"] and rows[0][1] in ("a", "b")


def test_numbers_of_ends_are_read_once_and_need_their_machine_no_more(
    api: httpx.Client, desk: Desk, machines: dict[str, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    measured = Office.measured

    def counted(office: Office, target: str, attempts: Any) -> Any:
        read.extend(attempts)
        return measured(office, target, attempts)

    monkeypatch.setattr(Office, "measured", counted)
    gate = tmp_path / "gate"
    command = f"echo loss=0.{{n}}; [ {{n}} = 1 ] || until [ -e {gate} ]; do sleep 0.02; done"
    swept(api, name="o", command=command, parameters={"n": [1, 2]}, target="b")
    one, two = jobs(api, "o")
    ended(api, one["id"])
    until(lambda: results(api, "o")["metrics"] == ["loss"] and len(read) >= 2, "that both have been looked at")
    until(lambda: results(api, "o")["results"][1]["metrics"] == {"loss": 0.2}, "what runs is looked at again and again")
    gate.touch()
    ended(api, two["id"])
    assert results(api, "o")["results"][1]["metrics"] == {"loss": 0.2}
    before = list(read)
    assert [number for number, _ in before].count(jobs(api, "o")[0]["at"]["id"]) == 1
    pid = machines["b"].manager_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert [row["metrics"] for row in results(api, "o", best="min:loss")["results"]] == [
            {"loss": 0.1},
            {"loss": 0.2},
        ]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert read == before


def test_one_question_reads_so_much_and_says_what_is_left(
    api: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "AT_ONCE", 2)
    monkeypatch.setattr(outcomes, "PATIENCE", -1.0)
    swept(api, name="p", command="echo loss={n}", parameters={"n": "int:1..5"}, target="a")
    over(api, "p")
    assert [results(api, "p")["unread"] for _ in range(4)] == [3, 1, 0, 0]
    assert [row["metrics"] for row in results(api, "p")["results"]] == [{"loss": n} for n in range(1, 6)]


def test_where_a_machine_does_not_say_what_was_printed_the_rest_is_there(
    api: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sjs.errors import Unreachable

    swept(api, name="half", command="echo loss=1{n}; sleep 0.2", parameters={"n": "int:1..4"}, target="any:@both")
    over(api, "half")
    there = [job["at"]["target"] for job in jobs(api, "half")]
    measured = Office.measured

    def away(office: Office, target: str, attempts: Any) -> Any:
        if target == "b":
            raise Unreachable("nobody answers")
        return measured(office, target, attempts)

    with monkeypatch.context() as patch:
        patch.setattr(Office, "measured", away)
        found = results(api, "half")
        assert found["troubles"] == (["b: nobody answers"] if "b" in there else [])
        assert found["unread"] == there.count("b")
        assert [bool(row["metrics"]) for row in found["results"]] == [name == "a" for name in there]
    assert results(api, "half")["unread"] == 0


def test_whatever_is_in_a_value_no_shell_runs_it(api: httpx.Client, tmp_path: Path) -> None:
    nasty = [f"$(touch {tmp_path}/1)", f"'; touch {tmp_path}/2; '", f'"; touch {tmp_path}/3', f"`touch {tmp_path}/4`"]
    swept(api, name="q", command="printf %s {v} \"{v}\" '{v}'", parameters={"v": nasty}, target="a")
    swept(api, name="w", argv=["printf", "%s", "{v}"], rows=[{"v": one} for one in nasty], target="a")
    over(api, "q")
    over(api, "w")
    for name, times in (("q", 3), ("w", 1)):
        said = [api.get(f"/jobs/{job['id']}/logs").text for job in jobs(api, name)]
        assert said == [one * times for one in nasty]
    assert list(tmp_path.glob("[0-9]")) == []


def test_a_number_stays_what_it_is(api: httpx.Client) -> None:
    """Whole ones also where a float would be another."""
    numbers = [2**64, 2**63 - 1, -(10**30), 0.1, 1e-7, True, 3.0]
    made = swept(api, argv=["true", "{n}"], parameters={"n": numbers}, options={"hold": True})
    found = [job["parameters"]["n"] for job in jobs(api, made["name"])]
    assert found == [str(2**64), str(2**63 - 1), str(-(10**30)), "0.1", "1e-07", "true", "3.0"]
    asked = api.get(f"/sweeps/{made['name']}").json()["asked"]["parameters"]["n"]
    assert [*map(repr, asked)] == [*map(repr, numbers)]
    digits = '{"command": "x {n}", "parameters": {"n": [' + "9" * 5_000 + "]}}"
    refused(api.post("/sweeps", content=digits, headers={"content-type": "application/json"}), 400, "http")


def test_its_events_are_told_apart(api: httpx.Client) -> None:
    swept(api, name="e", command="true {n}", parameters={"n": [1, 2]}, target="a")
    alone = submit(api, "true", target="a")
    swept(api, name="f", **HELD, parameters={"a": [1]}, target="a")
    over(api, "e")
    ended(api, alone)
    found = api.get("/events", params={"after": 0, "sweep": "e"}).json()["events"]
    assert {event["data"]["id"] for event in found} == {job["id"] for job in jobs(api, "e")}
    ends = api.get("/events", params={"after": 0, "sweep": "e", "kind": "job.ended"}).json()["events"]
    assert len(ends) == 2
    refused(api.get("/events", params={"sweep": "nothing"}), 404, "unknown_sweep")
    stream = {"accept": "text/event-stream"}
    with api.stream("GET", "/events", params={"after": 0, "sweep": "f"}, headers=stream) as told:
        lines = told.iter_lines()
        first = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
        assert first["data"]["id"] == jobs(api, "f")[0]["id"]
        api.post("/sweeps/f/cancel")
        seen = [json.loads(line[6:]) for line, _ in zip(lines, range(4), strict=False) if line.startswith("data: ")]
        assert [one["type"] for one in seen] == ["job.ended"]


def test_jobs_are_listed_by_sweep_and_tag(api: httpx.Client) -> None:
    tags = {"options": {"hold": True, "tags": {"who": "me", "of": "a=b"}}}
    swept(api, name="s", command="true {a}", parameters={"a": [1, 2]}, **tags)
    alone = submit(api, "true", **tags)
    submit(api, "true", options={"hold": True})
    assert len(jobs(api, "s")) == 2 and jobs(api, "nothing") == []
    found = api.get("/jobs", params={"tag": ["who=me", "of=a=b"]}).json()["jobs"]
    assert [job["sweep"] for job in found] == [None, "s", "s"] and found[0]["id"] == alone
    assert [job["parameters"] for job in found] == [None, {"a": "2"}, {"a": "1"}]
    assert api.get("/jobs", params={"tag": "of=a"}).json()["jobs"] == []
    refused(api.get("/jobs", params={"tag": "who"}), 422, "bad_request")
    for page in (2, 1):
        shown = api.get("/jobs", params={"sweep": "s", "limit": page}).json()
        assert len(shown["jobs"]) == page and (shown["next"] is None) == (page == 2)


def test_who_may_not_is_told_so_and_what_is_not_theirs_is_not_there(desk: Desk) -> None:
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        said: Mapping[str, Any] = {"name": "mine", **HELD, "parameters": {"a": [1]}}
        with client(port, bearer(desk, "ann", ["submit", "raw", "read"])) as ann:
            swept(ann, **said)
            refused(ann.post("/sweeps/mine/cancel"), 403, "forbidden")
        with client(port, bearer(desk, "bob", ["submit", "read", "cancel"])) as bob:
            refused(bob.post("/sweeps", json=said), 403, "forbidden")
            for owner in ({}, {"owner": "ann"}):
                for path in ("", "/results"):
                    refused(bob.get(f"/sweeps/mine{path}", params=owner), 404, "unknown_sweep")
                for verb in ("cancel", "retry"):
                    refused(bob.post(f"/sweeps/mine/{verb}", params=owner), 404, "unknown_sweep")
            assert bob.get("/sweeps").json()["sweeps"] == [] and jobs(bob, "mine") == []
            refused(bob.get("/sweeps", params={"owner": "ann"}), 403, "forbidden")
            refused(bob.get("/jobs", params={"sweep": "mine", "owner": "ann"}), 403, "forbidden")
            refused(bob.get("/events", params={"sweep": "mine"}), 404, "unknown_sweep")
            refused(bob.get("/events", params={"sweep": "mine", "owner": "ann"}), 403, "forbidden")
        with client(port, bearer(desk, "cid", ["submit", "raw", "read", "cancel", "admin"])) as cid:
            refused(cid.get("/sweeps/mine"), 404, "unknown_sweep")
            swept(cid, **said)
            assert {one["owner"] for one in cid.get("/sweeps").json()["sweeps"]} == {"ann", "cid"}
            assert len(cid.get("/sweeps", params={"owner": "ann"}).json()["sweeps"]) == 1
            assert [job["owner"] for job in jobs(cid, "mine")] == ["cid"]
            assert [job["owner"] for job in jobs(cid, "mine", owner="ann")] == ["ann"]
            assert len(cid.get("/jobs", params={"owner": "ann"}).json()["jobs"]) == 1
            told = cid.get("/events", params={"after": 0, "sweep": "mine", "owner": "ann"}).json()["events"]
            assert {event["data"]["owner"] for event in told} == {"ann"}
            assert cid.post("/sweeps/mine/cancel", params={"owner": "ann"}).json()["owner"] == "ann"
            assert cid.get("/sweeps/mine").json()["counts"] == {"queued": 1}


SENSELESS: list[dict[str, Any]] = [
    {},
    {"command": "x"},
    {"parameters": {"a": [1]}},
    {"command": "x", "argv": ["x"], "parameters": {"a": [1]}},
    {"command": "x", "parameters": {}},
    {"command": "x", "parameters": {"a": []}},
    {"command": "x", "parameters": {"a": None}},
    {"command": "x", "parameters": {"a": [None]}},
    {"command": "x", "parameters": {"a": [[1]]}},
    {"command": "x", "parameters": {"a": {"b": 1}}},
    {"command": "x", "parameters": {"a;b": [1]}},
    {"command": "x", "parameters": {"a": [float("inf")]}},
    {"command": "x", "parameters": {"a": ["\0"]}},
    {"command": "x", "parameters": {"a": ["\ud800"]}},
    {"command": "x", "parameters": {"a": [1]}, "name": "../x"},
    {"command": "x", "parameters": {"a": [1]}, "name": "all"},
    {"command": "x", "parameters": {"a": [1]}, "samples": 0},
    {"command": "x", "parameters": {"a": [1]}, "samples": 10**9},
    {"command": "x", "parameters": {"a": [1]}, "seed": -1},
    {"command": "x", "rows": []},
    {"command": "x", "rows": [{"a": 1}, {}]},
    {"command": "x {b}", "parameters": {"a": [1]}},
    {"command": "x `{a}`", "parameters": {"a": [1]}},
    {"command": "x {a}", "parameters": {"a": [1]}, "options": {"cpus": -1}},
    {"command": "x {a}", "parameters": {"a": [1]}, "options": {"snapshot": True}},
    {"spec": "x", "parameters": {"a": [1]}, "argv": ["x"]},
    {"command": "x {a}", "parameters": {"a": [1]}, "nonsense": 1},
]


def test_what_makes_no_sense_is_refused(api: httpx.Client) -> None:
    for said in SENSELESS:
        answer = api.post("/sweeps", content=json.dumps(said), headers={"content-type": "application/json"})
        assert answer.status_code == 422 and answer.json()["detail"], (said, answer.text)
    assert api.get("/jobs").json()["jobs"] == api.get("/sweeps").json()["sweeps"] == []


def test_who_looks_over_ssh_sees_the_same_sweep(api: httpx.Client, machines: dict[str, Machine]) -> None:
    """Its jobs know which ones they are, as those of the command line do."""
    swept(api, name="seen", command="true {n}", parameters={"n": [1, 2]}, target="a")
    over(api, "seen")
    with machines["a"].client() as asking:
        found = asking.ask("list", sweep="seen")["jobs"]
    assert [one["task"] for one in found] == [
        {**vars(Task("seen", number)), "values": {"n": str(number)}} for number in (1, 2)
    ]
