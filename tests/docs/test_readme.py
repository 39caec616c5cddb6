"""What the README says is what happens."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.cli.commands.sweep import said_of_jobs
from sjs.cli.sweeps.jobs import Inputs, Typed, sweep_of
from sjs.making.sweep_file import read_sweep_file
from tests.docs.readme import README, ROOT, make_ready, same, script, seen, steps

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
WALK = ("A walk with three managers", "A job's life", "By hand, through the pipe", "Stopping")


def stop(target: str, folder: Path, environment: dict[str, str], submit: Path = ROOT / "submit") -> None:
    """Leave no manager behind, however the test has ended."""
    subprocess.run([submit, target, "stop", "--kill"], cwd=folder, env=environment, capture_output=True, timeout=60)


def test_the_walk_goes_as_it_is_written(tmp_path: Path) -> None:
    make_ready()
    home = tmp_path / "home"
    home.mkdir()
    for name in ("submit", "job_manager"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "config.yaml.example", tmp_path)
    wanted = steps(*WALK)
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    try:
        walk = subprocess.run(
            ["sh", "-c", script(wanted)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        stop("all", tmp_path, environment)
    assert same(seen(wanted, walk.stdout.replace(str(home), "/home/you"))) == same(wanted)


def test_a_sweep_is_made_as_it_is_written(tmp_path: Path) -> None:
    make_ready()
    (tmp_path / "submit").symlink_to(ROOT / "submit")
    wanted = steps("One command, many values")
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    made = subprocess.run(
        ["sh", "-c", script(wanted)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert seen(wanted, made.stdout) == wanted


def test_what_came_out_of_a_sweep_is_as_it_is_written(tmp_path: Path) -> None:
    make_ready()
    (tmp_path / "submit").symlink_to(ROOT / "submit")
    wanted = steps("What came out of a sweep")
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    try:
        done = subprocess.run(
            ["sh", "-c", script(wanted)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        stop("local", tmp_path, environment)
    assert same(seen(wanted, done.stdout)) == same(wanted)


def test_the_example_of_a_sweep_is_one(tmp_path: Path) -> None:
    found = read_sweep_file(str(ROOT / "sweep.yaml.example"))
    made = sweep_of(Typed(), found, Inputs())
    assert (made.count, len(set(made.specs())), made.unused) == (20, 20, [])
    told = said_of_jobs(found)
    assert (told["gpus"], told["mem"], told["timeout"], told["snapshot"]) == (1000, 8 << 30, 7200, ".")


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


def test_the_gateway_does_what_is_written(tmp_path: Path) -> None:
    """At a port that nobody has, and as whoever runs the tests."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    root = " --allow-root" if os.geteuid() == 0 else ""
    submit = tmp_path / "submit"
    submit.write_text(f'#!/bin/sh\nexec {sys.executable} -m sjs.cli "$@"\n')
    submit.chmod(0o755)
    wanted = steps("The gateway")
    here = f"submit gateway --listen 127.0.0.1:{port}{root}"
    typed = script(wanted).replace("8765", str(port)).replace("submit gateway", here)
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    environment["PYTHONPATH"] = str(ROOT)
    try:
        done = subprocess.run(
            ["sh", "-c", typed], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        stop("local", tmp_path, environment, submit)
    assert same(seen(wanted, done.stdout)) == same(wanted), (tmp_path / "gateway.log").read_text()
    assert "it has ended" in (tmp_path / "gateway.log").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_are_there(page: Path) -> None:
    for path in re.findall(r"`((?:sjs|scripts|tests|docs)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), path
