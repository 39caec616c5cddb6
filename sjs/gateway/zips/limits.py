"""How much an archive may be."""

from __future__ import annotations

from sjs.values import dataclass


@dataclass(frozen=True)
class Limits:
    """What is unpacked at most."""

    compressed: int = 32 << 20
    """Bytes of the archive."""
    expanded: int = 256 << 20
    """Bytes of all files."""
    ratio: int = 100
    """How many times larger than the archive they may be …"""
    ratio_from: int = 1 << 20
    """… once they are more than these: a small file of zeros is no bomb."""
    entries: int = 10_000
    """Entries; also folders, which need not be entries."""
    depth: int = 20
    """Names in a path."""
    name: int = 255
    """Bytes of each of them …"""
    path: int = 2048
    """… and of all."""
    directory: int = 4 << 20
    """Bytes of the list of entries: memory is a few times that."""


@dataclass(frozen=True)
class PackLimits:
    """What is packed at most."""

    entries: int = 100_000
    """Files and folders."""
    expanded: int = 16 << 30
    """Bytes of all files."""
    depth: int = 64
    """Folders in each other, each of which is open at once."""
