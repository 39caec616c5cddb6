"""Real databases of one's own: SQLite, MariaDB and PostgreSQL, the servers on sockets in a temporary folder.

To lay out the tables takes longer than most tests of them: who is not about that has them laid out already.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from sqlalchemy import Connection

from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.records.tables import metadata
from tests.live.machine import DEADLINE, wait_for_end
from tests.torture.fleet import parent, processes

POSTGRES = next(iter(sorted(glob("/usr/lib/postgresql/*/bin"))), "")
TABLES = "/usr/share/mysql/mysql_system_tables.sql"
NUMBER = "SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
"""What MariaDB gives to the next row of a table."""

SERVERS = {"mariadb": shutil.which("mariadbd"), "postgresql": shutil.which("initdb", path=POSTGRES)}


def lay_out(file: Path) -> None:
    """Have there be one of SQLite's that is up to date, and in which nothing stands."""
    file.touch(0o600)
    file.write_bytes(_laid_out())


@functools.cache
def _laid_out() -> bytes:
    with tempfile.TemporaryDirectory(prefix="sjs-db-") as folder:
        engine = engine_of(f"sqlite:///{folder}/g.db")
        with owned(engine):
            migrate(engine)
        engine.dispose()
        return Path(folder, "g.db").read_bytes()


def empty(connection: Connection) -> None:
    """Have nothing stand in the tables of a server, and numbers begin with 1 again."""
    quoted = {name: connection.dialect.identifier_preparer.quote(name) for name in metadata.tables}
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"TRUNCATE {', '.join(quoted.values())} RESTART IDENTITY")
        return
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    for name, text in quoted.items():  # MariaDB makes those anew that it empties: only what was written to
        is_used = connection.exec_driver_sql(f"SELECT 1 FROM {text} LIMIT 1").scalar()
        if is_used or (connection.exec_driver_sql(NUMBER, (name,)).scalar() or 1) > 1:
            connection.exec_driver_sql(f"TRUNCATE {text}")
    connection.exec_driver_sql("SET foreign_key_checks = 1")


@contextmanager
def server(kind: str) -> Iterator[str]:
    """The URL of an empty database on a server of this kind, which ends with it."""
    with mortal(kind) as (url, _):
        yield url


@contextmanager
def mortal(kind: str) -> Iterator[tuple[str, Server]]:
    """The same, and who can be killed. Short paths, for the sockets' sake."""
    folder = Path(tempfile.mkdtemp(prefix="sjs-db-"))
    try:
        with _mariadb(folder) if kind == "mariadb" else _postgresql(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder)


@contextmanager
def _mariadb(folder: Path) -> Iterator[tuple[str, Server]]:
    me = pwd.getpwuid(os.geteuid()).pw_name
    data, door = folder / "data", folder / "s"
    (data / "mysql").mkdir(parents=True, mode=0o700)
    command = [
        "mariadbd",
        "--no-defaults",
        f"--user={me}",
        f"--datadir={data}",
        f"--tmpdir={folder}",  # who starts there removes what others keep there
        "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=2",
    ]
    with open(folder / "log", "wb") as log:
        schema = b"create database sjs;\nuse mysql;\n" + Path(TABLES).read_bytes()
        _to_its_end([*command, "--bootstrap"], schema)
        words = [*command, "--skip-networking", "--skip-grant-tables", f"--socket={door}"]
        with Server(words, folder, log.fileno()) as server:
            yield f"mariadb://{me}@localhost/sjs?unix_socket={door}", server


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[str, Server]]:
    """It does not run as root; then it is somebody's who owns nothing else here."""
    data = folder / "data"
    who: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    with open(folder / "log", "wb") as log:
        words = ["-D", str(data), "-A", "trust", "-U", "sjs", "-N", "-E", "UTF8", "--locale=C.UTF-8"]
        _to_its_end([*who, f"{POSTGRES}/initdb", *words])
        words = ["-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        with Server([*who, f"{POSTGRES}/postgres", *words], folder, log.fileno()) as server:
            yield f"postgresql://sjs@/postgres?host={folder}", server


def _to_its_end(words: Sequence[str], told: bytes = b"") -> None:
    ended = subprocess.run(words, input=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ended.returncode == 0, ended.stdout.decode(errors="replace")


class Server:
    """One that can die and come back; it is there when it says that it is, as it would to systemd. `kill` is kill -9:
    what was written is the kernel's then, and survives."""

    def __init__(self, words: Sequence[str], folder: Path, log: int) -> None:
        self._words = words
        self._name = str(folder / "ready")
        self._log = log

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)

    def start(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
            ears.bind(self._name)
            os.chmod(self._name, 0o777)
            ears.settimeout(DEADLINE)
            environ = {**os.environ, "NOTIFY_SOCKET": self._name}
            self._process = subprocess.Popen(self._words, stdout=self._log, stderr=self._log, env=environ)
            try:
                while b"READY=1" not in ears.recv(4096):
                    pass
            except BaseException:
                self.kill()
                raise
            finally:
                os.unlink(self._name)

    def kill(self) -> None:
        """With whatever works for it."""
        mine = [pid for pid in processes() if parent(pid) == self._process.pid]
        self._process.kill()
        self._process.wait(DEADLINE)
        for pid in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for_end(pid)
