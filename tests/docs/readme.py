"""The README as commands and what they print."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BETWEEN = "\x1e"
OF_EACH_RUN = {
    r"\bpid \d+": "pid N",
    r"SHA256:[\w+/]+": "SHA256:KEY",
    r" \d:\d\d ": " M:SS ",
    r"token \w+ of": "token ID of",
}

Step = tuple[str, str]


def section(heading: str) -> str:
    """What stands under a heading."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def blocks(text: str, kind: str) -> str:
    """Its blocks of that kind, one after the other."""
    return "".join(re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def steps(*headings: str) -> list[Step]:
    """The commands of their console blocks, and what each is to print."""
    shown = "".join(blocks(section(one), "console") for one in headings)
    parts = re.split(r"^\$ (.*)\n", shown, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def make_ready() -> None:
    """Let `submit` make its environment, of which it tells."""
    # What is used of it is compiled when it is, and the most is not.
    environment = {**os.environ, "PIP_COMPILE": "0"}
    subprocess.run([ROOT / "submit", "--version"], check=True, capture_output=True, timeout=300, env=environment)


def script(wanted: list[Step]) -> str:
    """For a shell: the commands, with a sign after what each has printed on either stream."""
    return "exec 2>&1\n" + "".join(f"{command}\nprintf '{BETWEEN}'\n" for command, _ in wanted)


def seen(wanted: list[Step], printed: str) -> list[Step]:
    """The commands, and what each did print."""
    return list(zip((command for command, _ in wanted), printed.split(BETWEEN)[:-1], strict=True))


def same(found: list[Step]) -> list[Step]:
    """Without what is another one in each run: some words, and who of several comes first when one is late."""
    for pattern, instead in OF_EACH_RUN.items():
        found = [(command, re.sub(pattern, instead, printed)) for command, printed in found]
    return [(command, "".join(sorted(printed.splitlines(True), key=whose))) for command, printed in found]


def whose(line: str) -> str:
    """The name of the machine that says it."""
    name = re.match(r"\[[^]]+\]", line)
    return name[0] if name else ""
