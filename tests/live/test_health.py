"""A machine that fails what others do not: `any` passes it over, until somebody says that it is mended."""

from __future__ import annotations

import json
from pathlib import Path

from tests.live.machine import PATIENT, running, until
from tests.live.test_kill import is_up_again
from tests.live.test_outbox import Pair

WHY = "6 of its last 6 jobs failed at once (exit 127)"


def test_a_machine_that_fails_what_others_do_not_is_passed_over_until_it_is_mended(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with running(tmp_path / "m1", 4) as bad, running(tmp_path / "m2", 1) as good:
        pair = Pair(tmp_path / "home", [bad, good], PATIENT)
        with bad.client() as client:
            for _ in range(6):
                client.run("no-such-program")
        with good.client() as client:
            client.run(*["true"] * 6)
        killed = bad.kill_manager()
        until(lambda: is_up_again(bad, killed), "the next manager")
        passed = f"[m1] passed over where others can take jobs: {WHY}; once it is mended: submit m1 undrain\n"
        done = pair.types("any job --command 'sleep 30' --command true -p")
        assert (done.returncode, done.stderr) == (0, passed)
        assert done.stdout.count("m2:") == 2, "the second one waits, though m1 has four free slots"
        assert WHY in pair.types("m1 status").stderr
        found = {one["target"]: one for one in map(json.loads, pair.types("all hosts --json").stdout.splitlines())}
        assert [found[name]["health"]["faults"] for name in ("m1", "m2")] == [6, 0]
        assert WHY in pair.types("m1 doctor").stdout
        with good.client() as client:
            client.ask("drain")
        stranded = pair.types("any job --command true -p")
        assert (stranded.returncode, stranded.stdout[:3], "nobody else" in stranded.stderr) == (0, "m1:", True)
        pair.types("all undrain")
        mended = pair.types("any job --command true -p")
        assert (mended.stdout[:3], mended.stderr) == ("m1:", "")
