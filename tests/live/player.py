"""Plays a manager of simple-job-submit from a tape: `python3 player.py TAPE`, in the project folder.

The tape has a request and its reply, a line each, again and again. What is asked must be the same, byte for byte;
else the answer says so and the exit status is 1. It is 0 when the tape has come to its end.
"""

from __future__ import annotations

import json
import os
import sys


def main(tape: str) -> int:
    """Answer what the tape has."""
    with open(tape, "rb") as recorded:
        lines = recorded.read().splitlines()
    expected, replies = lines[::2], lines[1::2]
    os.mkfifo("jobs.pipe")
    while expected:
        with open("jobs.pipe", "rb") as door:
            asked = door.read().splitlines()
        for line in asked:
            same = bool(expected) and line == expected[0]
            with open(json.loads(line)["port"], "wb") as port:
                port.write(replies.pop(0) if same else differs(line, expected[:1]))
            if not same:
                return 1
            expected.pop(0)
    return 0


def differs(line: bytes, expected: list[bytes]) -> bytes:
    """A refusal that a test can show."""
    message = f"the tape has {expected}, not {line!r}"
    return json.dumps({"code": 99, "status": "error", "message": message}).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
