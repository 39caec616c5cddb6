"""What is said of jobs, by plain values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sjs.errors import BadRequest
from sjs.gateway.web.jobd import words

USUAL = {
    "public": "a",
    "state": "succeeded",
    "created": 1.0,
    "ended": 2.0,
    "reason": "exit",
    "exit": 0,
    "signal": None,
    "detail": "",
    "number": 7,
    "rules": "{}",
    "left_out": None,
    "parameters": None,
    "attempt": 1,
}


def row(**said: Any) -> Any:
    return SimpleNamespace(**{**USUAL, **said})


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1.5, "1970-01-01T00:00:01.5Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.25Z"),
        (1_700_000_000.123456, "2023-11-14T22:13:20.123456001Z"),
    ],
)
def test_times_are_written_as_by_go(at: float, said: str) -> None:
    assert words.moment(at) == said


FAILED = "could not finish the job, error: "


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        ({}, "SUCCESS", "job finished successfully"),
        ({"state": "failed", "exit": 7}, "FAILED", f"{FAILED}exit status 7"),
        ({"state": "failed", "reason": "signal", "signal": 9}, "FAILED", f"{FAILED}signal: killed"),
        ({"state": "failed", "reason": "signal", "signal": 11}, "FAILED", f"{FAILED}signal: segmentation fault"),
        ({"state": "failed", "reason": "signal", "signal": 6}, "FAILED", f"{FAILED}signal: aborted"),
        ({"state": "failed", "reason": "signal", "signal": 40}, "FAILED", f"{FAILED}signal: signal 40"),
        ({"state": "failed", "reason": "refused", "detail": "too large"}, "FAILED", f"{FAILED}too large"),
        ({"state": "timeout", "reason": "timeout"}, "FAILED", f"{FAILED}timeout"),
        ({"state": "cancelled", "reason": "cancelled"}, "FAILED", f"{FAILED}cancelled"),
        ({"state": "lost", "reason": "host-lost"}, "FAILED", f"{FAILED}host-lost"),
        ({"state": "failed", "rules": None, "detail": "no archive"}, "FAILED", "no archive"),
        ({"state": "failed", "rules": None}, "FAILED", ""),
        ({"left_out": "l: a link, and links are not followed"}, "SUCCESS", "job finished successfully"),
        (
            {"left_out": "l: a link, and links are not followed\nx: can not be read"},
            "PARTIAL",
            "job finished successfully, but not all that it has left is here: x: can not be read",
        ),
        ({"state": "failed", "exit": 1, "left_out": "x: can not be read"}, "FAILED", f"{FAILED}exit status 1"),
    ],
)
def test_each_end_has_its_words(end: dict[str, Any], status: str, message: str) -> None:
    said = words.ended(row(**end), "")
    assert (said["Status"], said["Message"]) == (status, message)


def test_a_job_for_slurm_says_so() -> None:
    said = words.ended(row(parameters='{"slurml":true}'), "")
    assert (said["SlurmID"], said["Slurml"]) == (7, True)
    assert words.ended(row(), "")["SlurmID"] == 0
    assert words.ended(row(parameters="{}", number=None), "")["SlurmID"] == 0


@pytest.mark.parametrize("name", ["", "a" * 256, "a\0b", "a\n"])
def test_no_job_is_called_so(name: str) -> None:
    with pytest.raises(BadRequest, match="^error validating job job id "):
        words.check_name(name)


@pytest.mark.parametrize("name", ["a", "..", "../../etc/passwd", "a b", "\u00fc" * 255])
def test_any_other_name_is_one(name: str) -> None:
    words.check_name(name)
