"""Jobs of a sweep, for tests that are about what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def write(path: Path, sweep: str, jobs: Sequence[tuple[str, Mapping[str, str]]]) -> Path:
    """A file for `import` with a sweep's jobs: of each the command and what its parameters are."""
    lines = [
        {
            "id": number,
            "state": "queued",
            "submitted": 1,
            "attempt": 0,
            "command": command,
            "task": {"sweep": sweep, "number": number, "values": dict(values)},
        }
        for number, (command, values) in enumerate(jobs, 1)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path
