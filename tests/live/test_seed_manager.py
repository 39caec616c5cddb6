"""Our client with a manager of simple-job-submit, on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import seed
from tests.live.inside import typed
from tests.live.machine import DEADLINE, ENVIRONMENT, until


@pytest.fixture(params=seed.BOTH_FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=seed.DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manager(dialect: str, form: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It in the folder `root`, and a client's home around that."""
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["mkfifo", root / "gate"], check=True)
    (tmp_path / "commands.txt").write_text(seed.LINES)
    config = tmp_path / "config.yaml"
    config.write_text(f"managers:\n  {seed.NAME}: {{transport: local, project_root: {root}}}\n")
    config.chmod(0o600)
    argv = seed.command(dialect, form, tmp_path / "heard", seed.insist(form))
    with subprocess.Popen(argv, cwd=root) as process:
        until((root / "jobs.pipe").is_fifo, "its pipe")
        yield process
        process.kill()


def test_what_a_person_does(manager: subprocess.Popen[bytes], dialect: str, form: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    environment = {**ENVIRONMENT, "HOME": str(tmp_path)}

    def submit(*words: str) -> seed.Said:
        done = typed(words, tmp_path, environment)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    seed.walk(dialect, submit)
    assert [path.name for path in root.glob("*.port")] == []
    assert not (root / ".sjs").exists()
    if form == seed.RECORDED:
        assert manager.wait(DEADLINE) == 0, "every exchange was the recorded one, and none is left"
    else:
        until(lambda: {path.name for path in root.iterdir()} >= seed.FILES, f"{seed.FILES}")
        seed.open_gate(root)
        until(lambda: (root / "first").exists() and bool((root / "first").read_text()), "the first job's file")
        heard, recorded = tmp_path / "heard", seed.tape(dialect)
        assert heard.read_bytes() == recorded.read_bytes(), f"if that is right: cp {heard} {recorded}"
