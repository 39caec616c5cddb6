"""What clients of job_manager suffered from."""

from __future__ import annotations

import json
import os
import random
import threading
import zlib
from collections import Counter
from collections.abc import Sequence

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.records.stages import pipelines
from sjs.gateway.records.stages.pipelines import Definition
from sjs.gateway.records.stages.values import FLAG, MOST_ITEMS, Stage
from sjs.values import replace
from tests.gateway.web.job_manager.client import PACKED, Client
from tests.live.machine import until

JOBS = 10_000 if os.environ.get("SJS_JOB_MANAGER_LONG") else 400
WORKERS = 64

CHECK = "Are all simulations within time frame?"
DEGRADED = "n_bad_jobs were degraded:"


def lasting(desk: Desk, client: Client, *seconds: float) -> None:
    """Lifetimes that no client of job_manager can say: of less than a minute."""
    stages = [Stage(lifetime=one, over=FLAG) for one in seconds]
    said = Definition("web", f"jobix-{client.jobix}", stages, is_loose=True)
    desk.write(lambda connection: pipelines.define(connection, said, 0.0))


def check(client: Client) -> int:
    found = json.loads(client.get("/check_stages"))
    assert list(found) == [CHECK]
    number = found[CHECK]
    assert isinstance(number, int)
    return number


def at_once(works: Sequence[threading.Thread]) -> None:
    for one in works:
        one.start()
    for one in works:
        one.join()


def test_no_job_is_given_to_two_of_many_workers(mine: Client) -> None:
    """It was read, and then written: two who asked at the same time had the same job."""
    mine.post("/set", {str(one): {"jobstage": 0, "jobcmd": one} for one in range(JOBS)})
    given: list[int] = []

    def work() -> None:
        while (found := json.loads(mine.get("/get/0"))) != "nada":
            assert found["jobcmd"] == found["jobid"]
            given.append(found["jobid"])
            mine.get(f"/update_job/{found['jobid']}/2")

    at_once([threading.Thread(target=work) for _ in range(WORKERS)])
    assert sorted(given) == list(range(JOBS))
    assert check(mine) == 1 + 100 * JOBS
    assert f'<progress id="stagebar 2" aria-label="Stage 2" value="{JOBS}" max="{JOBS}">' in mine.get("/get")


def test_what_dead_workers_had_is_done_by_others(mine: Client, at_desk: Desk) -> None:
    """Each fifth worker takes a job and is never heard of again; the master puts back what has expired."""
    jobs = JOBS // 4
    lasting(at_desk, mine, 0, 0, 2, 0)
    mine.post("/set", {str(one): {"jobstage": 1} for one in range(jobs)})
    done: Counter[int] = Counter()
    dead: set[int] = set()
    chance = random.Random(4)

    def work() -> None:
        while (found := json.loads(mine.get("/get/1"))) != "nada":
            if chance.random() < 0.2 and found["jobid"] not in dead:
                dead.add(found["jobid"])
                return
            done[found["jobid"]] += 1
            mine.get(f"/update_job/{found['jobid']}/3")

    while len(done) < jobs:
        at_once([threading.Thread(target=work) for _ in range(WORKERS)])
        if set(done) | dead == set(range(jobs)):
            until(lambda: f"Expired jobs: {jobs - len(done)}<" in mine.get("/get"), "all that dead workers had")
            degraded = json.loads(mine.get("/check_stages/2/1"))
            assert degraded == {CHECK: 0 if len(done) < jobs else 1 + 100 * jobs, DEGRADED: jobs - len(done)}
    assert dead and set(done.values()) == {1}


def test_jobs_of_a_jobix_are_its_own(mine: Client) -> None:
    """A job of one was handed to the other, and the same number could not be used twice."""
    other = replace(mine, jobix=f"-{mine.jobix}")
    mine.get("/init/1/1")
    for one in (mine, other):
        one.post("/set", {"7": {"jobstage": 0, "jobcmd": one.jobix}})
    assert other.get("/init") == "{}"
    for one in (mine, other):
        found = json.loads(one.get("/get/0"))
        assert (found["jobcmd"], found["jobix"]) == (one.jobix, int(str(one.jobix)))
        assert one.get("/get/0") == '"nada"'
    mine.get("/update_job/7/0")
    assert other.get("/get/0") == '"nada"'
    assert json.loads(mine.get("/get/0"))["jobid"] == 7


def test_the_same_number_may_be_written_in_many_ways(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0}})
    assert json.loads(replace(mine, jobix=f"+0{mine.jobix}").get("/get/0"))["jobix"] == mine.jobix


def test_a_job_expires_though_nobody_asks(mine: Client, at_desk: Desk) -> None:
    """It was seen when somebody looked."""
    lasting(at_desk, mine, 0, 0.2)
    expired = at_desk.steps["expired"]
    mine.post("/set", {"1": {"jobstage": 0}})
    mine.get("/get/0")
    until(lambda: at_desk.steps["expired"] > expired, "the timer")
    assert check(mine) == 0


def test_the_check_is_0_if_any_has_expired_and_only_then(mine: Client, at_desk: Desk) -> None:
    """An expired job with one behind it that never expires came to 100, and was not put back."""
    lasting(at_desk, mine, 0, 0, 0.2, 0)
    mine.post("/set", {"1": {"jobstage": 2}, "2": {"jobstage": 3}, "3": {"jobstage": 9}})
    until(lambda: check(mine) == 0, "the end of a job's time")
    assert check(mine) == 0
    page = mine.get("/get")
    assert page.index("Expired jobs: 1") < page.index('id="jobid 1"') and "Jobs: 2" in page
    assert json.loads(mine.get("/check_stages/2/1")) == {CHECK: 0, DEGRADED: 1}
    assert json.loads(mine.get("/check_stages/2/1")) == {CHECK: 301, DEGRADED: 0}
    assert json.loads(mine.get("/get/1"))["jobid"] == 1


def test_whoever_gets_or_updates_a_job_has_it_anew(mine: Client, at_desk: Desk) -> None:
    lasting(at_desk, mine, 0.2, 0, 0.2, 0)
    mine.post("/set", {"1": {"jobstage": 0}})
    until(lambda: check(mine) == 0, "the end of a job's time")
    assert json.loads(mine.get("/get/0"))["jobid"] == 1
    assert check(mine) == 101
    mine.get("/update_job/1/2")
    assert check(mine) == 1
    until(lambda: check(mine) == 0, "the end of a job's time")
    mine.get("/update_job/1/3")
    assert check(mine) == 101


def test_a_lifetime_that_is_changed_counts_for_who_is_there(mine: Client, at_desk: Desk) -> None:
    lasting(at_desk, mine, 0, 0.5)
    mine.post("/set", {"1": {"jobstage": 1}, "2": {"jobstage": 0}})
    mine.get("/lifetime/1/60")
    assert check(mine) == 101
    lasting(at_desk, mine, 0.1, 3600)
    until(lambda: check(mine) == 0, "the end of the other's time")


def test_the_first_of_many_who_say_lifetimes_has_said_them(mine: Client) -> None:
    found: list[str] = []

    def say(minutes: int) -> None:
        found.append(mine.get(f"/init/{minutes}/{minutes}"))

    at_once([threading.Thread(target=say, args=(one,)) for one in range(1, 17)])
    assert len(found) == 16 and len(set(found)) == 1
    assert mine.get("/init") == found[0]


def test_many_change_lifetimes_at_a_time(mine: Client) -> None:
    at_once(
        [threading.Thread(target=mine.get, args=(f"/lifetime/{one}/{one + 1}",)) for one in range(16)],
    )
    assert json.loads(mine.get("/init")) == {str(one): one + 1 for one in range(16)}


@pytest.mark.parametrize(
    "path",
    ["/init/5270401", "/lifetime/1/5270401", "/lifetime/1000/1", "/get/1000", "/get/0/1000"]
    + ["/update_job/1/1000", f"/update_job/1/{10**17}", "/init" + "/1" * 1_001],
)
def test_what_is_too_much_is_said(mine: Client, path: str) -> None:
    mine.post("/set", {"1": {"jobstage": 0}})
    answer = mine.ask(path)
    assert answer.status == 400 and "<p>" in answer.text
    assert mine.get("/init") == "{}"
    assert json.loads(mine.get("/get/0"))["jobid"] == 1


@pytest.mark.parametrize("depth", [100, 800, 900, 940, 960, 980, 1_000, 5_000, 100_000])
def test_a_command_is_as_deep_as_it_was_or_is_not_there(mine: Client, depth: int) -> None:
    """How deep is too deep is Python's to say; nobody is given a job that he cannot be told of."""
    command = f"{'[' * depth}{']' * depth}"
    answer = mine.ask("/set", f'{{"1": {{"jobstage": 0, "jobcmd": {command}}}}}'.encode())
    found = mine.get("/get/0")
    if answer.status == 200:
        assert found == f'{{"jobid": 1, "jobcmd": {command}, "jobstage": 0, "jobix": {mine.jobix}}}'
    else:
        assert (answer.status, found) == (400, '"nada"') and depth > 100


def test_more_jobs_than_come_at_once_come_all(mine: Client) -> None:
    """Whoever has sent a part of them before, or all, says them again."""
    jobs = {str(one): {"jobstage": 0} for one in range(MOST_ITEMS + 10)}
    mine.post("/set", {"0": {"jobstage": 3}, str(MOST_ITEMS): {"jobstage": 3}})
    for _ in range(2):
        assert mine.post("/set", jobs) == f"Accepted to {mine.jobix}!"
        assert check(mine) == 1 + 100 * (MOST_ITEMS + 10)
    assert f'aria-label="Stage 3" value="2" max="{MOST_ITEMS + 10}"' in mine.get("/get")


def test_a_command_has_a_limit(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0, "jobcmd": "x" * 1_000_000}})
    body = zlib.compress(json.dumps({"2": {"jobstage": 0, "jobcmd": "x" * 1_100_000}}).encode())
    assert mine.ask("/set", body, PACKED).status == 413
    assert len(json.loads(mine.get("/get/0"))["jobcmd"]) == 1_000_000
    assert mine.get("/get/0") == '"nada"'
