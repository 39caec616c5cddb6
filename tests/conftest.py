"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

from tests import pythons

# A shared machine may pause for longer than an example may take; the whole run has its limit in setup.cfg.
settings.register_profile("sjs", deadline=None)
settings.load_profile("sjs")


# A shell has what it runs in the background ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return pythons.report()
