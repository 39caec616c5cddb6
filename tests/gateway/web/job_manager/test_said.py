from __future__ import annotations

from typing import Any

import pytest

from sjs.gateway.web.job_manager import said
from sjs.gateway.web.job_manager.said import MOST_NAME, Changes, Job
from sjs.gateway.web.job_manager.words import Unfit


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", ("", [])),
        ("/get", ("get", [])),
        ("/get/0", ("get", [0])),
        ("/get/007/2", ("get", [7, 2])),
        ("/init/0/1/1", ("init", [0, 1, 1])),
        ("/update_job/123456789012345678/4", ("update_job", [123456789012345678, 4])),
    ],
)
def test_a_path_is_a_word_and_numbers(path: str, found: Any) -> None:
    assert said.path(path) == found


@pytest.mark.parametrize(
    "path",
    ["/get/", "/get/-1", "/get/1.5", "/get/x", "/get//1", "/get/ 1", "/get/٣", "/get/1_0", "/get/+1", "/get/1e3"]
    + [f"/get/{'9' * 19}", f"/get/{'9' * 5_000}", "//", "/init/1/"],
)
def test_another_path_is_none(path: str) -> None:
    assert said.path(path) is None


@pytest.mark.parametrize(
    ("value", "found"), [(b"42", 42), (b"-42", -42), (b"+42", 42), (b"007", 7), (b" 42\t", 42), (b"0", 0)]
)
def test_jobix_is_a_whole_number(value: bytes, found: int) -> None:
    assert said.jobix([value]) == found


@pytest.mark.parametrize(
    "values",
    [[], [b""], [b"x"], [b"4 2"], [b"1.0"], [b"1e3"], [b"0x10"], [b"\xb2"], [b"9" * 19], [b"9" * 9_000], [b"1", b"2"]],
)
def test_without_one_nobody_comes_in(values: list[bytes]) -> None:
    with pytest.raises(Unfit) as found:
        said.jobix(values)
    assert found.value.status == 403


def test_jobs_have_a_stage_and_perhaps_a_command() -> None:
    document = {"3": {"jobstage": 1}, "1": {"jobstage": 0, "jobcmd": ["a", None], "other": 1}, "01": {"jobstage": 9}}
    assert said.jobs(document) == [Job(3, 1, None), Job(1, 0, ["a", None])]
    assert said.jobs({}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"x": {"jobstage": 1}},
        {"-1": {"jobstage": 1}},
        {"": {"jobstage": 1}},
        {"9" * 19: {"jobstage": 1}},
        {"1": {}},
        {"1": None},
        {"1": [1]},
        {"1": {"jobstage": None}},
        {"1": {"jobstage": "1"}},
        {"1": {"jobstage": 1.0}},
        {"1": {"jobstage": True}},
        {"1": {"jobstage": -1}},
        {"1": {"jobstage": 1_000}},
    ],
)
def test_one_wrong_job_is_said(document: dict[str, Any]) -> None:
    with pytest.raises(Unfit) as found:
        said.jobs({"7": {"jobstage": 1}, **document})
    assert found.value.status == 400
    assert len(found.value.text) < 150


def test_an_update_says_a_file_a_command_both_or_neither() -> None:
    assert said.changes({"filename": "a/b", "jobcmd": 0}) == Changes("a/b", 0)
    assert said.changes({"jobcmd": [1]}) == Changes(None, [1])
    assert said.changes({"filename": None, "jobcmd": None, "other": 1}) == Changes()
    assert said.changes({"filename": "ü" * MOST_NAME}) == Changes("ü" * MOST_NAME)


@pytest.mark.parametrize("name", [1, True, ["a"], {}, "a\0b", "\ud800", "a" * (MOST_NAME + 1)])
def test_what_is_no_name_of_a_file_is_said(name: Any) -> None:
    with pytest.raises(Unfit) as found:
        said.changes({"filename": name})
    assert found.value.status == 400
