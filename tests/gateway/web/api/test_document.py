"""All operations keep to the OpenAPI document: asked by schemathesis, which makes requests of it, right and wrong ones.

The targets are drained, so nothing that it hands in is ever run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sjs.gateway import tokens
from sjs.gateway.desk import Desk
from sjs.gateway.identity import entry
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import SCOPES, make
from sjs.gateway.web.app import guarded, native
from tests.gateway.web.api.test_jobs import ended, refused, submit
from tests.gateway.web.api.test_others import leave
from tests.gateway.web.api.test_sweeps import over, swept
from tests.gateway.web.conftest import HOST, client, served
from tests.hanging import patiently
from tests.live.machine import ROOT, Machine

LONG = os.environ.get("SJS_SCHEMATHESIS")
"""How many examples of each operation."""

FEW = ["--phases", "examples,coverage,stateful", "--max-examples", "2", "--generation-deterministic"]
"""Otherwise, always the same ones, and none by chance."""

ENDLESS = Limits(rate=1e6, burst=1_000_000, requests=10_000)

SETTINGS = """\
headers = { Authorization = "Bearer ${SJS_TEST_TOKEN}" }
request-timeout = 30.0
max-redirects = 0
suppress-health-check = ["all"]

[checks]
# a document can not say which specs and targets there are, nor what these take
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "414", "422", "431"]
"""

SHORT = """
[[operations]]
include-name = "POST /api/v1/jobs"
phases.coverage.enabled = false

[[operations]]
include-name = "POST /api/v1/batches"
phases.coverage.enabled = false

[[operations]]
include-name = "POST /api/v1/sweeps"
phases.coverage.enabled = false
"""
"""What a job can be told is so much that each combination of it takes minutes."""

SPEC = """\
description: Says so.
command: [echo, "{word}"]
parameters:
  word: {type: string, default: so, max_length: 10}
  times: {type: int, default: 1, min: 1, max: 9}
"""


@pytest.fixture
def drained(machines: dict[str, Machine]) -> Iterator[None]:
    """Nothing starts meanwhile."""
    yield
    for machine in machines.values():
        with machine.client() as asking:
            asking.ask("cancel", jobs=None)
            asking.ask("undrain")


def drain(machines: dict[str, Machine]) -> None:
    for machine in machines.values():
        with machine.client() as asking:
            asking.ask("drain")


def token(desk: Desk, scopes: tuple[str, ...] = SCOPES, **more: object) -> str:
    """Who may ask as much as he likes."""
    made, shown = make("ann", scopes, time.time() - 10, limits=ENDLESS, **more)  # type: ignore[arg-type]
    desk.write(lambda connection: tokens.add(connection, made))
    return shown.reveal()


def told(port: int, text: str, folder: Path) -> str:
    """What schemathesis has to say. The token is in no argv."""
    (folder / "schemathesis.toml").write_text(SETTINGS + ("" if LONG else SHORT))
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    url = f"http://{HOST}:{port}/api/v1/openapi.json"
    few = ["--max-examples", LONG] if LONG else FEW
    patiently()
    done = subprocess.run(
        [*command, "--config-file", "schemathesis.toml", "run", url, "--no-color", *few],
        env={
            **os.environ,
            "SJS_TEST_TOKEN": text,
            "SCHEMATHESIS_HOOKS": "tests.gateway.web.api.hooks",
            "PYTHONPATH": str(ROOT),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=None if LONG else 900,
    )
    assert done.returncode == 0, done.stdout[-30_000:] + done.stderr[-3_000:]
    return done.stdout


def test_everything_is_as_the_document_says(
    desk: Desk, machines: dict[str, Machine], drained: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may do everything, on a gateway where there is something of each kind."""
    monkeypatch.setattr(entry, "FAILURES", ENDLESS)  # each operation is asked without a token, too
    spec = Path(desk.settings.specs) / "train.yaml"
    spec.write_text(SPEC)
    (Path(desk.settings.specs) / "wrong.yaml").write_text("command: 7\n")
    for path in Path(desk.settings.specs).iterdir():
        path.chmod(0o600)
    text = token(desk)
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
        with client(port, {"authorization": f"Bearer {text}"}) as api:
            first = submit(api, "echo so; exit 3", target="a", options={"name": "first"})
            ended(api, first)
            leave(desk, first, "out.txt", b"so\n")
            api.put("/stages/scans", json={"stages": [{"name": "cut"}, {"name": "done"}]})
            api.post("/stages/scans/items", json={"items": [{}] * 9})
            over(api, swept(api, name="tune", command="echo loss=0.{n}", parameters={"n": [1, 2]})["name"])
            drain(machines)
        print(told(port, text, tmp_path))


def operations(api: httpx.Client) -> Iterator[tuple[str, str]]:
    """All that need a token."""
    for path, found in api.get("/openapi.json").json()["paths"].items():
        for method, operation in found.items():
            if operation["security"]:
                uuid = "6fa459ea-ee8a-5ca4-894e-db77e160355e"
                values = defaultdict(lambda: "1", uuid=uuid, name="abcdef0123456789", word="0" * 32)
                yield method, path.removeprefix("/api/v1").format_map(values)


def test_nothing_is_answered_without_a_good_token(
    api: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "FAILURES", ENDLESS)
    every = list(operations(api))
    assert len(every) >= 20
    revoked = token(desk)
    desk.write(lambda connection: tokens.revoke(connection, revoked.split("_")[1], time.time()))
    for code, headers in (
        ("none", {"authorization": ""}),
        ("unknown", {"authorization": f"Bearer sjs_{'0' * 16}_{'0' * 64}"}),
        ("expired", {"authorization": f"Bearer {token(desk, expires=time.time() - 5)}"}),
        ("revoked", {"authorization": f"Bearer {revoked}"}),
    ):
        if code == "none":
            api.headers.pop("authorization")
            headers = {}
        for method, path in every:
            refused(api.request(method, path, headers=headers), 401, f"token_{code}")


def test_each_operation_needs_its_scope(api: httpx.Client, desk: Desk) -> None:
    """Who may only end jobs, or only hand in those of specs, does nothing else."""
    submitting = {
        "/jobs": {"command": "true"},
        "/batches": {"jobs": [{"command": "true"}]},
        "/sweeps": {"command": "true {a}", "parameters": {"a": [1]}},
    }
    making = {"/tokens": {"owner": "eve", "scopes": ["admin"]}, "/hooks": {"url": "https://example.org/"}}
    staging = {
        "/stages/1": {"stages": [{}, {}]},
        "/stages/1/items": {"items": [{}]},
        "/stages/1/items/1": {"stage": 0},
        "/stages/1/claims": {"stage": 0},
        "/stages/1/requeue": {"from": 0, "to": 0},
    }
    headers = {"authorization": f"Bearer {token(desk, ('cancel',))}"}
    for method, path in operations(api):
        if not path.endswith("/cancel"):
            has_body = method in ("post", "put", "patch")
            body = {**submitting, **making, **staging}.get(path) if has_body else None
            refused(api.request(method, path, headers=headers, json=body), 403, "forbidden")
    headers = {"authorization": f"Bearer {token(desk, ('submit',))}"}
    for path, body in {**submitting, **making}.items():
        refused(api.post(path, headers=headers, json=body), 403, "forbidden")
