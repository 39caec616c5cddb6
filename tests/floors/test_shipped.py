"""What goes to machines, alone in a folder, on every Python here: no site packages, no client side, no import fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sjs.bundle import SHIPPED, worker
from tests import pythons

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ALL = """\
import pathlib, sys
root = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(root)]
for path in sorted(root.glob("sjs/**/*.py")):
    __import__(".".join(path.relative_to(root).with_suffix("").parts))
print(len(list(root.glob("sjs/**/*.py"))))
"""
each_python = pytest.mark.parametrize(
    "python", [pytest.param(path, id=".".join(map(str, version))) for version, path in pythons.found().items()]
)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "sjs").mkdir()
    for name in SHIPPED:
        source = ROOT / "sjs" / name
        if source.is_dir():
            shutil.copytree(source, folder / "sjs" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / "sjs")
    return folder


def run(python: str, *argv: object) -> str:
    call = subprocess.run(
        [python, "-I", "-S", "-W", "error", *map(str, argv)], capture_output=True, text=True, timeout=60
    )
    assert call.returncode == 0, call.stderr
    return call.stdout


@each_python
def test_every_module_is_imported(python: str, shipped: Path) -> None:
    assert int(run(python, "-c", IMPORT_ALL, shipped)) > 20


@each_python
def test_the_folder_runs(python: str, shipped: Path) -> None:
    assert "--max-jobs-running" in run(python, shipped / "sjs/daemon", "--help")


@each_python
def test_a_worker_needs_nothing_but_what_it_is_brought_with(python: str, tmp_path: Path) -> None:
    for name, text in worker().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    assert int(run(python, "-c", IMPORT_ALL, tmp_path)) == len(worker())


def test_the_report_says_where_it_ran() -> None:
    """Which Pythons there are is the machine's affair; that the report names the floor and the newest is ours."""
    newest = ".".join(map(str, max(pythons.found())))
    assert "3.8" in pythons.report()
    assert newest in pythons.report()
