"""A worker on a machine: `python3 -I -S …/sjs/worker`, run as a folder, so nothing need be installed.

Beside the folder `sjs` lie `order`, `token` and perhaps `authorities`. The token is removed as soon as it is read.

A Python too old for sjs must still understand this file, to say so.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

EX_UNAVAILABLE = 69

if __name__ == "__main__" and not __package__:
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main(environ: "Dict[str, str]") -> int:
    """Work as the order beside this code says; the exit status."""
    if sys.version_info < (3, 8):  # noqa: UP036 (whatever is called python3 there)
        sys.stderr.write("sjs worker: needs Python 3.8; this is " + ".".join(map(str, sys.version_info[:3])) + "\n")
        return EX_UNAVAILABLE
    from sjs.worker import bringing

    return bringing.main(sys.path[0], environ)


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
