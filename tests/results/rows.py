"""Rows to test with."""

from __future__ import annotations

from typing import Any

from sjs.results.rows import Row


def row(number: int, loss: float | None = None, **more: Any) -> Row:
    """A job of the setting of this number."""
    usual: dict[str, Any] = {
        "target": "m",
        "job": number,
        "number": number,
        "setting": number,
        "state": "succeeded",
        "submitted": 1.0,
        "seconds": 2.0,
        "values": {"lr": str(number)},
        "metrics": {} if loss is None else {"loss": loss},
    }
    return Row(**{**usual, **more})
