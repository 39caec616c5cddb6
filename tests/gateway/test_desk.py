"""What all of the gateway stands on, as it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sjs.config import Config
from sjs.gateway.desk import opened
from sjs.gateway.settings import usual


def test_all_that_hears_of_what_was_written_is_there_before_anything_is(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Some of what a desk is made of writes as soon as it is there."""
    with opened(usual(str(tmp_path)), config, {}) as desk:
        assert desk.write.works > 0
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []
