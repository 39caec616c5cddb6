"""How sweeps over HTTP go on: so many at a time, until too many have failed, without those that are behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.settings import usual
from sjs.results import judge
from tests.gateway.program import listening, prepared
from tests.gateway.program import running as running_gateway
from tests.gateway.web.api.test_jobs import refused
from tests.gateway.web.api.test_sweeps import jobs, over, results, swept
from tests.gateway.web.conftest import bearer, client
from tests.live.machine import DEADLINE, until

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "4"))


def counts(api: httpx.Client, name: str) -> dict[str, int]:
    return dict(api.get(f"/sweeps/{name}").json()["counts"])


def running(api: httpx.Client, name: str) -> list[str]:
    """What those try that run."""
    return [job["parameters"]["n"] for job in jobs(api, name, state="running")]


def gated(folder: Path, then: str = "true") -> str:
    """Each notes that it runs, how many do, and that it does no more, once its gate is open."""
    return (
        f"echo {{n}} >> {folder}/ran; touch {folder}/in.{{n}}; ls {folder} | grep -c ^in >> {folder}/most; "
        f"until [ -e {folder}/gate.{{n}} ]; do sleep 0.02; done; rm {folder}/in.{{n}}; {then}"
    )


def test_so_many_run_at_a_time_and_each_once(api: httpx.Client, tmp_path: Path) -> None:
    """Of four places, and over a cancellation of one that is held back."""
    swept(api, name="s", command=gated(tmp_path), parameters={"n": "int:1..6"}, target="any:@both", max_running=2)
    until(lambda: running(api, "s") == ["1", "2"], "that the first two run")
    found = jobs(api, "s")
    assert [job["at"] is None for job in found] == [False] * 2 + [True] * 4
    assert api.get(f"/jobs/{found[5]['id']}/why").json()["why"] == ["sweep s has 2 jobs at a time (max_running)"]
    (tmp_path / "gate.2").touch()
    until(lambda: running(api, "s") == ["1", "3"], "that the next one takes its place")
    assert api.post(f"/jobs/{found[3]['id']}/cancel").json()["state"] == "cancelled"
    for number in (1, 3, 4, 5, 6):
        (tmp_path / f"gate.{number}").touch()
    assert over(api, "s")["counts"] == {"succeeded": 5, "cancelled": 1}
    assert sorted((tmp_path / "ran").read_text().split()) == ["1", "2", "3", "5", "6"]
    assert max(map(int, (tmp_path / "most").read_text().split())) == 2
    said = api.get("/sweeps/s").json()
    assert (said["max_running"], said["stopped"], said["stop_rule"]) == (2, None, None)


def test_those_that_run_again_take_their_turn_too(api: httpx.Client, tmp_path: Path) -> None:
    command = f"[ -e {tmp_path}/good ] || exit 1; {gated(tmp_path)}"
    swept(api, name="r", command=command, parameters={"n": "int:1..4"}, target="any:@both", max_running=1)
    assert over(api, "r")["counts"] == {"failed": 4}
    before = {job["id"]: job["at"] for job in jobs(api, "r")}
    (tmp_path / "good").touch()
    assert api.post("/sweeps/r/retry").json()["counts"] == {"queued": 4}
    until(lambda: running(api, "r") == ["1"], "that the first one runs")
    last = jobs(api, "r")[3]["id"]
    assert api.post(f"/jobs/{last}/cancel").json()["state"] == "cancelled"
    for number in range(1, 5):
        (tmp_path / f"gate.{number}").touch()
    assert over(api, "r")["counts"] == {"succeeded": 3, "cancelled": 1}
    assert {job["id"]: job["at"] for job in jobs(api, "r")} == before
    assert [job["attempt"] for job in jobs(api, "r")] == [2, 2, 2, 1]
    assert set((tmp_path / "most").read_text().split()) == {"1"}
    api.post(f"/jobs/{last}/retry")
    assert over(api, "r")["counts"] == {"succeeded": 4} and jobs(api, "r")[3]["attempt"] == 2


@pytest.mark.parametrize("limits", [{"max_running": 2}, {}], ids=["held back", "at their targets"])
def test_after_so_many_failures_no_more_begin(api: httpx.Client, tmp_path: Path, limits: dict[str, Any]) -> None:
    """What runs then runs on; what was waiting runs once somebody wants it to, and failures are counted anew."""
    command = gated(tmp_path, f"[ -e {tmp_path}/good ]")
    swept(api, name="f", command=command, parameters={"n": "int:1..9"}, target="a", stop_after_failures=2, **limits)
    until(lambda: running(api, "f") == ["1", "2"], "that its two slots are full")
    (tmp_path / "gate.1").touch()
    until(lambda: running(api, "f") == ["2", "3"], "that the first one has failed, and the next one runs")
    assert api.get("/sweeps/f").json()["stopped"] is None
    (tmp_path / "gate.2").touch()
    until(lambda: "cancelled" in counts(api, "f"), "that it is stopped")
    ran = set((tmp_path / "ran").read_text().split())
    for number in range(3, 10):
        (tmp_path / f"gate.{number}").touch()
    found = over(api, "f")
    assert found["stopped"] == "2 of 2 have failed" and found["stop_after_failures"] == 2
    assert set((tmp_path / "ran").read_text().split()) == ran and len(ran) <= 4  # one may have begun meanwhile
    assert {job["detail"] for job in jobs(api, "f", state="cancelled")} == {"2 of 2 have failed"}
    (tmp_path / "good").touch()
    api.post("/sweeps/f/retry", json={"states": ["cancelled"]})
    found = over(api, "f")
    assert (found["counts"], found["stopped"]) == ({"failed": len(ran), "succeeded": 9 - len(ran)}, None)


def test_a_part_of_those_that_ended_may_fail(api: httpx.Client) -> None:
    said: dict[str, Any] = {"command": "n={n}; [ $((n % 2)) = 0 ]", "parameters": {"n": "int:1..40"}, "target": "a"}
    swept(api, name="p", **said, max_running=1, stop_after_failures="20%")
    found = over(api, "p")
    assert found["counts"] == {"failed": 5, "succeeded": 5, "cancelled": 30}
    assert (found["stopped"], found["stop_after_failures"]) == ("5 of 10 have failed", "20%")


def test_who_is_clearly_behind_is_ended_and_nobody_of_another_sweep_of_that_name(
    api: httpx.Client, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared over both machines; the best is named by the metric that was said. Nobody watches what is over."""
    monkeypatch.setattr(judge, "SLICE", 10 * DEADLINE)
    slow = "[ {n} -lt 90 ] || sleep 0.2"  # who is behind is judged whenever he prints
    steps = f"n={{n}}; for step in $(seq 500); do echo loss=$((n + step)) step $step; {slow}; done"
    late = f"[ {{n}} -lt 90 ] || until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    said: dict[str, Any] = {"name": "j", "command": f"{late}; {steps}", "stop_rule": "median:loss"}
    ann = dict(api.headers)
    api.headers.update(bearer(desk, "bob"))
    swept(api, **said, parameters={"n": [900]}, target="a")
    until(lambda: running(api, "j") == ["900"], "that the other one's runs")
    api.headers.update(ann)
    swept(api, **said, parameters={"n": [1, 2, 3, 90]}, target="any:@both", metric="min:loss")
    until(lambda: counts(api, "j").get("succeeded") == 3, "that the others have ended")
    (tmp_path / "go").touch()
    until(lambda: counts(api, "j").get("cancelled") == 1, "that the one is ended")
    (ended,) = jobs(api, "j", state="cancelled")
    assert ended["parameters"] == {"n": "90"} and ended["detail"].startswith("behind: loss 91 at step ")
    api.headers.update(bearer(desk, "bob"))
    assert running(api, "j") == ["900"]
    api.post("/sweeps/j/cancel", json={"grace": 0})
    api.headers.update(ann)
    assert over(api, "j")["counts"] == {"succeeded": 3, "cancelled": 1}
    found = results(api, "j")
    assert found["results"][0]["parameters"] == {"n": "1"} and found["best"] == found["results"][0]["job"]
    assert results(api, "j", best="max:loss")["best"] == jobs(api, "j")[2]["id"]
    said = api.get("/sweeps/j").json()
    assert (said["metric"], said["stop_rule"], said["asked"]["stop_rule"]) == ("min:loss", "median:loss", "median:loss")
    for one in threading.enumerate():
        if one.name == "sjs judges":
            one.join(DEADLINE)
            assert not one.is_alive()


def test_what_makes_no_sense_is_refused(api: httpx.Client) -> None:
    base = {"command": "true {n}", "parameters": {"n": "int:1..2000"}, "target": "a"}
    for wrong in (
        {"max_running": 0},
        {"stop_after_failures": 0},
        {"stop_after_failures": "0%"},
        {"stop_after_failures": "101%"},
        {"stop_after_failures": "3"},
        {"metric": "loss"},
        {"metric": None},
        {"stop_rule": "median:"},
        {"stop_rule": "median:acc"},
        {"stop_rule": "median:loss,soon=1"},
        {"stop_rule": "median:loss,after=501"},
    ):
        refused(api.post("/sweeps", json={**base, **wrong}), 422, "bad_request")
    assert api.get("/sweeps").json()["sweeps"] == []


def test_whatever_dies_each_runs_once_and_no_more_at_a_time_than_may(said: dict[str, Any], tmp_path: Path) -> None:
    """kill -9 of the gateway each time that some have run; SJS_TEST_ROUNDS=N kills N times."""
    token, door = prepared(usual(str(tmp_path))), listening()
    command = (
        f"echo {{n}} >> {tmp_path}/ran; touch {tmp_path}/in.{{n}}; ls {tmp_path} | grep -c ^in >> {tmp_path}/most; "
        f"sleep 0.2; rm {tmp_path}/in.{{n}}"
    )
    many = {"name": "many", "command": command, "parameters": {"n": f"int:1..{4 * ROUNDS}"}, "max_running": 2}
    few = {"name": "few", "command": f"echo {{n}} >> {tmp_path}/few; exit 1", "parameters": {"n": "int:1..9"}}
    headers = {"authorization": f"Bearer {token}"}
    with door, client(door.getsockname()[1], headers) as api:
        for number in range(ROUNDS):
            with running_gateway(said, str(tmp_path), door) as process:
                if not number:
                    swept(api, **many, target="any:@both")
                    swept(api, **few, target="b", max_running=1, stop_after_failures=3)
                upto = 3 * number + 1
                until(lambda upto=upto: len(lines(tmp_path / "ran")) >= upto, "some have run")  # type: ignore[misc]
                process.kill()
        with running_gateway(said, str(tmp_path), door):
            assert over(api, "many")["counts"] == {"succeeded": 4 * ROUNDS}
            found = over(api, "few")
    assert sorted(lines(tmp_path / "ran")) == list(range(1, 4 * ROUNDS + 1))
    assert max(lines(tmp_path / "most")) <= 2
    assert (found["counts"], found["stopped"]) == ({"failed": 3, "cancelled": 6}, "3 of 3 have failed")
    assert lines(tmp_path / "few") == [1, 2, 3]


def lines(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []
