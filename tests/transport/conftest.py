from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.sshd import Client, Sshd


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that all tests may use which leave it as it is."""
    if os.getuid() != 0:
        pytest.skip("only root can give a server accounts of its own")
    with Sshd(tmp_path_factory.mktemp("ssh") / "machine") as found:
        yield found


@pytest.fixture
def client(machine: Sshd, tmp_path: Path) -> Client:
    """Somebody who knows the machine and may enter it."""
    found = Client(tmp_path / "client")
    found.knows(machine)
    found.may_enter(machine)
    return found
