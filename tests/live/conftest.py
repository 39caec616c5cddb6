import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.machine import Machine, running
from tests.live.trees import Tree
from tests.live.upgrading import JOBS, Pair


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A manager with two slots."""
    with running(tmp_path / "machine") as one:
        yield one


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Tree, Tree]:
    """Two versions of the code."""
    return Tree(tmp_path / "old", "1.0"), Tree(tmp_path / "new", "2.0")


@pytest.fixture
def begin(tmp_path: Path, trees: tuple[Tree, Tree]) -> Iterator[Callable[[], Pair]]:
    """Starts the old code, once the test has edited both."""
    with contextlib.ExitStack() as stack:

        def start() -> Pair:
            machine = stack.enter_context(running(tmp_path / "machine", 2 * JOBS, daemon=trees[0].daemon))
            return Pair(machine, *trees)

        yield start
