"""Small file systems, and ways to fill them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")

needs_btrfs = pytest.mark.skipif(
    shutil.which("mkfs.btrfs") is None and not os.environ.get("CI"),
    reason="needs btrfs-progs, which scripts/test installs",
)

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and not os.environ.get("CI"), reason="needs strace, which scripts/test installs"
)

MB = 1 << 20


@contextlib.contextmanager
def mounted(folder: Path, *what: str) -> Iterator[Path]:
    """A file system at the folder while the block lasts. Whatever still uses it then keeps it, unseen."""
    folder.mkdir(exist_ok=True)
    _run("mount", *what, str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def tmpfs(folder: Path, size: int, **options: int) -> contextlib.AbstractContextManager[Path]:
    """A file system in memory of so many bytes."""
    words = ",".join([f"size={size}", *(f"{name}={value}" for name, value in options.items())])
    return mounted(folder, "-t", "tmpfs", "-o", words, "tmpfs")


def ext4(folder: Path, size: int) -> contextlib.AbstractContextManager[Path]:
    """A file system in a file, or the one that is there."""
    image = folder.with_suffix(".img")
    if not image.exists():
        _image(folder, size, "mkfs.ext4", "-q", "-m", "0", "-e", "remount-ro")
    return mounted(folder, "-o", "loop", str(image))


def fill(path: Path, leave: int = 0) -> None:
    """Take what is free, but for so many bytes, to the last one."""
    found = os.statvfs(path.parent)
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as target:
        if leave:
            os.posix_fallocate(target.fileno(), 0, max(1, found.f_bavail * found.f_frsize - leave))
        else:
            while True:
                target.write(bytes(1 << 16))
    if not leave:
        with contextlib.suppress(OSError), open(path, "ab", buffering=0) as target:
            while True:
                target.write(b"x" * 512)


@contextlib.contextmanager
def failing(pid: int, call: str, error: str, when: str = "1+") -> Iterator[None]:
    """Such calls of the process, and of those that it starts meanwhile, fail while the block lasts."""
    command = ["strace", "-f", "-p", str(pid), "-o", os.devnull, "-e", f"trace={call}"]
    tracer = subprocess.Popen(
        [*command, "-e", f"inject={call}:error={error}:when={when}"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        yield
    finally:
        tracer.kill()  # asked to end, it may wait for ever for who waits in vfork for a child that waits for it
        tracer.communicate(timeout=DEADLINE)


def _image(folder: Path, size: int, *make: str) -> Path:
    image = folder.with_suffix(".img")
    with open(image, "wb") as target:
        target.truncate(size)
    _run(*make, str(image))
    return image


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def loops(folder: Path) -> list[str]:
    """Devices that the file behind a file system still has, for it lives on unseen as long as a file is open there."""
    command = ["losetup", "--associated", str(folder.with_suffix(".img"))]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


class Quota:
    """A folder that may hold so many bytes, whatever its file system has: a subvolume of btrfs."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        _run("btrfs", "quota", "enable", str(folder.parent))
        _run("btrfs", "subvolume", "create", str(folder))
        self.set(size)

    def set(self, size: int) -> None:
        _run("btrfs", "qgroup", "limit", str(size), str(self.folder))


def btrfs(folder: Path, size: int) -> contextlib.AbstractContextManager[Path]:
    """A file system in a file, of at least 110 MB."""
    return mounted(folder, "-o", "loop", str(_image(folder, size, "mkfs.btrfs", "-q")))


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Whoever opens anything below the folder meanwhile finds it read-only; who has opened it before goes on writing.

    The kernel makes no file system read-only as long as somebody has a file open for writing.
    """
    with mounted(folder, "--bind", str(folder)):
        _run("mount", "-o", "remount,bind,ro", str(folder))
        yield


def give_up(folder: Path) -> None:
    """As when ext4 finds its own records damaged: until it is mounted anew nobody can write there, whatever is open."""
    (device,) = {line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if f" {folder} " in line}
    Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("test")
