"""Why a job that nobody has does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from sjs.config import Config, from_mapping
from tests.gateway.web.api.test_jobs import submit
from tests.live.machine import until


@pytest.fixture
def config(said: dict[str, Any], tmp_path: Path) -> Config:
    return from_mapping({"managers": {"away": {"transport": "local", "root": str(tmp_path / "nowhere")}}}, {})


def test_of_each_whom_it_waits_for_it_is_said_why(api: httpx.Client, tmp_path: Path) -> None:
    number = submit(api, "true")
    first, second = api.get(f"/jobs/{number}/why").json()["why"]
    assert first == "nobody has taken it yet of those whom 'any' means"
    assert second.startswith("away: ") and str(tmp_path / "nowhere") in second
    assert api.post(f"/jobs/{number}/cancel").status_code == 200
    until(lambda: api.get(f"/jobs/{number}").json()["state"] == "cancelled", "its end")
    assert api.get(f"/jobs/{number}/why").json()["why"] != [first, second]
