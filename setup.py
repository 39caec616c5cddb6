"""What setup.cfg cannot say: the man pages, made anew by each build from what --help shows."""

import sys
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sjs.cli.shell.man_pages import write  # noqa: E402 (it lies here, and nowhere else yet)

pages = [str(Path(page).relative_to(HERE)) for page in write(HERE / "build/man")]
setup(data_files=[("share/man/man1", pages)])
