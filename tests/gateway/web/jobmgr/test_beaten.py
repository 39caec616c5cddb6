"""What jobmgr did wrong, or says itself that it can not do: its faults, each asked for."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.desk import Desk
from sjs.gateway.records import artifacts, jobs, outputs
from sjs.gateway.records.artifacts import Artifact
from sjs.gateway.web.doors import Door
from tests.gateway.artifacts import servers
from tests.gateway.serving.program import Gateway
from tests.gateway.web.jobmgr.client import Client
from tests.gateway.web.jobmgr.conftest import Specs
from tests.live.machine import Machine, until

LONG = bool(os.environ.get("SJS_JOBMGR_LONG"))


def test_an_artifact_without_an_extension_crashes_nothing(jobmgr: Client, specs: Specs) -> None:
    """The whole server ended, and its job was `started` for ever."""
    specs.shell("plain", 'echo "$JOBMGR_PARAMETER_S" > "$JOBMGR_ARTIFACTS_DIR/plain"', s="string")
    for text in ("one", "two"):
        found = jobmgr.run("plain", s=text)
        assert [(one["name"], one["mime"]) for one in found["artifacts"]] == [("plain", "application/octet-stream")]
        assert jobmgr.fetch(found["artifacts"][0]["id"]).body == f"{text}\n".encode()


def has_ended(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def is_gone(machine: Machine, number: int) -> bool:
    """All that a job has left there."""
    return not list(machine.state.glob(f"jobs/*/{number}.*"))


def test_a_grandchild_ends_with_its_job_when_the_time_is_over(jobmgr: Client, specs: Specs, tmp_path: Path) -> None:
    """It held stdout, and so the only worker, for as long as it liked."""
    for name in ("far", "near"):
        (tmp_path / f"{name}.sh").write_text(f"echo $$ > {tmp_path}/{name}; exec sleep 600")
    members = tmp_path / "far", tmp_path / "near"
    for seconds in (1, 4, 16):  # until they have time to begin
        specs.shell("family", f"setsid sh {tmp_path}/far.sh & sh {tmp_path}/near.sh & wait", timeout=f"{seconds}s")
        assert jobmgr.first_line("family") == "signal: killed"
        if all(one.exists() and one.read_text() for one in members):
            break
    for one in members:
        until(partial(has_ended, int(one.read_text())), f"the end of {one.name}")


def test_whoever_comes_in_any_moment_is_not_forgotten(jobmgr: Client, specs: Specs) -> None:
    """A job could lie there until the next one came."""
    specs.shell("little", 'echo "$JOBMGR_PARAMETER_N"', n="int")
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: jobmgr.start("little", n=str(n)), range(48)))
    assert len(set(numbers)) == 48
    for n, number in enumerate(numbers):
        found = jobmgr.ended(number)
        assert (found["job"]["status"], found["result"]) == ("completed", f"{n}\n")


def test_jobs_run_on_several_machines_at_the_same_time(
    jobmgr: Client, specs: Specs, at_desk: Desk, tmp_path: Path
) -> None:
    """There was one worker, in the server itself."""
    specs.shell("parallel", f"touch {tmp_path}/$$; while [ $(ls {tmp_path} | wc -l) -lt 4 ]; do sleep 0.05; done")
    numbers = [jobmgr.start("parallel") for _ in range(4)]
    assert {jobmgr.ended(number)["job"]["status"] for number in numbers} == {"completed"}
    with at_desk._engine.connect() as connection:
        rows = [jobs.get(connection, number) for number in numbers]
    assert {row.target for row in rows if row is not None} == {"a", "b"}


def test_long_output_is_no_error(jobmgr: Client, specs: Specs) -> None:
    """What is longer than 64 KiB was an error of the database, over which the server ended."""
    specs.shell("long", "head -c $JOBMGR_PARAMETER_N /dev/zero | tr '\\\\0' x".replace("'", '"'), n="int")
    assert jobmgr.run("long", n="1000000")["result"] == "x" * 1_000_000
    found = jobmgr.run("long", n=str(outputs.MOST + 300_000))
    assert found["job"]["status"] == "completed"
    assert found["result"] == "x" * outputs.MOST + f"\n… there was more; {outputs.MOST} bytes are kept\n"


def test_sizes_have_64_bits(jobmgr: Client, specs: Specs, at_desk: Desk) -> None:
    size = 2**31
    specs.shell("large", 'truncate -s $JOBMGR_PARAMETER_N "$JOBMGR_ARTIFACTS_DIR/large"', n="int")
    if LONG:
        found = jobmgr.ended(jobmgr.start("large", n=str(size)), seconds=600)
        assert [one["size"] for one in found["artifacts"]] == [size]
    number = jobmgr.start("large", n="0")
    jobmgr.ended(number)
    of = artifacts.Leaving(number, "web", "a", 1, 1, "succeeded", "", "")
    more = Artifact("more", "", 2**62, "", "u", "x/1/u")
    at_desk.write(lambda connection: artifacts.add(connection, of, [more], 1.0))
    assert [one["size"] for one in jobmgr.get(number)["artifacts"]] == [0, 2**62]


def test_what_is_said_of_a_job_does_not_need_its_machine_any_more(
    jobmgr: Client, specs: Specs, machines: dict[str, Machine], at_desk: Desk
) -> None:
    specs.shell("gone", 'echo out; echo artifact > "$JOBMGR_ARTIFACTS_DIR/a.txt"; exit "$JOBMGR_PARAMETER_N"', n="int")
    well, ill = jobmgr.run("gone", n="0"), jobmgr.run("gone", n="1")
    for found in (well, ill):
        row = at_desk.shelf.get(found["job"]["id"])
        assert row is not None
        machine = machines[row.target]
        with machine.client() as client:
            client.ask("clean", jobs=[[row.number, row.number]])
        until(partial(is_gone, machine, row.number), "what it left is gone")
    assert (jobmgr.get(well["job"]["id"]), jobmgr.get(ill["job"]["id"])) == (well, ill)
    assert well["result"] == "out\n"
    assert jobmgr.fetch(well["artifacts"][0]["id"]).body == b"artifact\n"


def started(gateway: Gateway) -> Client:
    gateway.start()
    said = [line["message"] for line in gateway.log if "the port of jobmgr listens at" in line.get("message", "")]
    return Client(int(said[0].rpartition(":")[2]))


def test_jobs_that_had_started_go_on_over_kill_9_and_their_ends_come(
    machines: dict[str, Machine], tmp_path: Path
) -> None:
    """They were `started` for ever. It is the real program; and links to artifacts are good over its death, too."""
    (tmp_path / "kept" / "jobspecs").mkdir(parents=True)
    go, ran = tmp_path / "go", tmp_path / "ran"
    waits = f"while [ ! -e {go} ]; do sleep 0.05; done"
    script = f'echo $SJS_MANAGER $SJS_JOB_ID >> {ran}; {waits}; echo well; touch "$JOBMGR_ARTIFACTS_DIR/a"'
    specs = Specs(tmp_path / "kept" / "jobspecs")
    specs.shell("lasting", script)
    specs.shell("first", 'echo x > "$JOBMGR_ARTIFACTS_DIR/x.txt"')
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    said = {"dialects": {"jobmgr": {"owner": "web", "listen": "127.0.0.1:0"}}}
    with closing(Gateway(tmp_path, said, managers)) as gateway:
        gateway.token()
        jobmgr = started(gateway)
        artifact = jobmgr.run("first")["artifacts"][0]["id"]
        link = jobmgr.ask("GET", f"/artifacts/download?id={artifact}").headers["location"]
        numbers = [jobmgr.start("lasting") for _ in range(6)]
        until(lambda: [jobmgr.get(n)["job"]["status"] for n in numbers].count("started") == 4, "four starts")
        gateway.stop(signal.SIGKILL)
        jobmgr = started(gateway)
        seen = [jobmgr.get(n)["job"]["status"] for n in numbers]
        assert seen.count("started") == 4 and seen.count("queued") == 2
        assert jobmgr.ask("GET", link).body == b"x\n"
        gateway.stop(signal.SIGKILL)
        go.touch()  # while nobody is there
        jobmgr = started(gateway)
        for number in numbers:
            found = jobmgr.ended(number)
            assert (found["job"]["status"], found["result"]) == ("completed", "well\n")
            assert [one["name"] for one in found["artifacts"]] == ["a"]
    assert len(set(ran.read_text().splitlines())) == len(ran.read_text().splitlines()) == len(numbers)


def test_a_link_may_lead_to_any_s3(at_desk: Desk) -> None:
    """It needed Amazon's. Its own test is that of the stores; here, that who follows a link needs nothing else."""
    with servers.moto() as server:
        store = S3Store(server.settings(), server.environ, pytest.fail)
        store.client.create_bucket(Bucket="artifacts")
        store.put("7/1/u", [b"data"], "text/plain", 4)
        door = Door(store, [], 7_200, lambda name: ("text/csv", 'inline; filename="-"'))
        link = door.link("/artifacts/kept", "7/1/u", "x.csv", "web", "0" * 64)
        store.close()
        assert link.startswith(server.endpoint) and "X-Amz-Expires=7200" in link
        where = link.removeprefix(server.endpoint)
        came = Client(int(server.endpoint.rpartition(":")[2])).ask("GET", where)
    assert (came.status, came.body) == (200, b"data")
    assert came.headers["content-type"] == "text/csv"
    assert came.headers["content-disposition"] == 'inline; filename="-"'
