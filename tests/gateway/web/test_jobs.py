from __future__ import annotations

import httpx

from tests.live.machine import until


def test_a_job_is_handed_in_and_looked_at(api: httpx.Client) -> None:
    made = api.post("/jobs", json={"command": "exit 3"})
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    until(lambda: api.get(f"/jobs/{number}").json()["state"] == "failed", "its end")
    job = api.get(f"/jobs/{number}")
    assert (job.json()["exit"], job.json()["reason"]) == (3, "exit")
    assert api.get(f"/jobs/{number}", headers={"if-none-match": job.headers["etag"]}).status_code == 304
