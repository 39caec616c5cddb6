"""The units of the gateway, as systemd reads them, and what is said in its Containerfile."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sjs.cli.main import parse
from sjs.cli.verbs import ALIASES, PROGRAMS, VERBS
from tests.live.machine import DEADLINE, ROOT

SCRIPTS = ROOT / "scripts"
WORST = 2.0
"""Of systemd's marks for how exposed a service is, from 0 to 10."""


def test_its_units_are_understood_and_it_is_shut_in(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here")
    for name in ("sjs-gateway.service", "sjs-gateway.socket"):
        text = (SCRIPTS / name).read_text().replace("/opt/sjs/bin/submit", "/bin/true")
        (tmp_path / name).write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    units = [str(path) for path in tmp_path.iterdir()]
    read = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=DEADLINE)
    assert [line for line in read.stderr.splitlines() if "sjs-gateway" in line] == []
    command = ["systemd-analyze", "security", "--offline=true", str(tmp_path / "sjs-gateway.service")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE).stdout
    mark = re.search(r"exposure level for sjs-gateway.service: ([0-9.]+)", told)
    assert mark and float(mark[1]) <= WORST, told


def test_what_they_start_is_what_there_is() -> None:
    service, container = ((SCRIPTS / name).read_text() for name in ("sjs-gateway.service", "Containerfile"))
    (started,) = re.findall(r"^ExecStart=/opt/sjs/bin/submit (.*)$", service, re.MULTILINE)
    assert parse(started.split()).verb == "gateway"
    (words,) = re.findall(r'^CMD \["(.*)"\]$', container, re.MULTILINE)
    assert parse(words.split('", "')).verb == "gateway"
    for typed in re.findall(r"sjs/bin/submit (\w+)|sjs-gateway (\w+)", service + container):
        word = "".join(typed)
        assert word in {*VERBS, *ALIASES, *PROGRAMS}, word
    setup = (ROOT / "setup.cfg").read_text()
    (extras,) = re.findall(r"/src\[(.*)\]'", container)
    assert [name for name in extras.split(",") if f"\n{name} =\n" not in setup] == []
