"""What somebody sends who has a key that opens a gate and wants more: commands for a shell, and ours with a twist."""

from __future__ import annotations

import random
from collections.abc import Iterator

from sjs import bundle
from sjs.core import login_shell

ASK = login_shell.line(bundle.ours().ask())
ERRAND = login_shell.line(bundle.ours().errand())
UNPACK = login_shell.line(bundle.ours().parcel().argv)
PLANT = "touch pwned"

SHELL = (
    *("", " ", "\n", "\t", "true", "id", PLANT, f"sh -c '{PLANT}'", f"exec {PLANT}", f"/bin/sh -c '{PLANT}'"),
    *(
        f"$({PLANT})",
        f"`{PLANT}`",
        f"; {PLANT}",
        f"| {PLANT}",
        f"&& {PLANT}",
        f"|| {PLANT}",
        f"\n{PLANT}\n",
        f"({PLANT})",
    ),
    *(
        f"'; {PLANT}; '",
        f'"; {PLANT}; "',
        f"'$({PLANT})'",
        f'"$({PLANT})"',
        f"\\\n{PLANT}",
        f"<({PLANT})",
        "${IFS}" + PLANT,
    ),
    *(
        "internal-sftp",
        "/usr/lib/openssh/sftp-server",
        "scp -t .",
        "scp -f .ssh/id_ed25519",
        "rsync --server . .",
        "-",
        "--",
    ),
    *(
        "git-upload-pack '.'",
        "bash -i",
        "sh",
        "exec -a x sh",
        "env",
        "printenv",
        "SSH_ORIGINAL_COMMAND",
        "%s%n",
        "A" * 100_000,
    ),
    *(
        "job_manager",
        "ask",
        "gate",
        "gate alice --all-jobs",
        "python3 -c 'import os'",
        "PATH=. ls",
        "LD_PRELOAD=./x.so ls",
    ),
    UNPACK,
)


def commands(count: int, seed: int) -> Iterator[str]:
    """So many of them, none of which is what our clients send."""
    yield from SHELL
    lot = random.Random(seed)
    for _ in range(count - len(SHELL)):
        yield twisted(lot.choice((ASK, ERRAND)), lot)


def twisted(line: str, lot: random.Random) -> str:
    """One of our own lines, with something else in it somewhere."""
    at = lot.randrange(len(line) + 1)
    more = lot.choice((*SHELL[5:], *"'\"\\$`;|&\n\r <>(){}*?!#~", "../", "ä", "\u2028", "A" * 1_000_000))
    cut = lot.choice((0, 0, 1, 5, len(more)))
    found = line[:at] + more + line[at + cut :]
    return found if found != line else f"{line} {more}"
