"""What a manager of simple-job-submit is sent, and what its answers mean: by the recorded exchanges, and by damage."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sjs.core.job import Spec
from sjs.dialects import pipe_client
from sjs.dialects.pipe_client import NEW, OLD
from sjs.errors import BadRequest, Refused, Unreachable

DATA = Path(__file__).resolve().parents[1] / "data"
NAMES = ["001-old-status-idle", "002-old-status-busy", "003-old-job", "006-configure", "008-new-stat-idle"]
NAMES += ["009-new-stat-busy", "010-new-submit"]
OURS = {"job": OLD, "submit_job": NEW, "status": OLD, "stat": NEW}


def recorded(name: str) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    """A request, its reply, and what the manager had to say in our own words."""
    base = DATA / "pipe" / name
    wire = json.loads(base.with_suffix(".wire").read_text())
    return json.loads(base.with_suffix(".request").read_text()), base.with_suffix(".reply").read_bytes(), wire["answer"]


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_exchanges_can_be_had_from_this_side_too(name: str) -> None:
    request, reply, answer = recorded(name)
    body = pipe_client.granted(pipe_client.understood(reply))
    if request["type"] == "configure":
        sent = pipe_client.ask_configure(request["max_jobs"], "1.port")
        assert pipe_client.configured(body) == {"old": answer["old"], "new": answer["new"]}
    elif "run" in request:
        sent = pipe_client.ask_job(OURS[request["type"]], Spec(command=request["run"]), "1.port")
        assert pipe_client.job_id(body) == answer["first"]
    else:
        sent = pipe_client.ask_status(request["type"], "1.port")
        found = pipe_client.report(body, 100)
        assert {key: found[key] for key in ("running", "max", "queued")} == {
            key: answer[key] for key in ("running", "max", "queued")
        }
        assert [one["job"] for one in found["head"]] == [one["job"] for one in answer["head"]]
        ids = [None] * len(answer["head"]) if request["type"] == OLD else [one["job_id"] for one in answer["head"]]
        assert [one["job_id"] for one in found["head"]] == ids
    assert sent.endswith(b"\n")
    assert json.loads(sent) == request


@pytest.mark.parametrize("name", ["007-configure-negative", "017-unknown-type", "019-stopping"])
def test_a_code_is_a_refusal(name: str) -> None:
    body = pipe_client.understood(recorded(name)[1])
    with pytest.raises(Refused, match=r"\(code [1-9]\)"):
        pipe_client.granted(body)


def test_what_python_2_printed_is_read_as_it_was() -> None:
    """Braces and quotes in a text are no end of it."""
    entries = json.loads((DATA / "python2/repr.json").read_text())
    text = ", ".join("{'job_id': 1, 'job': " + printed + "}" for _, printed in entries)
    found = pipe_client.report(status(f"[{text}]"), len(entries))
    assert [one["job"] for one in found["head"]] == [json.loads(json.dumps(text)) for text, _ in entries]
    assert found["queued"] == len(entries)


def status(queued: str, **more: Any) -> dict[str, Any]:
    return {"code": 0, "jobs_running": 0, "max_jobs_running": 1, "jobs_queued": queued, **more}


def test_only_the_first_jobs_of_a_long_queue_are_looked_into() -> None:
    text = "[" + ", ".join(["{u'run': u'x', u'port': u'1.port'}"] * 50_000) + "]"
    start = time.process_time()
    found = pipe_client.report(status(text), 2)
    assert (found["queued"], len(found["head"])) == (50_000, 2)
    assert time.process_time() - start < 10


def test_the_newer_dialect_counts_itself() -> None:
    running = [{"job": "a", "job_id": 0}]
    found = pipe_client.report(status("[]", num_jobs_queued=7) | {"jobs_running": running}, 0)
    assert (found["running"], found["queued"], found["live"]) == (1, 7, running)
    assert found["counts"] == {"running": 1, "queued": 7}


@pytest.mark.parametrize(
    "text",
    [
        "[{'job': __import__('os').getpid(), 'job_id': 1}]",
        "[{'job': [x for x in ()], 'job_id': 1}]",
        "[{'job': 5L}]",
        "[{" + "(" * 5_000 + "}]",
        "[{1}]",
    ],
)
def test_nothing_but_literals_is_understood(text: str) -> None:
    found = pipe_client.report(status(text), 9)
    assert [one["job"] for one in found["head"]] == ["?"]


@example("{[]}")
@given(st.text(alphabet="[]{}'\"\\u, :ab1"))
def test_no_queue_is_a_fault_of_ours(text: str) -> None:
    found = pipe_client.report(status(text), 5)
    assert len(found["head"]) == min(5, found["queued"])


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"code": "0"}', b"[" * 100_000, b"\xff"])
def test_what_is_no_reply_is_said(data: bytes) -> None:
    with pytest.raises(Unreachable, match="no reply of a manager"):
        pipe_client.understood(data)


@pytest.mark.parametrize("body", [{}, {"job_id": "0"}, {"job_id": True}, {"job_id": None}])
def test_an_answer_without_its_number_is_said(body: dict[str, Any]) -> None:
    with pytest.raises(Unreachable, match="has no job_id"):
        pipe_client.job_id(body)


def test_a_job_is_shell_text_there() -> None:
    assert pipe_client.command(Spec(argv=("echo", "a b", ""))) == "echo 'a b' ''"
    assert pipe_client.command(Spec(command="make; make install", cwd="a b")) == "cd 'a b' || exit; make; make install"


@pytest.mark.parametrize("text", ["x" * 4_096, "é" * 800, "caf\udce9"])
def test_what_could_end_that_manager_is_not_sent(text: str) -> None:
    with pytest.raises(BadRequest):
        pipe_client.ask_job(OLD, Spec(command=text), "1.port")


def test_what_is_to_run_again_when_it_is_lost_is_refused() -> None:
    with pytest.raises(BadRequest, match="forgets its jobs"):
        pipe_client.command(Spec("true", on_lost="requeue"))


@pytest.mark.parametrize("spec", [Spec("true", name="x"), Spec("true", hold=True), Spec("true", priority=1)])
def test_what_only_our_queue_knows_is_refused_and_not_dropped(spec: Spec) -> None:
    with pytest.raises(BadRequest, match="nothing else of a job"):
        pipe_client.command(spec)
