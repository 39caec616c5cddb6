"""A Slurm that is real: `with cluster(nodes=2) as slurm`. Its login node is a host of the lab, reached over ssh; its
controller is there, too. The other hosts are its nodes, with the login node's homes, and processes of their own.

All of it ends with the lab. What is typed on the login node comes to Slurm's programs through wrappers that note each
call, and in whose place a test can put something else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.live.machine import until
from tests.rig.lab import PATH, USER, Host, Lab, Plan, rig
from tests.rig.shared import share_home

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
NEEDED_FOR_ACCOUNTS = ("mariadbd", "slurmdbd", "sacct")
WRAPPED = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr")
FOLDER = "/run/host/slurm"
WRAPPERS = f"{FOLDER}/bin"

# An Epilog of its own, or nothing tells the scheduler that a job has ended, and each waits for a timer.
CONFIG = f"""\
ClusterName=lab
SlurmctldHost=h1
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
ReturnToService=2
Epilog=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,default_queue_depth=1000,sched_min_interval=1
SlurmdParameters=config_overrides
SlurmdTimeout=5
StateSaveLocation={FOLDER}/state
SlurmdSpoolDir={FOLDER}/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd-%n.pid
SlurmctldLogFile={FOLDER}/slurmctld.log
SlurmdLogFile={FOLDER}/slurmd.log
"""

# Named, it is not looked for: a host has no cgroups.
CGROUPS = "CgroupPlugin=cgroup/v1\n"

ACCOUNTED = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=h1
"""

DATABASE = f"""\
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StorageUser=root
StorageLoc=slurm
DbdHost=h1
SlurmUser=root
AuthType=auth/munge
PidFile=/run/slurmdbd.pid
LogFile={FOLDER}/slurmdbd.log
"""

# One for all hosts, who see one /run.
MUNGE = """\
mkdir /run/munge
for folder in /etc/munge /var/lib/munge /var/log/munge; do mount -t tmpfs tmpfs $folder; done
head -c 1024 /dev/urandom > /etc/munge/munge.key
chmod 400 /etc/munge/munge.key
chown -R munge /run/munge /etc/munge /var/lib/munge /var/log/munge
runuser -u munge -- munged
"""

# Without the tables of help and time zones, which take five seconds; who asks is whoever he says.
ACCOUNTS = f"""\
mkdir /run/mysqld /tmp/sql /tmp/sql/mysql
mariadb="mariadbd --no-defaults --user=root --datadir=/tmp/sql --innodb-log-file-size=4M"
(echo 'use mysql;'; cat /usr/share/mysql/mysql_system_tables.sql) | $mariadb --bootstrap 2>{FOLDER}/sql.log
exec </dev/null 2>>{FOLDER}/sql.log
$mariadb --skip-grant-tables --bind-address=127.0.0.1 --innodb-flush-log-at-trx-commit=0 >&2 &
until bash -c '</dev/tcp/127.0.0.1/3306' 2>/dev/null; do sleep 0.05; done
chmod 600 {FOLDER}/etc/slurmdbd.conf
slurmdbd
until bash -c '</dev/tcp/h1/6819' 2>/dev/null; do sleep 0.05; done
sacctmgr -i -Q add cluster lab
sacctmgr -i -Q add account lab
sacctmgr -i -Q add user {USER} account=lab
"""

WRAPPER = f"""\
#!/bin/sh
echo "${{0##*/}} $*" >> {FOLDER}/calls
exec /usr/bin/${{0##*/}} "$@"
"""


class Slurm:
    """The cluster `lab`. `login` is where people log in, `nodes` is where jobs run; `beside` is neither."""

    def __init__(self, lab: Lab, more: str, accounts: bool, nodes: int) -> None:
        self.lab = lab
        self.login, *others = lab.hosts
        self.nodes, self.beside = others[:nodes], others[nodes:]
        self._folder = self.login.folder / "slurm"
        self._accounts = accounts
        self._config = CONFIG + (ACCOUNTED if accounts else "") + "\n".join(self._places()) + "\n" + more

    def _places(self) -> Iterator[str]:
        for node in self.nodes:
            yield f"NodeName={node.name} NodeAddr={node.address} CPUs=4 RealMemory=4000 State=UNKNOWN"
        names = ",".join(node.name for node in self.nodes)
        yield f"PartitionName=main Nodes={names} Default=YES State=UP OverSubscribe=NO"
        yield f"PartitionName=short Nodes={names} State=UP MaxTime=1"

    def begin(self) -> None:
        """Start all daemons."""
        for host in (self.login, *self.nodes):
            self._furnish(host)
        for program in WRAPPED:
            self.put(program)
        self._root(MUNGE)
        if self._accounts:
            self._root(ACCOUNTS)
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.until_nodes("idle")

    def _furnish(self, host: Host) -> None:
        folder = host.folder / "slurm"
        for name in ("etc", "bin", "state", "spool"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        (folder / "etc" / "slurm.conf").write_text(self._config)
        (folder / "etc" / "cgroup.conf").write_text(CGROUPS)
        (folder / "etc" / "slurmdbd.conf").write_text(DATABASE)
        (folder / "calls").touch()
        (folder / "calls").chmod(0o666)
        host.call("mount", "--bind", f"{FOLDER}/etc", "/etc/slurm", user="root")

    def put(self, program: str, text: str = WRAPPER) -> None:
        """Have this run on the login node instead of a program of Slurm's, which lies in /usr/bin; or that again."""
        path = self._folder / "bin" / program
        new = path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o755)
        new.replace(path)

    @property
    def calls(self) -> list[str]:
        """What was called on the login node by whoever logs in there, each with its arguments."""
        return (self._folder / "calls").read_text().splitlines()

    def count(self) -> Counter[str]:
        """How often each program of Slurm's was called."""
        return Counter(line.split()[0] for line in self.calls)

    def ask(self, *argv: str) -> str:
        """Run a program of Slurm's as root, which is not counted: what it prints."""
        return self.login.call(f"/usr/bin/{argv[0]}", *argv[1:], user="root").stdout

    def set(self, what: str, *changes: str) -> None:
        """`scontrol update`: `set("PartitionName=main", "State=DOWN")`."""
        self.ask("scontrol", "update", what, *changes)

    def configure(self, line: str) -> None:
        """Add a line to slurm.conf and have all read it again: for some keys the controller has to be started anew."""
        for host in (self.login, *self.nodes):
            with (host.folder / "slurm" / "etc" / "slurm.conf").open("a") as file:
                file.write(f"{line}\n")
        self.ask("scontrol", "reconfigure")

    def stop_controller(self) -> None:
        """In an orderly way: it writes down what it knows."""
        self._end_controller("TERM")

    def kill_controller(self) -> None:
        """As a power cut would: it may have written down nothing of the last five seconds, not even what it took."""
        self._end_controller("KILL")

    def _end_controller(self, signal: str) -> None:
        pid = self.login.call("cat", "/run/slurmctld.pid").stdout.strip()
        self._root(f"kill -{signal} {pid}")
        until(lambda: not self._exists(pid), "the end of the controller")

    def _exists(self, pid: str) -> bool:
        return self.login.call("kill", "-0", pid, user="root", check=False).returncode == 0

    def start_controller(self, forgetful: bool = False) -> None:
        """It goes on with what it has last written down, or knows of nothing that was."""
        self._root("slurmctld -c" if forgetful else "slurmctld")
        until(self._answers, "the controller")

    def _answers(self) -> bool:
        return self.login.call("/usr/bin/scontrol", "ping", user="root", check=False).returncode == 0

    def kill_node(self, node: Host) -> None:
        """As if it had lost its power: its daemon and all jobs on it are gone, without a word."""
        for who in (["-x", "slurmd|slurmstepd"], ["-u", USER]):
            node.call("pkill", "-9", *who, user="root", check=False)

    def start_node(self, node: Host) -> None:
        """Start the daemon of a node."""
        node.call("slurmd", user="root")

    def states(self) -> dict[str, str]:
        """What the controller says of the nodes."""
        return dict(
            line.rstrip("*").split() for line in self.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").splitlines()
        )

    def until_nodes(self, state: str, *nodes: Host) -> None:
        """Wait until nodes are in a state, by default all."""
        names = [node.name for node in nodes or self.nodes]
        until(lambda: {self.states()[name] for name in names} == {state}, f"{' '.join(names)} to be {state}")

    def _root(self, text: str) -> None:
        self.login.call("sh", "-e", "-c", text, user="root")


@contextlib.contextmanager
def cluster(
    nodes: int = 1, more: str = "", accounts: bool = False, network_home: bool = False, beside: int = 0
) -> Iterator[Slurm]:
    """A login node with the controller, and so many nodes. `more` is for slurm.conf; with `accounts`, sacct has a
    database to look into; `network_home`: homes are on a network file system, else on one disk. `beside`: how many
    hosts there are that have no part in it."""
    insist(NEEDED + (NEEDED_FOR_ACCOUNTS if accounts else ()))
    login = Plan(sshd=[f"SetEnv PATH={WRAPPERS}:{PATH}"])
    node = Plan(serves=False, homes_of="" if network_home else "h1")
    with rig([login, *[node] * nodes, *[Plan()] * beside]) as lab:
        if network_home:
            share_home(lab)
        slurm = Slurm(lab, more, accounts, nodes)
        slurm.begin()
        yield slurm


def insist(programs: Sequence[str]) -> None:
    """Skip the test where there is no Slurm; but a CI without one proves nothing, and fails."""
    missing = [name for name in programs if shutil.which(name, path=PATH) is None]
    if not missing:
        return
    reason = f"not found: {', '.join(missing)}"
    if os.environ.get("CI"):
        pytest.fail(f"there is no Slurm: {reason}")
    pytest.skip(reason)
