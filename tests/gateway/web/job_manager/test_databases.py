"""The dialect on the other databases that the gateway can keep its records in."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sjs.config import from_mapping
from sjs.gateway.desk import opened
from sjs.gateway.settings import usual
from sjs.gateway.web.app import of_dialect
from sjs.values import replace
from tests.gateway.databases import SERVERS, server
from tests.gateway.web.conftest import HOST, served
from tests.gateway.web.job_manager.client import Client

NAME = "ü/😀 '\"\\%s.dat"


@pytest.mark.parametrize("kind", SERVERS)
def test_it_is_the_same_on_another_database(kind: str, tmp_path: Path) -> None:
    if SERVERS[kind] is None:
        pytest.skip(f"no {kind} here, which scripts/test installs")
    with server(kind) as database:
        settings = replace(usual(str(tmp_path)), database=database)
        with (
            opened(settings, from_mapping({}, {}), {}) as desk,
            served(desk, of_dialect(desk, "stages", "web", [HOST], {})) as port,
        ):
            spoken(Client(f"http://{HOST}:{port}"))


def spoken(client: Client) -> None:
    """All that changes something, by several at once."""
    client.post("/set", {str(one): {"jobstage": 1, "jobcmd": NAME * one} for one in range(60)})
    assert client.get("/init/0/0/60/0") == '{"0": 0, "1": 0, "2": 60, "3": 0}'
    assert client.get("/lifetime/2/90") == "Job stage: 2; lifetime: 90 minutes"
    given: list[int] = []

    def work() -> None:
        while (found := json.loads(client.get("/get/1"))) != "nada":
            assert found["jobcmd"] == NAME * found["jobid"]
            given.append(found["jobid"])
            client.post(f"/update_job/{found['jobid']}/3", {"filename": f"{found['jobid']}{NAME}"})

    workers = [threading.Thread(target=work) for _ in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sorted(given) == list(range(60))
    assert json.loads(client.get("/check_stages/2/1"))["n_bad_jobs were degraded:"] == 0
    page = client.get("/get")
    assert '<span id="progress_total">60/60</span>' in page and "<bdi>59ü/😀 &#x27;&quot;\\%s.dat</bdi>" in page
