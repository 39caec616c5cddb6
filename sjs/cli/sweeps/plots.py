"""Draws a sweep: into a file where matplotlib is there, else at the terminal."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from sjs.cli.text import printable
from sjs.core.aims import Aim
from sjs.errors import Refused, UsageError
from sjs.extras import how_to_get
from sjs.results.dots import Style, panels
from sjs.results.plotting import Plot, plot
from sjs.results.rows import Row
from sjs.results.table import Columns

TERMINAL = "-"
RED, END = "\x1b[31m", "\x1b[0m"


def chosen(aim: Aim | None, key: str, there: Columns) -> Aim:
    """What is to be drawn: what is aimed at, or sorted by, or the only metric that there is."""
    names = [key] if key in there.metrics else list(there.metrics)
    if aim is None and len(names) != 1:
        what = f"there are {', '.join(names)}" if names else "no job has printed any"
        raise UsageError("--plot of which metric?", f"{what}: --best min:NAME says which")
    return aim or Aim(names[0])


def draw(found: Plot, title: str, path: str) -> str:
    """Draw it; what there is to say of it. Refused says why there is no picture."""
    if path == TERMINAL:
        _show(found, sys.stdout)
        return ""
    if importlib.util.find_spec("matplotlib") is None:
        _show(found, sys.stderr)
        raise Refused(f"{path} was not made: there is no matplotlib here", how_to_get("plot"))
    from sjs.results import picture

    try:
        picture.save(found, title, path)
    except OSError as error:
        raise Refused(f"{path} was not made: {error.strerror or error}") from None
    except ValueError as error:  # a format that there is not
        raise UsageError(f"{path} was not made: {error}") from None
    left_out = f", {found.left_out} have no such number" if found.left_out else ""
    return f"{path}: {found.aim.metric} of {len(found.points)} jobs{left_out}"


def plot_of(rows: Sequence[Row], there: Columns, aim: Aim | None, key: str) -> Plot:
    """What is drawn of these rows."""
    return plot(rows, there, chosen(aim, key, there))


def _show(found: Plot, to: TextIO) -> None:
    is_coloured = to.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    colours = (RED, END) if is_coloured else ("", "")
    is_plain = (to.encoding or "").lower().replace("-", "") not in ("utf8", "utf16", "utf32")
    style = Style(shutil.get_terminal_size().columns, is_plain, *colours)
    for line in panels(found, style):
        to.write(f"{line if is_coloured else printable(line)}\n")
    to.flush()
