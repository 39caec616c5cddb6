"""What a command starts when nobody is warm yet: run by its path, with a listening socket as descriptor 3, and where
modules are to be looked for as arguments."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]
    from sjs.warm.entry import with_packages

    with_packages()
    from sjs.warm.sources import Sources

    sources = Sources()  # a file that changes from here on was read before
    from sjs.warm.beside import begin

    lines, door = begin(3)
    from sjs.warm.serving import Warm

    Warm(3, sources, lines, door).run()
