"""`python -m sjs.cli` is `submit`."""

from __future__ import annotations

from sjs.cli.main import submit

if __name__ == "__main__":
    submit()
