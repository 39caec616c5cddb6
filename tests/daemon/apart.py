"""A check in a process of its own: what it opens, changes of signals or becomes ends with it."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


def in_a_child(check: Callable[P, None]) -> Callable[P, None]:
    """Have the test run in a forked child; it fails as the child does."""

    @functools.wraps(check)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        child = os.fork()
        if child == 0:
            try:
                check(*args, **kwargs)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - whatever it is, pytest shows what the child has printed
                traceback.print_exc()
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return run
