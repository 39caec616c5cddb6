"""Machines that are restarted: the manager comes back with them, by a real cron and a real systemd of the user."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.live.machine import until
from tests.rig.lab import UID, USER, Host, Lab, rig

# All mounts show the same tree of cgroups.
CGROUP = f"/sys/fs/cgroup/sjs-{os.getpid()}"

# A /run of its own for each, in which the lab's files are, too.
APART = """
mkdir -p /tmp/run/host /tmp/run/sshd
mount --bind /run/host /tmp/run/host
mount --rbind /tmp/run /run
"""

SYSTEMD = f"""
mkdir -p /run/systemd/system /run/user/{UID}
chown {UID} /run/user/{UID}
chmod 700 /run/user/{UID}
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p {CGROUP}
chown -R {UID} {CGROUP}
"""

REMOVE = ("unshare", "-m", "sh", "-c", f"mount -t cgroup2 cgroup2 /sys/fs/cgroup; find {CGROUP} -depth -type d -delete")

# Who logs in is beside what his systemd begins: else only the system's systemd could move him there.
KILLS = f"""
mkdir {CGROUP}/login
chown -R {UID} {CGROUP}/login
cat /run/host/pid > {CGROUP}/login/cgroup.procs
mount -t tmpfs tmpfs /var/lib/systemd
mkdir /var/lib/systemd/linger
echo KillUserProcesses=yes > /tmp/logind.conf
mount --bind /tmp/logind.conf /etc/systemd/logind.conf
"""

SYSTEMCTL = ("env", f"XDG_RUNTIME_DIR=/run/user/{UID}", "systemctl", "--user")

# What logind does at a login: a cgroup of the user's own, and in it his systemd.
USER_MANAGER = f"""
echo $$ > {CGROUP}/cgroup.procs
export XDG_RUNTIME_DIR=/run/user/{UID}
exec runuser -u {USER} -- /lib/systemd/systemd --user --log-target=console > /run/systemd.log 2>&1
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A host with cron, and one with systemd; a manager on each."""
    with rig(2) as lab:
        lab.config()
        cron, systemd = lab.hosts
        cron.call("sh", "-ec", APART, user="root")
        systemd.call("sh", "-ec", APART + SYSTEMD, user="root")
        log_in(systemd)
        assert lab.submit("all", "start", "--max-jobs-running", "1").returncode == 0
        yield lab
    until(lambda: subprocess.run(REMOVE).returncode == 0, "the end of all that was in the cgroup")


def log_in(host: Host) -> None:
    """Have its user's systemd, and all that this one starts."""
    host.call("setsid", "--fork", "sh", "-c", USER_MANAGER, user="root")
    until(lambda: host.call(*SYSTEMCTL, "is-system-running", check=False).stdout == "running\n", "the user's systemd")


def power_cut(host: Host) -> None:
    """No process of its user is left."""
    host.call("pkill", "-KILL", "-u", str(UID), user="root", check=False)
    until(lambda: host.call("pgrep", "-u", str(UID), user="root", check=False).returncode == 1, "the end of all")


def test_the_queue_goes_on_after_a_restart(lab: Lab) -> None:
    cron, systemd = lab.hosts
    noted = lab.submit("all", "boot")
    assert noted.returncode == 0
    assert re.fullmatch(
        r"\[manager-1\] cron starts the manager when its machine starts \(sjs-\w{8}\)\n"
        r"\[manager-2\] systemd starts the manager when its machine starts \(sjs-\w{8}\)\n",
        noted.stdout,
    )
    linger = f"but not before you log in, until root says there: loginctl enable-linger {USER}"
    assert noted.stderr == f"[manager-2] {linger}\n", "there is no logind that could be asked"
    assert lab.submit("all", "boot").stdout == noted.stdout, "once is enough"
    assert cron.call("crontab", "-l").stdout.count("@reboot") == 1
    (lab.home / "commands.txt").write_text("echo $SJS_ATTEMPT >> ran; exec sleep 600\ntouch came-back\n")
    assert lab.submit("all", "job", "--command-file", "commands.txt").returncode == 0
    for host in lab.hosts:
        until((host.root / "ran").exists, "the first job")
        power_cut(host)
    cron.call("cron", user="root")
    log_in(systemd)
    for host in lab.hosts:
        until((host.root / "came-back").exists, "a manager that came back by itself")
        assert (host.root / "ran").read_text() == "1\n"


def test_no_more(lab: Lab) -> None:
    cron, systemd = lab.hosts
    cron.call("sh", "-c", "(crontab -l; echo '5 4 * * * mine') | crontab -")
    assert lab.submit("all", "boot").returncode == 0
    removed = lab.submit("all", "boot", "--remove")
    no_more = [f"[manager-{n}] {way} does not start it any more" for n, way in ((1, "cron"), (2, "systemd"))]
    assert removed.stdout.splitlines() == no_more
    assert cron.call("crontab", "-l").stdout == "5 4 * * * mine\n", "what is somebody else's stays"
    assert "sjs-" not in systemd.call(*SYSTEMCTL, "list-unit-files").stdout
    assert lab.submit("manager-1", "boot", "--remove").stdout == "nobody was to start it\n"


def test_a_login_that_takes_all_along_does_not_take_a_queue(lab: Lab) -> None:
    """With KillUserProcesses, logind ends what is in the cgroup of a login."""
    host = lab.hosts[1]
    host.call("sh", "-ec", KILLS, user="root")
    warned = lab.submit("manager-2", "doctor").stdout
    assert f"who logs out has all processes ended here (loginctl enable-linger {USER})" in warned
    host.call("touch", f"/var/lib/systemd/linger/{USER}", user="root")
    assert "who logs out" not in lab.submit("manager-2", "doctor").stdout
    assert lab.submit("manager-2", "stop", "--kill").returncode == 0
    assert lab.submit("manager-2", "start").returncode == 0
    done = lab.submit("manager-2", "job", "--wait", "--command", "cat /proc/self/cgroup > cgroup")
    assert done.returncode == 0
    places = [line.split(":", 2)[2] for line in (host.root / "cgroup").read_text().splitlines()]
    assert any(re.search(r"/app\.slice/run-\w+\.scope$", place) for place in places), places
