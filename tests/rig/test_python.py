"""Python functions on machines over ssh: one of their managers is killed in the middle, and each call runs once."""

from __future__ import annotations

import subprocess
import sys
from ast import literal_eval
from collections import Counter

from tests.live.machine import DEADLINE, until
from tests.rig.lab import Host, rig

CALLS, SLOTS = 24, 3

FUNCTION = """\
import os, time

def counted(number):
    with open(f"ran-{number}", "a") as log:
        log.write("once\\n")
    while number >= 4 and not os.path.exists("go"):
        time.sleep(0.1)
    return number * number, os.uname().nodename
"""
"""In a module that both sides have, for they may have different Pythons."""

PROGRAM = f"""\
import sjs
from function import counted
from sjs import routing

routing.LATE = {DEADLINE}
with sjs.connect("config.yaml") as fleet, sjs.Executor(fleet.any) as executor:
    print(*executor.map(counted, range({CALLS})), sep="\\n")
"""


def runs(hosts: list[Host]) -> Counter[str]:
    """How often each call was begun, on whichever host."""
    logs = [path for host in hosts for path in host.root.glob("ran-*")]
    return Counter(
        {path.name: sum(one.read_text().count("once") for one in logs if one.name == path.name) for path in logs}
    )


def test_each_call_of_a_map_runs_once_though_a_manager_is_killed() -> None:
    with rig(2) as lab:
        lab.config(default_max_jobs=SLOTS)
        lab.manage(*[SLOTS] * 2)
        for folder in (lab.home, *(host.root for host in lab.hosts)):
            (folder / "function.py").write_text(FUNCTION)
        command = lab.command(sys.executable, "-c", PROGRAM)
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            until(lambda: len(runs(lab.hosts)) == 4 + 2 * SLOTS, "four calls that ended, and all slots taken")
            lock = lab.hosts[0].root / ".sjs/jobs.pipe/manager.lock"
            killed = lock.read_text().split()[1]
            lab.hosts[0].call("kill", "-KILL", killed)
            until(lambda: lock.read_text().split()[1:2] not in ([], [killed]), "another manager")
            for host in lab.hosts:
                (host.root / "go").touch()
            said, errors = program.communicate(timeout=DEADLINE)
        finally:
            program.kill()
            program.communicate()
        assert program.returncode == 0, errors
        found = [literal_eval(line) for line in said.splitlines()]
        assert [value for value, _ in found] == [number**2 for number in range(CALLS)]
        assert {where for _, where in found} == {"h1", "h2"}
        assert set(runs(lab.hosts).values()) == {1} and len(runs(lab.hosts)) == CALLS
