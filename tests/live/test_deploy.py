"""A project is brought to machines that have nothing, and what they have is left alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.inside import Insider
from tests.live.test_cli import Person

MAKEFILE = "all:\n\techo built > built; echo made\n"


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a Makefile and a program."""
    folder = tmp_path / "project.git"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "hello").write_text("echo hello\n")
    git(folder, "init", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


@pytest.fixture
def person(tmp_path: Path, project: Path) -> Iterator[Person]:
    """Somebody with two managers in folders that are not there yet, and that project."""
    home = tmp_path / "home"
    home.mkdir()
    config = home / "config.yaml"
    config.write_text(
        f"deployment: {{project_url: {project}}}\nmanagers:\n"
        f"  a: {{transport: local, project_root: {home}/a/p}}\n  b: {{transport: local, project_root: {home}/b}}\n"
    )
    config.chmod(0o600)
    someone = Insider(home)
    yield someone
    someone.types("all stop --kill")


def test_a_project_is_cloned_made_and_has_a_manager(person: Person, project: Path) -> None:
    done = person.types("all deploy --make")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert {"[a] made", "[b] made"} <= set(lines)
    assert [line[:15] for line in lines[-2:]] == ["[a] running on ", "[b] running on "]
    assert person.types("a job --follow -- sh hello").stdout == b"hello\n"
    assert not [name for name in os.listdir(person.home) if name.startswith(".new-")]
    (project / "hello").write_text("echo changed\n")
    git(project, "commit", "-am", "second")
    assert person.types("a deploy").returncode == 0
    assert person.types("a job --follow -- sh hello").stdout == b"hello\n", "what is there is left alone"
    assert person.types("a deploy --git").returncode == 0
    assert person.types("a job --follow -- sh hello").stdout == b"changed\n"


def test_what_fails_half_way_leaves_nothing(person: Person, project: Path) -> None:
    (project / "Makefile").write_text("all:\n\tfalse\n")
    git(project, "commit", "-am", "bad")
    done = person.types("b deploy --make")
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (
        1,
        f"[b] error: make in {person.home}/b ended with exit status 2",
    )
    project.rename(project.parent / "gone")
    done = person.types("a deploy")
    assert (done.returncode, b"git clone in" in done.stderr) == (1, True)
    assert os.listdir(person.home / "a") == []
    assert person.types("all check-running").returncode == 1


def test_start_makes_the_folder_that_it_was_told_of(person: Person) -> None:
    assert person.types("all start").returncode == 0
    assert (person.home / "a" / "p").stat().st_mode & 0o777 == 0o700
    assert person.types("all job --command true").returncode == 0


def test_a_folder_that_can_not_be_made_is_told(person: Person) -> None:
    (person.home / "a").touch()
    done = person.types("a start")
    assert (done.returncode, done.stderr.decode()) == (
        1,
        f"[a] error: project_root {person.home}/a/p can not be made: Not a directory (mkdir -p {person.home}/a/p)\n",
    )
