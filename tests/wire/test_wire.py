from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import spec_json, wire
from sjs.core.job import MAX_COMMAND_BYTES, ON_LOST, End, Job, Spec
from sjs.core.lifecycle import STATES
from sjs.core.needs import Gpu, Machine, Needs, room
from sjs.errors import BadRequest
from sjs.values import fields

CASES = sorted((Path(__file__).resolve().parents[1] / "data/wire").glob("*.line"))

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
file_names = st.binary().map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
policies = st.sampled_from(ON_LOST)
specs = st.builds(Spec, command=texts | file_names, cwd=st.none() | file_names, on_lost=policies) | st.builds(
    Spec, argv=st.lists(texts | file_names, min_size=1).filter(lambda argv: bool(argv[0])).map(tuple)
)
times = st.floats(0, 2**40)
ends = st.builds(
    End,
    reason=st.sampled_from(["exit", "signal", "cancelled", "spawn-error", "host-lost"]),
    exit=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    detail=texts,
)
jobs = st.builds(
    Job,
    id=st.integers(0, wire.MAX_ID),
    spec=specs,
    state=st.sampled_from(STATES),
    submitted=times,
    attempt=st.integers(0, 9),
    started=st.none() | times,
    ended=st.none() | times,
    pid=st.none() | st.integers(1, 2**22),
    end=st.none() | ends,
)


def read(line: bytes) -> str:
    """What a line with a spec or a job means, as it stands in NNN.expected."""
    try:
        message = wire.decode(line)
        return shown(wire.job_from_wire(message) if "id" in message else spec_json.from_wire(message))
    except BadRequest as error:
        return f"bad_request: {error}"


def shown(value: Any) -> str:
    """As repr, without what is as usual."""
    if not hasattr(value, "__sjs_fields__"):
        return repr(value)
    told = [name for name, one in fields(value).items() if getattr(value, name) != one.default]
    return f"{type(value).__name__}({', '.join(f'{name}={shown(getattr(value, name))}' for name in told)})"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_each_line_means_what_it_did(case: Path) -> None:
    assert read(case.read_bytes()) == case.with_suffix(".expected").read_text().rstrip("\n")


@given(jobs)
def test_a_job_arrives_as_it_was(job: Job) -> None:
    line = wire.encode(wire.job_to_wire(job))
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert wire.job_from_wire(wire.decode(line)) == job


@given(specs)
def test_a_spec_is_stored_as_it_was(spec: Spec) -> None:
    assert spec_json.from_text(spec_json.to_text(spec)) == spec
    assert spec_json.from_wire(spec_json.to_wire(spec)) == spec


def test_what_was_stored_before_there_was_a_choice_is_stored_alike() -> None:
    """Else a repeated key would be refused after an upgrade."""
    assert spec_json.to_text(Spec("true")) == '{"command":"true"}'


@pytest.mark.parametrize("text", ["", "{", "5", "{}", '{"command": 5}', '{"argv": ["a", 5]}', "\ud800", "[" * 10**5])
def test_what_a_disk_has_changed_is_no_spec(text: str) -> None:
    with pytest.raises(BadRequest):
        spec_json.from_text(text)


@given(st.binary())
def test_reading_noise_is_refused_and_nothing_else(line: bytes) -> None:
    try:
        assert isinstance(wire.decode(line), dict)
    except BadRequest as error:
        assert "\n" not in error.message


@pytest.mark.parametrize("line", [b"[" * 10**6, b'{"a":' * 10**6, b"", b"\xff", b"5", b"[]", b"null", b'{"a": 1'])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest, match="not a JSON"):
        wire.decode(line)


@pytest.mark.parametrize("body", [None, "echo", ["echo"], 5])
def test_a_spec_is_an_object(body: Any) -> None:
    with pytest.raises(BadRequest, match="a job is an object"):
        spec_json.from_wire(body)


def test_a_command_may_be_as_long_as_a_process_can_be_given() -> None:
    assert spec_json.from_wire({"command": "é" * (MAX_COMMAND_BYTES // 2)}).command
    for text in ("x" * (MAX_COMMAND_BYTES + 1), "é" * (MAX_COMMAND_BYTES // 2 + 1)):
        with pytest.raises(BadRequest, match="script file"):
            spec_json.from_wire({"argv": ["cat", text]})


@pytest.mark.parametrize("value", [0, 7, 10])
def test_a_whole_number_within_bounds_is_taken(value: int) -> None:
    assert wire.whole({"n": value}, "n", 0, 10) == value
    assert wire.whole({}, "n", 0, 10, default=3) == 3


@pytest.mark.parametrize("value", [-1, 11, 1.0, "7", True, None, [7], 10**4000])
def test_what_is_no_whole_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="'n' must be a whole number from 0 to 10"):
        wire.whole({"n": value}, "n", 0, 10)


def test_a_text_is_not_empty() -> None:
    assert wire.text({"key": "k"}, "key") == "k"
    for value in ("", None, 5, ["k"]):
        with pytest.raises(BadRequest, match="'key' must be"):
            wire.text({"key": value}, "key")


def test_a_job_set_is_a_list_of_ranges_or_all() -> None:
    assert wire.job_set({"jobs": [[0, 0], [5, 9]]}) == [(0, 0), (5, 9)]
    assert wire.job_set({"jobs": []}) == []
    assert wire.job_set({"jobs": None}) is None
    assert wire.job_set({}) is None


@pytest.mark.parametrize(
    "value", [5, "all", [5], [[5]], [[5, 4]], [[-1, 4]], [[0, 1, 2]], [[0, True]], [[0.0, 1]], [[0, wire.MAX_ID + 1]]]
)
def test_what_is_no_job_set_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="'jobs'"):
        wire.job_set({"jobs": value})


def test_a_job_set_has_no_more_than_a_page_of_ranges() -> None:
    assert len(wire.job_set({"jobs": [[n, n] for n in range(wire.MAX_PAGE)]}) or []) == wire.MAX_PAGE
    with pytest.raises(BadRequest, match="at most"):
        wire.job_set({"jobs": [[0, 0]] * (wire.MAX_PAGE + 1)})


def test_a_full_piece_of_a_submit_fits_into_a_line() -> None:
    jobs = [{"command": "\x01" * (wire.MAX_CHUNK_BYTES // wire.MAX_CHUNK_JOBS // 6)}] * wire.MAX_CHUNK_JOBS
    assert len(json.dumps(jobs)) < wire.MAX_LINE


def test_a_machine_comes_back_as_it_was_sent() -> None:
    machine = Machine(4, 8, 1 << 30, (Gpu("0", 5, "amd"), Gpu("1")), (("tape", 2),))
    taken = Needs(slots=1, cpus=3, mem=5, named=(("tape", 1),))
    grant = (("0", 500), ("1", 0))
    told = wire.decode(wire.encode(wire.machine_to_wire(machine, room(machine, [(taken, grant)]))))
    assert wire.machine_from_wire(told) == (machine, taken, grant)


def test_where_others_run_a_job_comes_back_as_it_was_sent() -> None:
    machine = Machine(4, 8, each=True)
    told = wire.decode(wire.encode(wire.machine_to_wire(machine, room(machine, [(Needs(cpus=8), ())]))))
    assert wire.machine_from_wire(told) == (machine, Needs(), ())
    job = Job(1, Spec(command="a"), "running", 1.0, place=(("id", "4_2"), ("node", "h1")))
    record = wire.job_to_wire(job)
    assert record["slurm"] == {"id": "4_2", "node": "h1"}
    assert wire.job_from_wire(record) == job
