"""What scripts/submit runs, by its path and without site packages: so it is up in the time of a bare Python."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.append(__file__.rpartition("/sjs/")[0])
    from sjs.warm.entry import submit

    submit()
