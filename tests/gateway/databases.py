"""Real databases of one's own: SQLite, MariaDB and PostgreSQL, the servers on sockets in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from tests.live.machine import DEADLINE

POSTGRES = next(iter(sorted(glob("/usr/lib/postgresql/*/bin"))), "")
TABLES = "/usr/share/mysql/mysql_system_tables.sql"
SERVERS = {"mariadb": shutil.which("mariadbd"), "postgresql": shutil.which("initdb", path=POSTGRES)}


@contextmanager
def server(kind: str) -> Iterator[str]:
    """The URL of an empty database on a server of this kind, which ends with it. Short paths, for the sockets' sake."""
    folder = Path(tempfile.mkdtemp(prefix="sjs-db-"))
    try:
        with _mariadb(folder) if kind == "mariadb" else _postgresql(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _mariadb(folder: Path) -> Iterator[str]:
    me = pwd.getpwuid(os.geteuid()).pw_name
    data, door = folder / "data", folder / "s"
    (data / "mysql").mkdir(parents=True, mode=0o700)
    command = [
        "mariadbd",
        "--no-defaults",
        f"--user={me}",
        f"--datadir={data}",
        "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    with open(folder / "log", "wb") as log:
        schema = b"create database sjs;\nuse mysql;\n" + Path(TABLES).read_bytes()
        subprocess.run([*command, "--bootstrap"], input=schema, stdout=log, stderr=log, check=True)
        words = [*command, "--skip-networking", "--skip-grant-tables", f"--socket={door}"]
        with _running(words, folder, log.fileno()):
            yield f"mariadb://{me}@localhost/sjs?unix_socket={door}"


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """It does not run as root; then it is somebody's who owns nothing else here."""
    data = folder / "data"
    who: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    with open(folder / "log", "wb") as log:
        words = ["-D", str(data), "-A", "trust", "-U", "sjs", "-N", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*who, f"{POSTGRES}/initdb", *words], stdout=log, stderr=log, check=True)
        words = ["-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        with _running([*who, f"{POSTGRES}/postgres", *words], folder, log.fileno()):
            yield f"postgresql://sjs@/postgres?host={folder}"


@contextmanager
def _running(words: Sequence[str], folder: Path, log: int) -> Iterator[None]:
    """A server, from when it says that it is ready, as it would to systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        name = str(folder / "ready")
        ears.bind(name)
        os.chmod(name, 0o777)
        ears.settimeout(DEADLINE)
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "NOTIFY_SOCKET": name})
        try:
            while b"READY=1" not in ears.recv(4096):
                pass
            yield
        finally:
            process.terminate()
            process.wait(DEADLINE)
