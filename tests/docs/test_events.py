"""What docs/events.md shows of signatures does what it says."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sjs.gateway.posting import signing

TEXT = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
BODY = '{"type":"job.ended","data":{"name":"é"}}'.encode()
SECRET = signing.secret(bytes(32), "00")


def block(kind: str) -> str:
    return TEXT.partition("### Whose call it is")[2].partition(f"```{kind}\n")[2].partition("```")[0]


def test_the_python_knows_our_calls_from_others() -> None:
    space: dict[str, Any] = {}
    exec(block("python"), space)
    now = int(time.time())
    headers = dict(signing.signed(SECRET, "msg_1_2", now, BODY))
    shown = signing.shown(SECRET)
    assert space["is_ours"](shown, headers, BODY)
    assert not space["is_ours"](shown, headers, BODY + b" ")
    assert not space["is_ours"](signing.shown(bytes(32)), headers, BODY)
    assert not space["is_ours"](shown, {**headers, "webhook-id": "msg_1_3"}, BODY)
    assert not space["is_ours"](shown, signing.signed(SECRET, "msg_1_2", now - 600, BODY), BODY)


@pytest.mark.parametrize("body", [BODY, BODY + b"\n"])
def test_the_shell_knows_our_calls_from_others(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "body").write_bytes(body)
    headers = signing.signed(SECRET, "msg_1_2", 1_614_265_330, BODY)
    said = {
        "id": headers["webhook-id"],
        "timestamp": headers["webhook-timestamp"],
        "signature": headers["webhook-signature"],
        "secret": signing.shown(SECRET),
        "PATH": "/usr/bin:/bin",
    }
    call = subprocess.run(["sh", "-c", block("sh")], cwd=tmp_path, env=said, capture_output=True, text=True)
    assert (call.returncode == 0) is (body == BODY), call.stderr
