from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.link.probe import Person, copied


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, which tests leave as it is."""
    return copied(tmp_path_factory.mktemp("tree"))


@contextlib.contextmanager
def somebody(tree: Path) -> Iterator[Person]:
    """Whose home has a name so short that a socket's fits behind it, however many tests run at once."""
    with tempfile.TemporaryDirectory(prefix="sjs-home-") as folder:
        found = Person(Path(folder) / "home", tree)
        yield found
        found.close()


@pytest.fixture(scope="module")
def person(tree: Path) -> Iterator[Person]:
    """Somebody who types all day."""
    with somebody(tree) as found:
        yield found


@pytest.fixture
def newcomer(tree: Path) -> Iterator[Person]:
    """Somebody who has typed nothing yet."""
    with somebody(tree) as found:
        yield found


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Person]:
    """Somebody with code of his own."""
    with somebody(copied(tmp_path / "tree")) as found:
        yield found
