from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sjs.errors import UsageError
from sjs.worker.results import result_in


@pytest.mark.parametrize(
    ("text", "wanted"), [('{"loss": 0.5}\n', {"loss": 0.5}), ("[1]", [1]), (" \n", None), ("", None)]
)
def test_what_was_written_is_the_result(tmp_path: Path, text: str, wanted: Any) -> None:
    (tmp_path / "result").write_text(text)
    assert result_in(str(tmp_path / "result")) == wanted


def test_where_nothing_was_written_there_is_none(tmp_path: Path) -> None:
    assert result_in(str(tmp_path / "result")) is None


@pytest.mark.parametrize("text", ["{", "NaN", "[1] 2", "[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "result").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match="its result is no JSON"):
        result_in(str(tmp_path / "result"))


def test_a_result_has_a_bounded_size(tmp_path: Path) -> None:
    (tmp_path / "result").write_text('"12345678"')
    assert result_in(str(tmp_path / "result"), 10) == "12345678"
    with pytest.raises(UsageError, match="more than 9 bytes"):
        result_in(str(tmp_path / "result"), 9)


def test_nobody_is_led_elsewhere_nor_kept_waiting(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(UsageError, match="its result"):
            result_in(str(tmp_path / name))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="its result"):
        result_in(str(tmp_path / "folder"))
