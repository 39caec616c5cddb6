"""A cluster for each test here, and who speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.caller import Caller
from tests.kube.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as made:
        yield made


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[Caller]:
    with cluster.caller() as caller:
        yield caller


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Cluster]:
    """Without nodes: nothing runs."""
    with Cluster(tmp_path, machines=()) as made:
        yield made


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster where nobody runs pods: what becomes of them, the test says."""
    made = Cluster(tmp_path, machines=())
    made.worker.controllers = [one for one in made.worker.controllers if one is not made.kubelet]
    with made:
        yield made
