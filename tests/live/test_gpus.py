"""GPUs of a stand-in for nvidia-smi: found by the real programs, given to jobs, and refused where there are too few."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sjs.core.needs import WHOLE
from tests.live.machine import running, until

SMI = """#!/bin/sh
case "$1" in
    *query-gpu*) printf '0, GPU-a, 8192\\n1, GPU-b, 8192\\n' ;;
    *compute-apps*) printf 'GPU-b, 4711\\n' ;;
esac
"""


def test_gpus_are_found_and_given_and_those_of_others_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    with running(tmp_path / "project", 4) as machine, machine.client() as client:
        until(lambda: len(client.ask("report")["machine"]["gpus"]) == 2, "two GPUs")
        refusal = client.ask("submit", jobs=[{"command": "true", "gpus": 3 * WHOLE}])["error"]
        assert (refusal["code"], refusal["message"]) == (
            "too_large",
            "this machine can not hold it: needs 3 GPUs, it has 2",
        )
        told = {"command": "echo $CUDA_VISIBLE_DEVICES", "gpus": WHOLE}
        first = client.ask("submit", jobs=[told])["first"]
        client.ask("wait", jobs=[[first, first]])
        assert client.output(first) == b"0\n"
        assert "GPU 1: left alone" in machine.log()
