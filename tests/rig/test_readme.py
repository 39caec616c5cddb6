"""What the README says of three machines is what happens, to somebody who copies its lines."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Iterator

import pytest

from tests.docs.readme import blocks, make_ready, same, script, section, seen, steps
from tests.live.machine import DEADLINE, ROOT
from tests.rig.lab import USER, Lab

WALK, CONTACT = "Three machines over ssh", "A machine that nobody knows yet"


@pytest.fixture
def nodes(lab: Lab) -> Iterator[Lab]:
    """Hosts with the names of the README, whose user ssh knows from its own config."""
    make_ready()  # there is no PyPI in the lab
    (lab.home / "submit").symlink_to(ROOT / "submit")
    (lab.home / ".ssh" / "config").write_text(f"User {USER}\n")
    (lab.home / "config.yaml").write_text(blocks(section(WALK), "yaml"))
    with (lab.folder / "hosts").open("a") as names:
        for number, host in enumerate(lab.hosts, 1):
            names.write(f"{host.address} node{number}\n")
            host.call("hostname", f"node{number}", user="root")
    yield lab


def test_the_walk_goes_as_it_is_written(nodes: Lab) -> None:
    nodes.trust(*(f"node{number} {host.public_key}" for number, host in enumerate(nodes.hosts, 1)))
    wanted = steps(WALK)
    walk = nodes.call("sh", "-c", script(wanted), check=False)
    assert same(seen(wanted, walk.stdout)) == same(wanted)


def test_the_first_contact_goes_as_it_is_written(nodes: Lab) -> None:
    nodes.known_hosts.unlink()
    wanted = steps(CONTACT)
    ours, theirs = pty.openpty()
    with subprocess.Popen(nodes.command("sh", "-c", script(wanted)), stdin=theirs, stdout=theirs) as talk:
        os.close(theirs)
        printed = read(ours, until="[y/N]: ")
        os.write(ours, b"y\n")
        printed += read(ours)
        talk.wait(DEADLINE)
    os.close(ours)
    shown = [(command, text.replace("\r\n", "\n")) for command, text in seen(wanted, printed)]
    assert same(shown) == same(wanted)


def read(terminal: int, until: str = "never") -> str:
    """What comes, up to these words, or until nobody has the other end any more."""
    came = ""
    while until not in came:
        assert select.select([terminal], [], [], DEADLINE)[0], f"nothing after {came!r}"
        try:
            came += os.read(terminal, 4096).decode()
        except OSError:  # how Linux says so
            break
    return came
