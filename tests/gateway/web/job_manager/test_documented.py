"""docs/job_manager.md: what is to be typed works, and numbers are those of the program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sjs import config as sjs_config
from sjs.gateway.records.stages.values import LONGEST, MOST_COMMAND, MOST_ITEMS, MOST_NUMBER, MOST_STAGES
from sjs.gateway.section import settings_of
from sjs.gateway.settings import usual
from sjs.gateway.web.job_manager.pages import MOST
from sjs.gateway.web.job_manager.said import MOST_NAME
from sjs.values import replace
from tests.live.machine import DEADLINE, ROOT

PAGE = (ROOT / "docs" / "job_manager.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_lines_for_curl_do_what_they_are_for(url: str, tmp_path: Path) -> None:
    """As a person types them who has never heard of us."""

    def typed(line: str) -> str:
        text = line.replace("http://localhost:5000", url)
        return subprocess.run(
            text, shell=True, cwd=tmp_path, capture_output=True, check=True, timeout=DEADLINE, text=True
        ).stdout

    found = [typed(line) for line in re.findall(r"^    (curl .*)$", PAGE, re.MULTILINE)]
    assert found[:3] == ["Hello World!", '{"0": 0, "1": 60, "2": 0}', "Accepted to 42!"]
    assert json.loads(found[3]) == {"jobid": 1, "jobcmd": "echo a", "jobstage": 0, "jobix": 42}
    assert found[3] in PAGE and found[1] in PAGE
    assert found[4:] == ["Success, job 1 was updated to stage 2!"]


def test_what_is_to_be_written_down_is_understood() -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    layer = sjs_config.parse(text.encode(), "/etc/sjs/config.yaml", {})
    said = settings_of(replace(sjs_config.load(None, {"HOME": "/nowhere"}), gateway=layer.gateway), {})
    [port] = [one for one in said.listeners if one.dialect == "stages"]
    assert (port.host, port.port, port.owner, port.beyond) == ("127.0.0.1", 5000, "web", False)


def test_numbers_are_those_of_the_program() -> None:
    assert MOST_NUMBER == 2**53 - 1
    assert f"more than {MOST_ITEMS:,} jobs" in PAGE
    assert f"stages to\n  {MOST_STAGES - 1};" in PAGE and LONGEST == 10 * 366 * 86_400
    assert f"a `jobcmd` {MOST_COMMAND >> 20} MiB, a `filename` {MOST_NAME:,} letters" in PAGE
    assert f"`most_body` ({usual('/').most_body >> 20} MiB)" in PAGE and f"Above {MOST:,} jobs" in PAGE
