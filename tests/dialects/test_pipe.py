"""The replaced program's two dialects: pairs of files, what Python 2 recorded, and damaged lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import errors
from sjs.dialects import pipe
from tests.texts import texts

DATA = Path(__file__).resolve().parents[1] / "data"
CASES = sorted((DATA / "pipe").glob("*.request"))
STATUS = {"git": False, "make": False, "type": "status", "port": "1.port"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts(9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(5), inner, max_size=3),
    max_leaves=9,
)
requests = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["job", "submit_job", "status", "stat", "configure", "cancel", "shutdown", "new"]),
        "run": texts(),
        "git": st.booleans(),
        "make": st.booleans(),
        "port": st.text("0123456789", min_size=1, max_size=3).map("{}.port".format),
    }
)


def call(**record: Any) -> pipe.Call:
    return pipe.translate({**STATUS, **record})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_each_request_has_its_meaning_and_its_reply(case: Path) -> None:
    record = pipe.split(case.read_bytes())
    assert record is not None
    call = pipe.translate(record)
    wire = json.loads(case.with_suffix(".wire").read_text())
    assert call.request == wire["request"]
    assert call.port == "1.port"
    answer = wire["answer"]
    refused = "error" in answer
    reply = pipe.failure(call, errors.from_wire(answer["error"])) if refused else pipe.reply(call, answer)
    assert reply == case.with_suffix(".reply").read_bytes().rstrip(b"\n")


def test_python_2_would_have_written_the_same() -> None:
    for text, recorded in json.loads((DATA / "python2/repr.json").read_text()):
        assert pipe.python2_repr(text) == recorded


def test_at_most_a_hundred_queued_jobs_are_named() -> None:
    report = {
        "running": 0,
        "max": 0,
        "queued": 200,
        "live": [],
        "head": [{"job": "x", "job_id": n} for n in range(200)],
    }
    for shape in ("status", "stat"):
        assert json.loads(pipe.reply(call(type=shape), report))["jobs_queued"].count("u'x'") == 100


@pytest.mark.parametrize("port", ["1.port", "a", "A-b_c.9", "x" * 64])
def test_a_plain_port_is_kept(port: str) -> None:
    assert (call(port=port).port, call(port=port).port_refused) == (port, False)


@pytest.mark.parametrize("port", ["../1.port", "/tmp/x", ".hidden", "..", "x" * 65, "a b", "a\n", "é", 7, ["1"]])
def test_a_port_that_is_no_plain_name_is_refused(port: Any) -> None:
    assert (call(port=port).port, call(port=port).port_refused) == (None, True)


@pytest.mark.parametrize("record", [{}, {"port": ""}, {"port": None}])
def test_no_port_is_no_refusal(record: dict[str, Any]) -> None:
    assert (pipe.translate(record).port, pipe.translate(record).port_refused) == (None, False)


def test_hooks_are_what_is_true_and_nothing_else() -> None:
    assert call(git=True, make=True).hooks == ("git", "make")
    assert call(git=False, make=True).hooks == ("make",)
    assert call(git="false", make=1).hooks == ()


@pytest.mark.parametrize("name", ["0123abcd", "f" * 64, "12-34-ab-cd"])
def test_a_session_has_a_name(name: str) -> None:
    assert pipe.session_of({"session": name}) == name


@pytest.mark.parametrize("name", ["", "short", "f" * 65, "../../etc", "ABCDEFGH", "12345678\n", 12345678, None])
def test_what_is_no_name_opens_no_session(name: Any) -> None:
    assert pipe.session_of({"session": name}) is None
    assert pipe.session_of({}) is None


@given(json_values)
def test_translating_never_fails(value: Any) -> None:
    for key in ("type", "run", "max_jobs", "job_to_cancel", "port", "git"):
        pipe.translate({**STATUS, "type": "cancel", key: value})


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_reading_never_fails(line: bytes) -> None:
    assert isinstance(pipe.split(line), (dict, type(None)))


@given(requests)
def test_what_was_written_is_read(record: dict[str, Any]) -> None:
    assert pipe.split(json.dumps(record).encode() + b"\n") == record
    assert pipe.split(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()) == record


@given(requests, requests, st.data())
def test_a_record_behind_half_of_another_is_read(
    dead: dict[str, Any], record: dict[str, Any], data: st.DataObject
) -> None:
    half = json.dumps(dead).encode()
    half = half[: data.draw(st.integers(0, len(half) - 1))]
    assert pipe.split(half + json.dumps(record).encode()) == record


@given(st.binary(max_size=200).map(lambda noise: noise.replace(b"\n", b"")), requests)
def test_a_record_behind_noise_is_read(noise: bytes, record: dict[str, Any]) -> None:
    assert pipe.split(noise + json.dumps(record).encode()) == record


@pytest.mark.parametrize(
    "line", [b"", b" ", b"5", b"null", b"[]", b'{"a": 1', b'x{"a": 1}', b'[{"type": "status"}]', b"\0"]
)
def test_where_no_record_is_there_is_none(line: bytes) -> None:
    assert pipe.split(line) is None


def test_bytes_that_are_not_utf8_arrive_as_they_were() -> None:
    record = pipe.split(b'{"type": "job", "run": "cat caf\xe9"}')
    assert record is not None
    assert record["run"].encode("utf-8", "surrogateescape") == b"cat caf\xe9"


@pytest.mark.parametrize(
    "line",
    [b"{" * 10**6, b'{"' * 10**6, b'{"a":' * 10**5, b"[" * 10**6, b'{ "' * 10**5, b'{"a":[' + b'{"":1},' * 10**5],
    ids=["braces", "keys", "nested", "lists", "spaced", "many"],
)
def test_hostile_lines_cost_a_bounded_number_of_attempts(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []
    parse = pipe._parse

    def counted(text: str) -> Any:
        attempts.append(text)
        return parse(text)

    monkeypatch.setattr(pipe, "_parse", counted)
    assert pipe.split(line) is None
    assert len(attempts) <= 1 + pipe.MAX_ATTEMPTS


@pytest.mark.parametrize("digits", [20, 5_000, 10**6])
def test_a_number_that_takes_long_to_read_is_no_number(digits: int) -> None:
    number = b"9" * digits
    assert pipe.split(b'{"type": "configure", "max_jobs": ' + number + b"}") is None
    assert pipe.split(b'{"type": "job", "run": "' + number + b'", "n": 19}') is not None
