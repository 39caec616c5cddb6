"""Hosts with OpenSSH servers, made of namespaces: `with rig(hosts=3) as lab`.

All of it lives in one set of namespaces (mounts, network, host name, pids) whose first process reads a pipe that this
process holds: however a test ends, nothing is left, neither a process nor an address nor a mount. The test itself stays
outside; what it calls inside (`lab.submit`, `lab.call`, `host.call`) dies with its caller, or else with the lab.

The client is the lab's own network, `10.88.0.1`; the hosts hang on a bridge there. A host sees its part of the
temporary folder as /run/host and /home, this repository as /mnt, and has a /tmp of its own. It sees its own processes
only, by numbers of its own; the client sees those of all hosts, by others.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.live.machine import DEADLINE, ROOT, SUBMIT, until

USER = "worker"
UID = 2001
CLIENT = "10.88.0.1"
PROJECT = "project"
TOOLS = ("sshd", "ssh", "ssh-keygen", "ip", "unshare", "nsenter", "setpriv")
WRAPPER = ("unshare", "-m", "-n", "-u", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Done = subprocess.CompletedProcess[str]

LAB = """\
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/netns /run/host
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/hosts /etc/hosts
hostname client
ip link set lo up
ip -batch {folder}/links
for name in {names}; do
    ip netns exec $name unshare -u -i -p -f --kill-child sh {folder}/$name/up.sh &
done
echo begun
exec env --ignore-signal=CHLD cat
"""

# /proc is still the lab's when its first process asks for its own number.
HOST = """\
set -e
read -r init rest < /proc/self/stat
mount -t proc proc /proc
hostname {name}
mount --bind {folder} /run/host
mount --bind {homes} /home
mount --bind {folder}/passwd /etc/passwd
mount --bind {root} /mnt
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t tmpfs tmpfs /dev/shm
if cd /var/spool/cron/crontabs; then mount -t tmpfs -o mode=1730,gid=$(stat -c %g .) tmpfs $PWD; cd /; fi
ip link set lo up
ip addr add {address}/16 dev e0
ip link set e0 up
{server}
echo $init > /run/host/init.new
mv /run/host/init.new /run/host/init
exec env --ignore-signal=CHLD sleep infinity
"""

SERVER = "/usr/sbin/sshd -f /run/host/sshd_config -E /run/host/log"

# curve25519: a login takes 0.2 s with it, and 0.4 with OpenSSH's first choice.
SSHD = """\
HostKey /run/host/key
PidFile /run/host/pid
LogLevel VERBOSE
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
KexAlgorithms curve25519-sha256
{more}
"""


@dataclass(frozen=True)
class Plan:
    """How a host is to be. `files` are put into the home; `sshd` are more lines of its sshd_config, put first. What the
    kernel gives to each user is given to all hosts together whose users have the same `uid`. `homes_of` names a host
    before it whose /home is also its own."""

    shell: str = "/bin/bash"
    files: Mapping[str, str] = field(default_factory=dict)
    sshd: Sequence[str] = ()
    serves: bool = True
    uid: int = UID
    homes_of: str = ""


class Count(NamedTuple):
    """What an sshd has seen."""

    connections: int
    sessions: int


class Host:
    """One of them. `home` and `root` are its user's home and project folder, as seen from outside."""

    def __init__(self, lab: Lab, number: int, plan: Plan) -> None:
        self.lab = lab
        self.plan = plan
        self.name = f"h{number}"
        self.address = f"10.88.{number // 200}.{10 + number % 200}"
        self.folder = lab.folder / self.name
        self.home = lab.folder / (plan.homes_of or self.name) / "home" / USER
        self.root = self.home / PROJECT

    @property
    def public_key(self) -> str:
        """What stands in a known_hosts file behind the name."""
        return " ".join((self.folder / "key.pub").read_text().split()[:2])

    @property
    def connections(self) -> int:
        """How many TCP connections its sshd has seen."""
        return self._count(r"^Connection from ")

    @property
    def sessions(self) -> int:
        """How many commands and shells it has been asked to run."""
        return self._count(r"^Starting session: ")

    def call(self, *argv: str, user: str = USER, check: bool = True) -> Done:
        """Run something there, as its user in the home folder, without ssh."""
        return self.lab.call(*self._entered(user), *argv, check=check)

    def command(self, *argv: str, user: str = USER) -> list[str]:
        """How to run something there that goes on. It is to end by itself when its input does."""
        return self.lab.command(*self._entered(user), *argv)

    def manager(self, slots: int, *more: str) -> None:
        """Start a manager in the project folder, as its user would by hand."""
        self.call("/mnt/job_manager", "--root", PROJECT, "--max-jobs-running", str(slots), "--background", *more)

    def cut(self) -> None:
        """From now on, what is sent to it is lost without a word, and it sends nothing."""
        self.lab.call("ip", "-n", self.name, "route", "add", "blackhole", f"{CLIENT}/32")

    def heal(self) -> None:
        """Undo `cut`."""
        self.lab.call("ip", "-n", self.name, "route", "del", "blackhole", f"{CLIENT}/32")

    def refuse(self) -> None:
        """End the server; connections that are open stay. From now on, new ones are refused."""
        self.call("kill", self._read("pid"), user="root")
        until(lambda: not (self.folder / "pid").exists(), f"the end of the server of {self.name}")

    def freeze(self) -> None:
        """Stop the server: the kernel still takes connections, and nobody says anything on them."""
        self.call("kill", "-STOP", self._read("pid"), user="root")

    def thaw(self) -> None:
        """Undo `freeze`."""
        self.call("kill", "-CONT", self._read("pid"), user="root")

    def serve(self) -> None:
        """Undo `refuse`."""
        self.call(*SERVER.split(), user="root")
        self.wait_for_server()

    def wait_for_server(self) -> None:
        """sshd writes its pid once it listens."""
        until(lambda: bool(self._read("pid")), f"the server of {self.name}")

    def wait(self) -> None:
        """Until it is up."""
        until(lambda: bool(self._read("init")), f"host {self.name}")
        if self.plan.serves:
            self.wait_for_server()

    def prepare(self, key: str) -> None:
        """Lay out its folder."""
        self.folder.mkdir()
        server = SERVER if self.plan.serves else ""
        values = {"name": self.name, "folder": self.folder, "homes": self.home.parent, "address": self.address}
        self._write("up.sh", HOST, **values, root=ROOT, server=server)
        self._write("sshd_config", "\n".join(self.plan.sshd) + "\n" + SSHD, more=f"AllowUsers {USER}")
        # With UsePAM off, an account with "!" counts as locked; "*" does not.
        line = f"{USER}:*:{self.plan.uid}:{self.plan.uid}::/home/{USER}:{self.plan.shell}\n"
        self._write("passwd", "{text}", text=Path("/etc/passwd").read_text() + line)
        _new_key(self.folder / "key")
        if not self.plan.homes_of:
            self._furnish(key)

    def _entered(self, user: str) -> list[str]:
        environ = ["env", "-i", "-C", f"/home/{USER}", f"HOME=/home/{USER}", f"USER={user}", f"PATH={PATH}"]
        enter = ["nsenter", "-t", self._read("init"), "-m", "-n", "-u", "-i", "-p", "--", *environ]
        return [*enter, "runuser", "-u", user, "--"]

    def _furnish(self, key: str) -> None:
        self.root.mkdir(parents=True)
        for name, text in {".ssh/authorized_keys": key, **self.plan.files}.items():
            path = self.home / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(text)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, self.plan.uid, self.plan.uid)

    def _write(self, file: str, template: str, **values: Any) -> None:
        (self.folder / file).write_text(template.format(**values))

    def _read(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_text().strip()
        return ""

    def _count(self, pattern: str) -> int:
        return len(re.findall(pattern, self._read("log"), re.MULTILINE))


class Lab:
    """The hosts and their client, whose home is `home`: there lie its config.yaml, key and known_hosts."""

    def __init__(self, folder: Path, plans: Sequence[Plan]) -> None:
        self.folder = folder
        self.home = folder / "client"
        self.hosts = [Host(self, number, plan) for number, plan in enumerate(plans, 1)]
        self._init = 0

    @property
    def known_hosts(self) -> Path:
        """The client's own."""
        return self.home / ".ssh" / "known_hosts"

    @property
    def counts(self) -> list[Count]:
        """What each host's sshd has seen so far."""
        return [Count(one.connections, one.sessions) for one in self.hosts]

    def since(self, before: Sequence[Count]) -> list[Count]:
        """What has been added to the counts."""
        pairs = zip(self.counts, before, strict=True)
        return [Count(now.connections - then.connections, now.sessions - then.sessions) for now, then in pairs]

    def manage(self, *slots: int) -> None:
        """Start a manager on each host, all at once."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Host.manager, self.hosts, slots))

    def call(self, *argv: str, check: bool = True, **environ: str) -> Done:
        """Run something as the client, in its home."""
        command = self.command(*argv, **environ)
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)
        if check and done.returncode != 0:
            raise AssertionError(f"{shlex.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def submit(self, *argv: str, **environ: str) -> Done:
        """The command under test, as the client."""
        return self.call(*SUBMIT, *argv, check=False, **environ)

    def ssh(self, host: Host, text: str, *options: str) -> Done:
        """OpenSSH's own client."""
        return self.call("ssh", "-o", "BatchMode=yes", *options, f"{USER}@{host.address}", text, check=False)

    def config(self, hosts: Sequence[Host] | None = None, each: Sequence[Mapping[str, Any]] = (), **more: Any) -> Path:
        """A config.yaml in the client's home that names the hosts `manager-1` … in their order. `more` is for all."""
        lines = ["managers:"]
        for number, host in enumerate(self.hosts if hosts is None else hosts):
            entry = {"host": host.address, "user": USER, "project_root": f"/home/{USER}/{PROJECT}", **more}
            entry.update(each[number] if each else {})
            lines.append(f"  manager-{number + 1}: {json.dumps(entry)}")
        path = self.home / "config.yaml"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        return path

    def trust(self, *lines: str) -> None:
        """Write known_hosts: these lines, or the hosts' keys."""
        self.known_hosts.write_text(
            "\n".join(lines or [f"{one.address} {one.public_key}" for one in self.hosts]) + "\n"
        )

    def command(self, *argv: str, **environ: str) -> list[str]:
        """How to run something inside. It ends with the process that started it."""
        enter = ["nsenter", "-t", str(self._init), "-m", "-n", "-u", "-p", "--", "setpriv", "--pdeathsig", "KILL"]
        values = {"HOME": str(self.home), "PATH": PATH, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **environ}
        return [*enter, "env", "-i", "-C", str(self.home), *(f"{k}={v}" for k, v in values.items()), *argv]

    @contextlib.contextmanager
    def up(self) -> Iterator[Lab]:
        """Switch all on, and off at the end."""
        self._prepare()
        with (self.folder / "trouble").open("w") as trouble:
            process = subprocess.Popen(
                [*WRAPPER, "sh", str(self.folder / "up.sh")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=trouble,
            )
        with process:  # at its end the pipe is closed, and with the lab's first process all others end
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == b"begun\n", (self.folder / "trouble").read_text()
            self._init = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
            for host in self.hosts:
                host.wait()
            yield self

    def _prepare(self) -> None:
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        _new_key(self.home / ".ssh" / "id_ed25519")
        for host in self.hosts:
            host.prepare((self.home / ".ssh" / "id_ed25519.pub").read_text())
        self.trust()
        names = " ".join(one.name for one in self.hosts)
        (self.folder / "up.sh").write_text(LAB.format(folder=self.folder, names=names))
        (self.folder / "links").write_text("\n".join(self._links()) + "\n")
        (self.folder / "hosts").write_text("".join(f"{one.address} {one.name}\n" for one in self.hosts))
        # OpenSSH's client looks for its files in the home that passwd names, whatever $HOME says.
        users = re.sub(r"^root:.*", f"root:x:0:0:root:{self.home}:/bin/sh", Path("/etc/passwd").read_text(), flags=re.M)
        (self.folder / "passwd").write_text(users)

    def _links(self) -> Iterator[str]:
        """For `ip -batch`: a bridge with the client's address, and a cable from it into each host's namespace."""
        yield "link add lab type bridge"
        yield f"addr add {CLIENT}/16 dev lab"
        yield "link set lab up"
        for host in self.hosts:
            yield f"netns add {host.name}"
            yield f"link add to-{host.name} type veth peer name e0 netns {host.name}"
            yield f"link set to-{host.name} master lab up"


@contextlib.contextmanager
def rig(hosts: int | Sequence[Plan] = 3) -> Iterator[Lab]:
    """So many hosts, or one for each plan."""
    insist()
    folder = Path(tempfile.mkdtemp(prefix="sjs-rig-"))
    try:
        with Lab(folder, [Plan()] * hosts if isinstance(hosts, int) else hosts).up() as lab:
            yield lab
    finally:
        shutil.rmtree(folder)


def insist() -> None:
    """Skip the test where no hosts can be made; but a CI that can make none proves nothing, and fails."""
    missing = [one for one in TOOLS if shutil.which(one, path=PATH) is None]
    if os.geteuid() == 0 and not missing:
        return
    reason = f"not found: {', '.join(missing)}" if missing else "only root can make hosts of namespaces"
    if os.environ.get("CI") or os.geteuid() == 0:
        pytest.fail(f"no hosts can be made: {reason}")
    pytest.skip(reason)


def _new_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
