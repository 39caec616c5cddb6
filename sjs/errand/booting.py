"""Has this machine start a queue's manager whenever it starts itself: by the user's own systemd, else by cron."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from typing import Dict, List, Tuple

from sjs.daemon.ground import login, stable
from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errors import Refused

PATIENCE = 30.0
"""Seconds that one of these tools may take."""

UNIT = """\
[Unit]
Description=sjs queue of {root}
# A home may be shared.
ConditionHost={host}
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
# Who stops this unit stops no jobs: what it has begun ends by its own rules.
KillMode=process
SuccessExitStatus=75
# The folder may be on a disk that is mounted later.
Restart=on-failure
RestartSec=30
ExecStart={command}

[Install]
WantedBy=default.target
"""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"boot": boot}


def boot(request: Request, client: Client, where: Places) -> Reply:
    """Have it started, or with `remove` no more. `by` whom, and under which name; `lacking`: what only root can do."""
    name = _name(where)
    if request.get("remove") is True:
        return {"by": [way.__name__.lower() for way in (Systemd, Cron) if way.is_there() and way(name).remove()]}
    words = _command(where)
    for way in (Systemd, Cron):
        if way.is_there():
            return {"by": [way.__name__.lower()], "name": name, "lacking": way(name).add(words, where.root)}
    said = " ".join(map(shlex.quote, words))
    raise Refused("there is neither a systemd of your own nor cron here", f"have it run when it starts: {said}")


UTF8 = ("utf-8", "surrogateescape")


def _name(where: Places) -> str:
    words = (os.uname().nodename, where.root, where.pipe, where.state)
    return "sjs-" + hashlib.sha256("\0".join(words).encode(*UTF8)).hexdigest()[:8]


def _command(where: Places) -> List[str]:
    state = [] if where.state == Places(where.root, where.pipe).state else ["--state-dir", where.state]
    words = ["--root", where.root, "--pipe-name", where.pipe, *state, "--background", "--unless-stopped"]
    command = stable.program().command("job_manager", *words)
    for word in command:
        if not word.isprintable():
            raise Refused(f"{word!r} can not stand in a unit or a crontab", "choose a folder without such letters")
    return command


class Systemd:
    """The user's own one. It runs while the user is logged in, or always where he lingers."""

    def __init__(self, name: str) -> None:
        self._name = f"{name}.service"
        self._place = os.path.expanduser(f"~/.config/systemd/user/{self._name}")

    @staticmethod
    def is_there() -> bool:
        return shutil.which("systemctl") is not None and _call(_SYSTEMCTL + ["show-environment"])[0] == 0

    def add(self, words: List[str], root: str) -> str:
        """Have a unit; what is lacking for it to start before somebody logs in."""
        os.makedirs(os.path.dirname(self._place), mode=0o700, exist_ok=True)
        fresh = f"{self._place}.{os.getpid()}"
        with open(fresh, "w", encoding="utf-8") as target:
            command = " ".join(map(_quoted, words))
            target.write(UNIT.format(root=root.replace("%", "%%"), host=os.uname().nodename, command=command))
        os.replace(fresh, self._place)
        _told(_SYSTEMCTL + ["daemon-reload"])
        _told(_SYSTEMCTL + ["enable", "--quiet", self._name])
        lingers = login.lingers() or _call(["loginctl", "enable-linger"])[0] == 0
        return "" if lingers else f"loginctl enable-linger {login.user()}"

    def remove(self) -> bool:
        """Whether there was one."""
        if not os.path.exists(self._place):
            return False
        _told(_SYSTEMCTL + ["disable", "--quiet", self._name])
        os.unlink(self._place)
        _told(_SYSTEMCTL + ["daemon-reload"])
        return True


class Cron:
    """A line of the user's own crontab."""

    def __init__(self, name: str) -> None:
        self._mark = f" # {name}"

    @staticmethod
    def is_there() -> bool:
        return shutil.which("crontab") is not None

    def add(self, words: List[str], root: str) -> str:
        """Have a line."""
        line = "@reboot " + " ".join(map(shlex.quote, words)).replace("%", "\\%") + self._mark
        self._write([*self._others(_crontab()), line])
        return ""

    def remove(self) -> bool:
        """Whether there was one."""
        lines = _crontab()
        left = self._others(lines)
        if len(left) < len(lines):
            self._write(left)
        return len(left) < len(lines)

    def _others(self, lines: List[str]) -> List[str]:
        return [line for line in lines if not line.endswith(self._mark)]

    def _write(self, lines: List[str]) -> None:
        _told(["crontab", "-"], "".join(f"{line}\n" for line in lines))


_SYSTEMCTL = ["systemctl", "--user"]


def _crontab() -> List[str]:
    status, said = _call(["crontab", "-l"])
    if status and "no crontab" in said:
        return []
    if status:
        raise Refused(f"crontab -l: {said or f'exit status {status}'}")
    return said.split("\n")


def _told(argv: List[str], given: str = "") -> None:
    """Have it done; or a refusal says why not."""
    status, said = _call(argv, given)
    if status:
        raise Refused(f"{' '.join(argv[:3])}: {said or f'exit status {status}'}")


def _call(argv: List[str], given: str = "") -> Tuple[int, str]:
    """The exit status, and what was printed, or what was complained of."""
    environ: Dict[str, str] = {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, input=given.encode(*UTF8), capture_output=True, env=environ, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    said = done.stdout if done.returncode == 0 else done.stderr
    return done.returncode, said.decode(*UTF8).rstrip("\n")


def _quoted(word: str) -> str:
    """As a unit's command line takes it."""
    for special, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, written)
    return f'"{word}"'
