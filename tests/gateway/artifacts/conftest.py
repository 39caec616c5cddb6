"""Stores of each kind, empty for each test."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sjs.gateway.artifacts.opening import open_store
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.settings import FolderSettings
from sjs.gateway.artifacts.store import Store
from sjs.values import replace
from tests.gateway.artifacts import servers
from tests.gateway.artifacts.servers import LONG, Canned, Server

NUMBERS = itertools.count(1)
REAL = ["moto", "s3rver"] if LONG else ["moto"]


@pytest.fixture(scope="package")
def moto() -> Iterator[Server]:
    with servers.moto() as server:
        yield server


@pytest.fixture(scope="package")
def s3rver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.s3rver(tmp_path_factory.mktemp("s3rver")) as server:
        yield server


@pytest.fixture(scope="package")
def canned_server() -> Iterator[Canned]:
    with servers.canned() as found:
        yield found


@pytest.fixture
def canned(canned_server: Canned) -> Iterator[Canned]:
    """It has been asked nothing yet, and is to give all of its answers."""
    canned_server.asked.clear()
    yield canned_server
    left = list(canned_server.answers)
    canned_server.answers.clear()
    canned_server.always = None
    assert left == []


@pytest.fixture(scope="package")
def patient(canned_server: Canned) -> Iterator[S3Store]:
    """A store there that asks twice."""
    store = S3Store(canned_server.server.settings(retries=1), canned_server.server.environ, pytest.fail)
    yield store
    store.close()


@pytest.fixture(scope="package")
def impatient(canned_server: Canned) -> Iterator[S3Store]:
    """A store there that asks once."""
    store = S3Store(canned_server.server.settings(retries=0), canned_server.server.environ, pytest.fail)
    yield store
    store.close()


def s3_store(server: Server, warn: Callable[[str], None]) -> S3Store:
    store = S3Store(server.settings(), server.environ, warn)
    store.client.create_bucket(Bucket=store.settings.bucket)
    return store


def of_its_own(store: S3Store) -> S3Store:
    """The same, where nothing is kept yet."""
    other = copy.copy(store)
    other.settings = replace(store.settings, prefix=f"sjs/{next(NUMBERS)}/")
    return other


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Store]:
    found = open_store(FolderSettings(str(tmp_path / "artifacts")), {}, pytest.fail)
    yield found
    found.close()


@pytest.fixture(scope="package")
def opened_moto(moto: Server) -> Iterator[S3Store]:
    """A client is made in a quarter of a second: one for all tests."""
    store = s3_store(moto, pytest.fail)
    yield store
    store.close()


@pytest.fixture(scope="package")
def opened_s3rver(s3rver: Server) -> Iterator[S3Store]:
    warnings: list[str] = []
    store = s3_store(s3rver, warnings.append)
    yield store
    store.close()
    assert all("MethodNotAllowed" in warning for warning in warnings)  # it cannot end an upload


@pytest.fixture(params=["folder", *REAL])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "folder":
        found: Store = request.getfixturevalue("folder")
        return found
    return of_its_own(request.getfixturevalue(f"opened_{request.param}"))


@pytest.fixture(params=REAL)
def s3(request: pytest.FixtureRequest) -> S3Store:
    return of_its_own(request.getfixturevalue(f"opened_{request.param}"))
