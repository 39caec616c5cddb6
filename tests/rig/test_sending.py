"""A large file on its way over ssh while the line is cut: the same command goes on where it stopped."""

from __future__ import annotations

import json
import os
import sys

from tests.rig.lab import Plan, rig

SIZE = 8 << 20
PORTS = {"ssh": 2201, "openssh": 2202}


def test_a_line_that_is_cut_costs_only_what_was_on_it() -> None:
    with rig([Plan()]) as lab:
        (host,) = lab.hosts
        lab.trust(*(f"[127.0.0.1]:{port} {host.public_key}" for port in PORTS.values()))
        (lab.home / ".ssh" / "config").write_text("ControlPath ~/.ssh/master\n")  # no connection is kept
        lab.config(
            [host, host], each=[{"transport": name, "port": port} for name, port in PORTS.items()], host="127.0.0.1"
        )
        content = os.urandom(SIZE)
        (lab.home / "large").write_bytes(content)
        for number, (name, port) in enumerate(PORTS.items(), 1):
            words = f"manager-{number} upload --from large --to ~/{name} --json".split()
            asked = ("-m", "tests.rig.sending", host.address, str(port), str(SIZE // 2), *words)
            found = json.loads(lab.call(sys.executable, *asked).stdout)
            (broken, _, said), (status, out, _) = found["done"]
            assert (found["struck"], broken, status) == (True, 255, 0), found
            assert len(said.splitlines()) == 1 and "the same command goes on where it stopped" in said
            sent = json.loads(out)
            assert sent["resumed"] > 0 and sent["resumed"] + sent["bytes"] == SIZE, sent
            assert (host.home / name / "large").read_bytes() == content
            assert os.listdir(host.home / name) == ["large"]
