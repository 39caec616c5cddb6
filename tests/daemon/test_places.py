"""Where a queue lives, who may open it, and who holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sjs.daemon.ground import places
from sjs.daemon.ground.places import Places, is_shared_type, open_door, take_lock


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        *[
            (kind, False)
            for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse", "fuseblk", "fuse.ntfs")
        ],
        *[(kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p")],
        *[(kind, True) for kind in ("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse")],
    ],
)
def test_file_systems_that_other_machines_see(kind: str, shared: bool) -> None:
    assert is_shared_type(kind) is shared


def on(monkeypatch: pytest.MonkeyPatch, **kinds: str) -> None:
    """Folders (by the start of their paths) whose file systems are of these kinds; all others are local."""

    def find(path: str) -> str:
        return next((kind for name, kind in kinds.items() if f"{path}/".startswith(f"/{name}/")), "ext4")

    monkeypatch.setattr(places, "_file_system", find)


def test_the_state_is_inside_a_local_root(tmp_path: Path) -> None:
    assert Places(str(tmp_path), "p").state == str(tmp_path / ".sjs" / "p")


def test_it_is_in_the_home_folder_when_the_root_is_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    on(monkeypatch, shared="nfs4")
    state = Places("/shared/project", "jobs.pipe").state
    assert state.startswith("/home/me/.local/state/sjs/")
    assert state.endswith(f"-{os.uname().nodename}-_shared_project-jobs.pipe")
    assert state != Places("/shared/project", "other.pipe").state


def test_it_is_in_var_tmp_when_the_home_folder_is_shared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    on(monkeypatch, shared="nfs4", home="nfs")
    assert Places("/shared/project", "p").state.startswith(f"/var/tmp/sjs-{os.geteuid()}/")


def test_hosts_that_share_a_home_share_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do clones with one machine id, nor containers with one name."""
    monkeypatch.setenv("HOME", "/home/me")
    on(monkeypatch, home="nfs4")
    states = set()
    for number, name in (("1", "a"), ("1", "b"), ("2", "a")):
        monkeypatch.setattr(places, "machine", lambda number=number: number)
        monkeypatch.setattr(os, "uname", lambda name=name: SimpleNamespace(nodename=name))
        states.add(Places("/home/me/project", "p").state)
    assert len(states) == 3
    assert {path.split("/")[1] for path in states} == {"var"}, "no lock and no database on the shared disk"


def test_a_state_folder_that_is_named_is_taken(tmp_path: Path) -> None:
    assert Places("/a", "p", str(tmp_path / "x" / ".." / "s")).state == str(tmp_path / "s")


def test_this_file_system_has_a_type() -> None:
    assert places._file_system("/proc/self") == "proc"
    assert places._file_system("/proc/no/such/folder") == "proc"


def test_make(tmp_path: Path) -> None:
    where = Places(str(tmp_path), "p")
    where.make()
    where.make()
    assert Path(where.state).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".sjs" / ".gitignore").read_text() == "*\n"


def test_make_closes_a_folder_that_was_open_to_others(tmp_path: Path) -> None:
    where = Places(str(tmp_path), "p", str(tmp_path / "state"))
    os.mkdir(where.state, 0o755)
    where.make()
    assert Path(where.state).stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / ".sjs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's folder")
def test_make_refuses_somebody_elses_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        Places(str(tmp_path), "p", str(state)).make()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's folder")
def test_a_folder_that_others_showed_for_a_moment_is_not_made_where_they_can_move_it(tmp_path: Path) -> None:
    (tmp_path / ".sjs" / "p").mkdir(parents=True)
    tmp_path.chmod(0o777)
    where = Places(str(tmp_path), "p")
    (tmp_path / ".sjs").rename(tmp_path / "away")
    with pytest.raises(PermissionError, match="others can replace it"):
        where.make()
    assert os.listdir(tmp_path) == ["away"]


def test_make_refuses_a_folder_in_var_tmp_that_others_prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "VAR_TMP", str(tmp_path))
    on(monkeypatch, shared="nfs4", home="nfs")
    monkeypatch.setenv("HOME", "/home/me")
    prepared = tmp_path / f"sjs-{os.geteuid()}"
    prepared.mkdir()
    os.chown(prepared, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        Places("/shared/project", "p").make()


# Locks


def test_a_lock_is_held_until_its_holder_is_gone(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not places.is_locked(path)
    fd = take_lock(path)
    assert fd is not None
    assert places.is_locked(path)
    assert take_lock(path, 0) is None
    assert places.holder(path) == f"host {os.uname().nodename}, pid {os.getpid()}"
    os.close(fd)
    assert not places.is_locked(path)


def test_a_lock_dies_with_a_program_that_is_executed(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    fd = take_lock(path)
    assert fd is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        os.close(fd)
        assert not places.is_locked(path)


def test_who_waits_for_a_lock_gets_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    fd = take_lock(path)
    assert fd is not None
    assert_gets_it(path, "FOREVER", fd)


def test_a_look_does_not_take_the_lock_from_anybody(tmp_path: Path) -> None:
    """While somebody looks, a taker waits a little instead of thinking that it is held."""
    path = str(tmp_path / "lock")
    looking = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert_gets_it(path, "30", looking)


def assert_gets_it(path: str, wait: str, held: int) -> None:
    """Another process gets the lock once the descriptor is closed."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from sjs.daemon.ground.places import *"
    code += f"; print('up', flush=True); print(take_lock({path!r}, {wait}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.close(held)
        assert process.communicate(timeout=60)[0].strip().isdigit()


@pytest.mark.parametrize("content", [None, "", "host", "\xff\n"])
def test_an_unknown_holder(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "lock").write_text(content)
    assert places.holder(str(tmp_path / "lock")) == "unknown"


# The door


def refusal(path: Path) -> int | None:
    with pytest.raises(OSError) as error:
        open_door(str(path))
    return error.value.errno


def test_a_holder_on_another_host(tmp_path: Path) -> None:
    where = Places(str(tmp_path), "jobs.pipe", str(tmp_path))
    lock = Path(where.keeper_lock)
    assert not places.held_elsewhere(where)
    for content in ("", "elsewhere"):
        lock.write_text(content)
        assert not places.held_elsewhere(where)
    lock.write_text("elsewhere 12")
    assert places.held_elsewhere(where).startswith(f"host elsewhere, pid 12 has the queue in {tmp_path}, ")
    assert take_lock(str(lock)) is not None
    assert not places.held_elsewhere(where)


def test_a_door_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "door", 0o600)
    assert refusal(tmp_path / "door") == errno.ENXIO
    assert refusal(tmp_path / "none") == errno.ENOENT


def test_a_door_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    before = os.listdir("/proc/self/fd")
    assert refusal(tmp_path / "file") == errno.EPERM
    assert refusal(tmp_path / "link") == errno.ELOOP
    assert refusal(tmp_path) == errno.EISDIR
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("mode", [0o622, 0o604, 0o640])
def test_a_door_that_is_open_to_others(tmp_path: Path, mode: int) -> None:
    door = tmp_path / "door"
    os.mkfifo(door)
    door.chmod(mode)
    reader = os.open(door, os.O_RDONLY | os.O_NONBLOCK)
    assert refusal(door) == errno.EPERM
    door.chmod(0o600)
    os.close(open_door(str(door)))
    os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's pipe")
def test_a_door_of_somebody_else_is_refused_whether_or_not_he_reads_it(tmp_path: Path) -> None:
    door = tmp_path / "door"
    os.mkfifo(door, 0o600)
    os.chown(door, 65534, 65534)
    assert refusal(door) == errno.EPERM
    reader = os.open(door, os.O_RDONLY | os.O_NONBLOCK)
    assert refusal(door) == errno.EPERM
    os.close(reader)
