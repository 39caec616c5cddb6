from collections.abc import Iterator

import pytest

from tests.daemon import queues


@pytest.fixture
def queue() -> Iterator[queues.Queue]:
    """An empty queue with two slots, in memory."""
    made = queues.make()
    yield made
    made.store.close()
