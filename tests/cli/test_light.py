"""What a command does not load, because it does not use it: most of what a short one takes is to load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.machine import Machine

SSH = {"paramiko", "cryptography", "sjs.transport.ssh", "sjs.transport.openssh", "sjs.bundle"}
TREES = {"sjs.snapshots.store", "sjs.trees.entries", "sjs.trees.walking", "tempfile"}
MACHINE = {"sjs.targets.machine", "sjs.targets.sending", "sjs.targets.fetching", "sjs.targets.bringing"}
NEVER = {"dataclasses", "asyncio", "sqlite3", "importlib.metadata", "email", "rich", "matplotlib", "sjs.daemon"}
OTHERS = {"sjs.api", "sjs.making", "sjs.results", "sjs.sweeping", "sjs.moving", "sjs.core.metrics"}
NEW_JOBS = {"sjs.dealing", "sjs.outbox", "sjs.capture", "sjs.cli.options"}
YAML = {"yaml"}

GATEWAY = {"sjs.gateway", "sqlalchemy", "fastapi", "uvicorn"}

KINDS = {"urllib3", "sjs.targets.kubernetes", "sjs.targets.slurm", "sjs.core.slurm_reasons"}

LIGHT = SSH | TREES | MACHINE | NEVER | OTHERS | KINDS | GATEWAY
FORBIDDEN = {
    "local status": LIGHT | NEW_JOBS | YAML | {"hashlib"},
    "local list": LIGHT | NEW_JOBS | YAML,
    "local logs 1": LIGHT | NEW_JOBS | YAML,
    "local job --command true": LIGHT | YAML | {"sjs.capture"},
    "local job --help": LIGHT | YAML | {"sjs.capture", "subprocess"},
    "there status": (LIGHT | NEW_JOBS) - SSH | {"paramiko"},
    "here status": LIGHT | NEW_JOBS,
}
"""`there` is behind an ssh that is no program of ours; `here` is on this machine, but a config says so."""

CONFIG = """\
managers:
  here: {transport: local, project_root: %s}
  there: {transport: openssh, host: 127.0.0.1, port: 1, project_root: %s}
"""


@pytest.mark.parametrize("words", FORBIDDEN)
def test_a_command_loads_only_what_it_uses(words: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    if not words.startswith("local"):
        (tmp_path / "config.yaml").write_text(CONFIG % (tmp_path / "root", tmp_path / "root"))
        (tmp_path / "config.yaml").chmod(0o600)
    code = "import sys; from sjs.cli.main import run; run('submit', sys.argv[1:]); print('loaded', *sys.modules)"
    try:
        found = subprocess.run(
            [sys.executable, "-c", code, *words.split()],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        Machine(tmp_path / ".local/state/sjs/local").stop()  # who hands in a job has it started
    loaded = set(found.stdout.splitlines()[-1].split()[1:])
    assert "click" in loaded, found.stderr
    assert loaded & FORBIDDEN[words] == set()
