"""The errands' entry: `python3 -I -S …/sjs/errand`, run as a folder, so nothing need be installed."""

import os
import sys

if __name__ == "__main__":
    # Run as a folder: Python put the folder itself on the path, where one of its modules could hide somebody else's.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from sjs.daemon.__main__ import hold
    from sjs.errand import session

    hold()
    sys.exit(session.main(sys.argv[1:]))
