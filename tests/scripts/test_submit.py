"""scripts/submit on a copy of the tree whose setup.cfg asks for no packages, so that nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLI = """\
import click, sys
print(click.__name__, sys.argv[1:], sys.stdin.read())
"""
CALLS = 8
ENTRY = "[options]\ninstall_requires =\n[options.extras_require]\nview =\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "a tree"
    (tree / "sjs/cli").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", tree / "scripts")
    (tree / "setup.cfg").write_text(ENTRY)
    (tree / "submit").symlink_to("scripts/submit")
    (tree / "sjs/cli/__main__.py").write_text(CLI)
    (tree / "click.py").write_text("")
    return tree


def submit(tree: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tree.parent / "cache"), **more}
    return subprocess.run(
        [tree / "submit", *argv], input="typed", env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_first_call_says_what_it_does_and_passes_everything_on(tree: Path) -> None:
    first = submit(tree, "two words", "")
    assert first.stdout == "click ['two words', ''] typed\n"
    assert first.stderr.startswith("sjs: making ")
    assert submit(tree).stderr == ""


def test_neither_the_current_folder_nor_pythonpath_can_come_between(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("click.py", "runpy.py", "sjs.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert submit(tree, PYTHONPATH=str(tmp_path)).stdout == "click [] typed\n"


def test_the_tree_may_be_moved(tree: Path) -> None:
    submit(tree)
    moved = submit(tree.rename(tree.parent / "moved"))
    assert (moved.stdout, moved.stderr) == ("click [] typed\n", "")


def test_first_calls_at_once_make_one_environment(tree: Path) -> None:
    calls = [
        subprocess.Popen([tree / "submit"], stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, text=True)
        for _ in range(CALLS)
    ]
    ends = [call.communicate(timeout=120) for call in calls]
    assert [out for out, _ in ends] == ["click [] \n"] * CALLS
    assert sum(errors.startswith("sjs: making") for _, errors in ends) == 1


def test_a_changed_setup_cfg_brings_a_new_environment_in_one_step(tree: Path) -> None:
    submit(tree)
    (tree / ".venv/old").touch()
    (tree / "setup.cfg").write_text(ENTRY + "# changed\n")
    assert "making" in submit(tree).stderr
    assert not (tree / ".venv/old").exists()
    assert sorted(path.name for path in tree.glob(".venv*")) == [".venv", ".venv.lock"]


def test_an_extra_that_was_asked_for_once_is_there_from_then_on(tree: Path) -> None:
    (tree / "setup.cfg").write_text(f"{ENTRY}kubernetes =\n")
    submit(tree)
    assert "making" in submit(tree, SJS_EXTRAS="kubernetes").stderr
    assert (submit(tree).stderr, submit(tree, SJS_EXTRAS="kubernetes view").stderr) == ("", "")
    (tree / "setup.cfg").write_text(f"{ENTRY}kubernetes =\n# changed\n")
    assert "making" in submit(tree).stderr
    assert (tree / ".venv/extras").read_text() == "kubernetes\nview\n"
    call = submit(tree, SJS_EXTRAS="kubernets")
    assert (call.returncode, call.stderr.splitlines()[-1]) == (
        2,
        f"sjs: cannot make {tree}/.venv: there is no extra kubernets, only view, kubernetes",
    )


def test_an_environment_whose_python_is_gone_is_made_again(tree: Path) -> None:
    submit(tree)
    python = (tree / ".venv/bin/python").resolve()
    for link in (tree / ".venv/bin").glob("python*"):
        link.unlink()
        link.symlink_to(python.with_name("python3.0-which-was-removed"))
    assert submit(tree).stdout == "click [] typed\n"


def test_a_venv_that_somebody_else_made_is_left_alone(tree: Path) -> None:
    (tree / ".venv/mine").mkdir(parents=True)
    assert submit(tree).stdout == "click [] typed\n"
    assert [path.name for path in (tree / ".venv").iterdir()] == ["mine"]
    assert list((tree.parent / "cache/sjs").glob("venv-*/bin/python"))


@pytest.fixture
def unwritable(tree: Path) -> Iterator[Path]:
    """Root may write everywhere, so there the tree is somebody else's and the call is made by nobody."""
    tree.chmod(0o555)
    yield tree
    tree.chmod(0o755)


def test_a_tree_that_cannot_be_written_has_its_environment_in_the_cache(unwritable: Path) -> None:
    home = unwritable.parent / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    for folder in unwritable.parents:  # pytest's own folders are closed to others
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "SJS_NO_LINK": "1"}
    call = subprocess.run(
        [*as_nobody, unwritable / "submit"], input="", env=environment, capture_output=True, text=True, timeout=120
    )
    assert (call.stdout, call.returncode) == ("click [] \n", 0), call.stderr
    assert list((home / ".cache/sjs").glob("venv-*/bin/python"))


def test_a_place_that_cannot_be_written_is_named(tree: Path) -> None:
    (tree / ".venv").write_text("in the way, and not ours")
    (tree.parent / "cache").write_text("in the way, too")
    call = submit(tree)
    assert call.returncode == 2
    assert call.stderr.startswith(f"sjs: cannot make {tree.parent}/cache/sjs/venv-")
    assert call.stderr.count("\n") == 1


def test_a_python_without_venv_is_named_with_what_to_install(tree: Path) -> None:
    fake_python(tree.parent / "bin", "-c) case $4 in *version_info*) echo 3.11 ;; *) exit 1 ;; esac ;;")
    call = submit(tree, PATH=str(tree.parent / "bin"))
    assert call.returncode == 2
    assert call.stderr == "submit: Python 3.11 lacks its venv module; on Debian: apt-get install python3.11-venv\n"


def test_without_a_python_one_line_says_so(tree: Path) -> None:
    fake_python(tree.parent / "bin", "-c) echo 3.9 ;;")
    call = submit(tree, PATH=str(tree.parent / "bin"))
    assert call.returncode == 2
    assert call.stderr == "submit: needs Python 3.10 or newer, and there is none on PATH\n"


def fake_python(folder: Path, case: str) -> None:
    """A PATH with the tools that the script uses, and a python3 that answers `-I -S -c …` as the case says."""
    folder.mkdir()
    for tool in ("readlink", "cmp", "tr", "cksum", "cut"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    (folder / "python3").write_text(f"#!/bin/sh\ncase $3 in\n{case}\nesac\n")
    (folder / "python3").chmod(0o755)


def test_job_manager_says_which_python_it_needs(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin", "-c) echo 3.7 ;;")
    call = subprocess.run(
        [ROOT / "job_manager"], env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, timeout=10
    )
    assert (call.returncode, call.stderr) == (2, "job_manager: needs Python 3.8 or newer, and there is none on PATH\n")


def test_job_manager_runs_in_any_folder_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "jm").symlink_to(ROOT / "job_manager")
    call = subprocess.run([tmp_path / "jm", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert call.returncode == 0, call.stderr
    assert "--max-jobs-running" in call.stdout
