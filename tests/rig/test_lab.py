"""The rig itself, with OpenSSH's own client: hosts apart from each other, cut off, refusing, counted, and gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.live.machine import DEADLINE, ROOT, until, wait_for_end
from tests.rig.lab import Lab, Plan, insist, rig

ASK = (
    r"printf 'sjs 1\0/home/worker/project\0jobs.pipe\0\0-\n{\"op\":\"report\",\"id\":1}\n'"
    " | python3 -I -S /mnt/sjs/daemon ask"
)


def test_each_host_has_a_name_an_address_and_a_home_of_its_own(lab: Lab) -> None:
    for host in lab.hosts:
        done = lab.ssh(host, "hostname; echo $SSH_CONNECTION; id -un; pwd; ls /tmp; touch ~/mine")
        assert done.stdout.split()[:1] == [host.name]
        assert done.stdout.split()[3:] == [host.address, "22", "worker", "/home/worker"]
        assert (host.home / "mine").stat().st_uid == 2001
        (host.home / "mine").unlink()


def test_each_host_has_processes_of_its_own(lab: Lab) -> None:
    """The same mark on two hosts is not the same job; who is left without a parent is reaped."""
    marked = "SJS_JOB=mark sleep 600 </dev/null >/dev/null 2>&1 & echo $!"
    look = "grep -lsz ^SJS_JOB=mark$ /proc/[0-9]*/environ"
    one, two, _ = lab.hosts
    number = one.call("bash", "-c", marked).stdout.strip()
    until(lambda: one.call("bash", "-c", look, check=False).stdout == f"/proc/{number}/environ\n", "the marked process")
    assert two.call("bash", "-c", look, check=False).stdout == ""
    one.call("kill", number)
    until(lambda: one.call("kill", "-0", number, check=False).returncode != 0, "the orphan is reaped")


def test_a_manager_there_is_asked_through_ssh(lab: Lab) -> None:
    host = lab.hosts[1]
    host.manager(4)
    done = lab.ssh(host, ASK)
    assert '"host":"h2"' in done.stdout and '"max":4' in done.stdout, done
    assert (host.root / "jobs.pipe").is_fifo()


def test_connections_and_sessions_are_counted(lab: Lab) -> None:
    one, two, three = lab.hosts
    lab.ssh(one, "true")
    lab.call("ssh-keyscan", two.address)
    master = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes", "-o", f"ControlPath={lab.home}/master"]
    for _ in range(3):
        lab.ssh(three, "true", *master)
    assert (one.connections, one.sessions) == (1, 1)
    assert two.connections >= 1 and two.sessions == 0
    assert (three.connections, three.sessions) == (1, 3)


def test_cut_off_refusing_and_back_again(lab: Lab) -> None:
    one, two, _ = lab.hosts
    one.cut()
    assert "timed out" in lab.ssh(one, "true", "-o", "ConnectTimeout=1").stderr
    one.heal()
    two.refuse()
    assert "refused" in lab.ssh(two, "true").stderr
    two.serve()
    assert [lab.ssh(host, "true").returncode for host in lab.hosts] == [0, 0, 0]


def test_host_keys_are_checked(lab: Lab) -> None:
    one, two, three = lab.hosts
    lab.trust(
        f"{one.address} {two.public_key}",
        f"@revoked {two.address} {two.public_key}",
        f"{three.address} {three.public_key}",
    )
    said = [lab.ssh(host, "true").stderr for host in lab.hosts]
    assert "IDENTIFICATION HAS CHANGED" in said[0]
    assert "REVOKED" in said[1]
    assert said[2] == ""


def test_login_shells_and_their_noise() -> None:
    plans = [
        Plan(files={".bashrc": "echo welcome\n"}),
        Plan("/bin/csh", {".cshrc": "echo welcome\n"}),
        Plan("/usr/bin/fish"),
        Plan(sshd=["Port 2222"]),
        Plan(serves=False),
    ]
    with rig(plans) as lab:
        bash, csh, fish, far, mute = lab.hosts
        assert lab.ssh(bash, "echo $0").stdout == "welcome\nbash\n"
        assert lab.ssh(csh, "echo $shell").stdout == "welcome\n/bin/csh\n"
        assert lab.ssh(fish, "echo (count a b)").stdout == "2\n"
        assert lab.ssh(far, "true").returncode == 255
        assert lab.ssh(far, "true", "-p", "2222", "-o", "StrictHostKeyChecking=no").returncode == 0
        assert "refused" in lab.ssh(mute, "true").stderr
        assert mute.call("hostname").stdout == "h5\n"


def test_sixteen_hosts() -> None:
    with rig(16) as lab:
        names = [host.call("hostname").stdout.strip() for host in lab.hosts]
        assert names == [f"h{number}" for number in range(1, 17)]


def test_nothing_is_left_even_if_the_test_is_killed() -> None:
    """A test that is killed can clean nothing up: the lab ends by itself."""
    insist()
    text = """
from tests.rig.lab import rig
with rig(2) as lab:
    lab.hosts[0].manager(1)
    print(lab._init, lab.folder, flush=True)
    input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        init, folder = process.stdout.readline().split()
        mounts = Path("/proc/self/mounts").read_text()
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)
        wait_for_end(int(init))  # all others in its namespace have ended when it has
    assert folder not in mounts
    subprocess.run(["rm", "-r", folder], check=True)


def test_an_end_in_the_middle(lab: Lab) -> None:
    """What runs inside ends with whoever called it."""
    command = lab.command("sh", "-c", "echo $$; exec sleep 1000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        process.kill()
    until(lambda: lab.call("kill", "-0", number, check=False).returncode != 0, "the end of what it called")
