"""What the README says is what happens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
BETWEEN = "\x1e"


def steps() -> list[tuple[str, str]]:
    """The commands of all console blocks, and what each is to print."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    parts = re.split(r"^\$ (.*)\n", "".join(blocks), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def stop(target: str, folder: Path, environment: dict[str, str]) -> None:
    """Leave no manager behind, however the test has ended."""
    subprocess.run(
        [ROOT / "submit", target, "stop", "--kill"], cwd=folder, env=environment, capture_output=True, timeout=60
    )


def test_the_walk_goes_as_it_is_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("submit", "job_manager"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "config.yaml.example", tmp_path)
    script = "".join(f"{command}\nprintf '{BETWEEN}'\n" for command, _ in steps())
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    try:
        walk = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        stop("all", tmp_path, environment)
    printed = walk.stdout.split(BETWEEN)[:-1]
    assert list(zip((command for command, _ in steps()), printed, strict=True)) == steps(), walk.stderr


def test_the_first_command_runs_a_job(tmp_path: Path) -> None:
    command = next(line for line in README.splitlines() if line.startswith("    ./submit")).strip()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    try:
        job = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert (job.returncode, job.stdout) == (0, "hello\n"), job.stderr
    finally:
        stop("local", ROOT, environment)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_are_there(page: Path) -> None:
    for path in re.findall(r"`((?:sjs|scripts|tests|docs)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), path
