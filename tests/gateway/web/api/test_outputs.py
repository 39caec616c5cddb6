"""What jobs print, over HTTP, from two real queues."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from sjs.gateway import inquiries, tokens
from sjs.gateway.desk import Desk
from sjs.targets import reading
from sjs.values import replace
from tests.gateway.web.api.test_jobs import ended, refused, submit
from tests.gateway.web.conftest import bearer
from tests.live.machine import DEADLINE, until

TEXT = "".join(f"line {number}\n" for number in range(100_000))


@pytest.fixture
def wordy(api: httpx.Client, tmp_path: Path) -> int:
    """A job that has printed more than one frame holds, and something else on its stderr."""
    (tmp_path / "text").write_text(TEXT)
    number = submit(api, f"cat {tmp_path}/text; echo oh >&2", target="a")
    ended(api, number)
    return number


def test_all_of_a_stream(api: httpx.Client, wordy: int) -> None:
    out = api.get(f"/jobs/{wordy}/logs")
    assert out.text == TEXT
    assert out.headers["content-type"] == "text/plain; charset=utf-8"
    assert out.headers["x-content-type-options"] == "nosniff"
    assert (out.headers["content-length"], out.headers["accept-ranges"]) == (str(len(TEXT)), "bytes")
    assert api.get(f"/jobs/{wordy}/logs", params={"stream": "err"}).text == "oh\n"
    both = api.get(f"/jobs/{wordy}/logs", params={"stream": "both"}).text
    assert len(both) == len(TEXT) + 3 and "oh\n" in both
    refused(api.get(f"/jobs/{wordy}/logs", params={"stream": "in"}), 422, "bad_request")


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=300000-700000", slice(300_000, 700_001)),
        (f"bytes={len(TEXT) - 5}-", slice(-5, None)),
        ("bytes=-7", slice(-7, None)),
        (f"bytes=-{10**9}", slice(None)),
        (f"bytes=5-{10**12}", slice(5, None)),
    ],
)
def test_some_bytes_of_it(api: httpx.Client, wordy: int, wanted: str, part: slice) -> None:
    found = api.get(f"/jobs/{wordy}/logs", headers={"range": wanted})
    start, stop, _ = part.indices(len(TEXT))
    assert (found.status_code, found.text) == (206, TEXT[part])
    assert found.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(TEXT)}"


def test_none_beyond_its_end_and_all_where_that_is_no_range(api: httpx.Client, wordy: int) -> None:
    beyond = api.get(f"/jobs/{wordy}/logs", headers={"range": f"bytes={len(TEXT)}-"})
    refused(beyond, 416, "no_such_range")
    assert beyond.headers["content-range"] == f"bytes */{len(TEXT)}"
    for more in ({"range": "bytes=0-1,5-6"}, {"range": "nonsense"}, {"range": "bytes=0-1", "if-range": '"x"'}):
        assert api.get(f"/jobs/{wordy}/logs", headers=more).status_code == 200


def test_each_attempt_has_its_own(api: httpx.Client) -> None:
    number = submit(api, "echo attempt $SJS_ATTEMPT; exit 1", target="b")
    ended(api, number)
    api.post(f"/jobs/{number}/retry")
    assert ended(api, number)["attempt"] == 2
    texts = [api.get(f"/jobs/{number}/logs", params=which).text for which in ({"attempt": 1}, {"attempt": 2}, {})]
    assert texts == ["attempt 1\n", "attempt 2\n", "attempt 2\n"]
    assert "2 attempt(s)" in refused(api.get(f"/jobs/{number}/logs", params={"attempt": 3}), 409, "refused")


def test_a_job_that_has_not_begun_has_printed_nothing(api: httpx.Client) -> None:
    number = submit(api, "true", options={"hold": True}, target="a")
    assert api.get(f"/jobs/{number}/logs").content == b""
    refused(api.get(f"/jobs/{number}/logs", headers={"range": "bytes=0-"}), 416, "no_such_range")


def test_an_output_is_followed_from_before_its_begin_to_its_end(api: httpx.Client, tmp_path: Path) -> None:
    """Each line is heard before the next one is allowed."""
    command = f"for n in 1 2 3; do until [ -e {tmp_path}/$n ]; do sleep 0.01; done; echo line $n; done"
    number = submit(api, command, target="a")
    said = []
    with api.stream("GET", f"/jobs/{number}/logs", params={"follow": True}) as answer:
        assert answer.status_code == 200
        (tmp_path / "1").touch()
        for line in answer.iter_lines():
            said.append(line)
            (tmp_path / str(len(said) + 1)).touch()
    assert said == ["line 1", "line 2", "line 3"]
    rest = api.get(f"/jobs/{number}/logs", params={"follow": True, "offset": 7})
    assert rest.text == "line 2\nline 3\n"


def test_a_job_that_nobody_ever_had_is_followed_to_its_end(api: httpx.Client) -> None:
    number = submit(api, "true", options={"cpus": 1_000_000})
    assert api.get(f"/jobs/{number}/logs", params={"follow": True}).text == ""


@pytest.mark.parametrize("prints", ["sleep 0.02", "echo more"])
def test_a_token_that_is_revoked_follows_no_more(
    api: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prints: str
) -> None:
    """Whether the job prints anything meanwhile or not."""
    monkeypatch.setattr(reading, "SLICE", 0.05)
    monkeypatch.setattr(desk, "settings", replace(desk.settings, heartbeat=0.1))
    number = submit(api, f"echo begun; until [ -e {tmp_path}/end ]; do {prints}; sleep 0.02; done", target="a")
    headers = bearer(desk, scopes=["read"])
    with api.stream("GET", f"/jobs/{number}/logs", params={"follow": True}, headers=headers) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "begun"
        name = headers["authorization"].split("_")[1]
        desk.write(lambda connection: tokens.revoke(connection, name, time.time()))
        assert set(lines) <= {"more"}  # it ends
    assert api.get(f"/jobs/{number}").json()["state"] == "running"
    (tmp_path / "end").touch()
    ended(api, number)


def followers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sjs asks a"]


def test_whoever_goes_leaves_nothing_behind(api: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a job that prints nothing for long, though nobody looks; and no more are followed at a time than may be."""
    monkeypatch.setattr(reading, "SLICE", 10 * DEADLINE)
    number = submit(api, f"echo begun; until [ -e {tmp_path}/end ]; do sleep 0.02; done", target="a")
    path, follow = f"/jobs/{number}/logs", {"follow": True}
    opened = []
    for _ in range(inquiries.FOLLOWED_EACH):
        answer = api.send(api.build_request("GET", path, params=follow), stream=True)
        pieces = answer.iter_text()
        assert next(pieces) == "begun\n"
        opened.append((answer, pieces))  # which ends the answer when nobody has it any more
    refused(api.get(path, params=follow), 503, "busy")
    assert len(followers()) == inquiries.FOLLOWED_EACH
    for answer, _ in opened:
        answer.close()
    for thread in followers():
        thread.join(DEADLINE)
    assert followers() == []

    def follows() -> bool:
        with api.stream("GET", path, params=follow) as answer:
            return answer.status_code == 200 and next(answer.iter_text()) == "begun\n"

    until(follows, "room for another one")
    (tmp_path / "end").touch()
    ended(api, number)
