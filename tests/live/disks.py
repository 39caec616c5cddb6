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

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and not os.environ.get("CI"), reason="needs strace, which scripts/test installs"
)

MB = 1 << 20


@contextlib.contextmanager
def mounted(folder: Path, *what: str) -> Iterator[Path]:
    """A file system at the folder while the block lasts. Whatever still uses it then keeps it, unseen."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *what, str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def tmpfs(folder: Path, size: int, **options: int) -> contextlib.AbstractContextManager[Path]:
    """A file system in memory of so many bytes."""
    words = ",".join([f"size={size}", *(f"{name}={value}" for name, value in options.items())])
    return mounted(folder, "-t", "tmpfs", "-o", words, "tmpfs")


@contextlib.contextmanager
def ext4(folder: Path, size: int) -> Iterator[Path]:
    """A file system in a file."""
    image = folder.with_suffix(".img")
    with open(image, "wb") as target:
        target.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
    with mounted(folder, "-o", "loop", str(image)):
        yield folder


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
        tracer.terminate()
        tracer.communicate(timeout=DEADLINE)
