"""What holds for all tests."""

from __future__ import annotations

from tests import pythons


def pytest_report_header() -> str:
    return pythons.report()
