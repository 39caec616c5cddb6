"""How one gets here what sjs can use and does not need: the extras of setup.cfg."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent


def how_to_get(extra: str) -> str:
    """What to type for it. In an environment that scripts/submit has made, which lists what it has, it is not pip."""
    if (Path(sys.executable).parent.parent / "extras").is_file():
        return f"SJS_EXTRAS={extra} {shlex.quote(str(TREE / 'submit'))} --version"
    return f"pip install 'sjs[{extra}]'"
