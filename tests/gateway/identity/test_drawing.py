from __future__ import annotations

import re

from sjs.gateway.identity.drawing import AHEAD, Words


def test_each_is_another_though_many_are_drawn_at_a_time() -> None:
    words = Words(8)
    found = [words.next() for _ in range(2 * AHEAD + 1)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in found)
