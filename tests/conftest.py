"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

from tests import pythons

# A shared machine may pause for longer than an example may take; the whole run has its limit in setup.cfg.
settings.register_profile("sjs", deadline=None)
settings.load_profile("sjs")


def pytest_report_header() -> str:
    return pythons.report()
