"""Ways to a machine that are not the straight one."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.live.machine import DEADLINE, SUBMIT
from tests.rig.lab import USER, Count, Lab, Plan, rig


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_through_jump_hosts(lab: Lab, transport: str) -> None:
    """The third machine is out of the client's reach; ssh_config says how to come there."""
    one, two, three = lab.hosts
    three.manager(5)
    three.cut()
    (lab.home / ".ssh" / "config").write_text(
        f"Host far\n  HostName {three.address}\n  User {USER}\n  ProxyJump {USER}@{one.address},{USER}@{two.address}\n"
    )
    lab.config([three], transport=transport, each=[{"host": "far"}])
    lab.submit("manager-1", "status")  # the first command may have to put the program there
    before = lab.counts
    done = lab.submit("manager-1", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"max_jobs_running": 5' in done.stdout
    new = 1 if transport == "ssh" else 0  # openssh keeps its connection for a while
    assert lab.since(before) == [Count(new, 0), Count(new, 0), Count(new, 1)]


def test_machines_behind_one_jump_host_share_the_connection_to_it(lab: Lab) -> None:
    """It is a machine itself, and two are behind it."""
    gate, *behind = lab.hosts
    lab.manage(1, 2, 3)
    for host in behind:
        host.cut()
    jump = {"proxy_jump": f"{USER}@{gate.address}"}
    lab.config(each=[{}, jump, jump])
    lab.submit("all", "status")  # the first command may have to put the program there
    before = lab.counts
    done = lab.submit("all", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert lab.since(before) == [Count(2, 1), Count(1, 1), Count(1, 1)]


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_another_port(transport: str) -> None:
    with rig([Plan(sshd=["Port 2222"])]) as lab:
        host = lab.hosts[0]
        host.manager(5)
        lab.trust(f"[{host.address}]:2222 {host.public_key}")
        lab.config(transport=transport, port=2222)
        done = lab.submit("manager-1", "status")
        assert (done.returncode, done.stderr) == (0, "")
        assert '"max_jobs_running": 5' in done.stdout


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_a_machine_that_goes_away_while_its_job_is_followed(lab: Lab, transport: str) -> None:
    """The client notices by itself that a link is dead, comes back on a new one, and misses no byte."""
    host = lab.hosts[0]
    host.manager(1)
    lab.config([host], transport=transport)
    text = "echo here; until test -e gate; do sleep 0.05; done; echo there; exit 7"
    command = lab.command(*SUBMIT, "manager-1", "job", "--follow", "--command", text)
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as following:
        assert following.stdout is not None and following.stderr is not None
        assert '"job_id": 0' in following.stderr.readline()
        assert following.stdout.readline() == "here\n"
        host.cut()
        assert "asking again" in following.stderr.readline()  # else pytest's own limit ends this
        host.heal()
        (host.root / "gate").touch()
        assert following.stdout.read() == "there\n"
        assert following.wait(DEADLINE) == 7, following.stderr.read()
