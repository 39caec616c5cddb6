"""The dialect as it is served at a port of its own, over two real queues on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.config import from_mapping
from sjs.gateway.desk import Desk, opened
from sjs.gateway.settings import usual
from sjs.gateway.web.app import of_dialect
from tests.gateway.web.conftest import HOST, served
from tests.gateway.web.jobmgr.client import Client
from tests.live.machine import Machine

SHELL = """Command = "/bin/sh"
Arguments = ["-c", '''{script}''']
PreserveEnvVars = ["PATH"]
Timeout = "{timeout}"
{parameters}"""

PARAMETER = """
[[Parameter]]
Name = "{name}"
Type = "{type}"
"""


class Specs:
    """The folder of specs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        new = self.folder / f".{name}"
        new.write_text(text)
        new.rename(self.folder / f"{name}.toml")

    def shell(self, name: str, script: str, timeout: str = "10m", **parameters: str) -> None:
        """A job of the shell."""
        told = "".join(PARAMETER.format(name=one.replace("_", "-"), type=kind) for one, kind in parameters.items())
        self.write(name, SHELL.format(script=script, timeout=timeout, parameters=told))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "jobspecs").mkdir()
    return folder


@pytest.fixture(scope="module")
def specs(folder: Path) -> Specs:
    return Specs(folder / "jobspecs")


@pytest.fixture(scope="module")
def at_desk(folder: Path, machines: dict[str, Machine]) -> Iterator[Desk]:
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    with opened(usual(str(folder)), from_mapping({"managers": managers}, {}), {}) as desk:
        yield desk


@pytest.fixture(scope="module")
def jobmgr(at_desk: Desk) -> Iterator[Client]:
    with served(at_desk, of_dialect(at_desk, "jobmgr", "web", [HOST], {"PATH": "/usr/bin:/bin"})) as port:
        yield Client(port)
