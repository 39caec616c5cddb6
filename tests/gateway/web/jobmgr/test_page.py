"""docs/jobmgr.md: what is to be typed works, and what is to be written down is understood."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sjs import config as sjs_config
from sjs.gateway.artifacts.settings import S3Settings, parse
from sjs.gateway.records import outputs
from sjs.gateway.records.opening import engine_of
from sjs.gateway.section import settings_of
from sjs.gateway.web.jobmgr.said import MOST_NAME
from sjs.values import replace
from tests.gateway.web.jobmgr.client import Client
from tests.gateway.web.jobmgr.conftest import Specs
from tests.live.machine import DEADLINE, ROOT, until

PAGE = (ROOT / "docs" / "jobmgr.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_lines_for_curl_do_what_they_are_for(jobmgr: Client, specs: Specs, tmp_path: Path) -> None:
    """As a person types them who has never heard of us; the ids are those that come."""
    specs.shell("convert", 'echo $JOBMGR_PARAMETER_WIDTH; echo picture > "$JOBMGR_ARTIFACTS_DIR/a.png"', width="int")
    lines = re.findall(r"^    (curl .*)$", PAGE, re.MULTILINE)

    def typed(line: str, number: int = 0) -> bytes:
        text = line.replace("localhost:9845", f"127.0.0.1:{jobmgr.port}").replace("id=1", f"id={number}")
        return subprocess.run(text, shell=True, cwd=tmp_path, capture_output=True, check=True, timeout=DEADLINE).stdout

    root, start, get, download = lines
    assert typed(root) == b"Beep boop blop I am a jobmgr API server"
    number = json.loads(typed(start))["created"]
    until(lambda: json.loads(typed(get, number))["job"]["status"] == "completed", "the end of the job")
    found = json.loads(typed(get, number))
    assert found["result"] == "640\n"
    typed(download, found["artifacts"][0]["id"])
    assert (tmp_path / "picture.png").read_bytes() == b"picture\n"


def test_what_config_toml_said_can_be_said() -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    layer = sjs_config.parse(text.encode(), "/etc/sjs/config.yaml", {})
    said = settings_of(replace(sjs_config.load(None, {"HOME": "/nowhere"}), gateway=layer.gateway), {})
    store = parse(said.artifacts, "/nowhere")
    assert isinstance(store, S3Settings)
    assert (store.bucket, store.region) == ("bucket-name-here", "us-east-2")
    assert engine_of(said.database).url.host == "localhost"
    [port] = [one for one in said.listeners if one.dialect == "jobmgr"]
    assert (port.host, port.port, port.owner) == ("127.0.0.1", 9845, "web")


def test_numbers_are_those_of_the_program() -> None:
    assert f"{outputs.MOST >> 20} MiB are kept" in PAGE
    assert f"A name may have {MOST_NAME} letters" in PAGE
