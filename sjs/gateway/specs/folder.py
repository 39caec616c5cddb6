"""A folder of specs, NAME.toml and NAME.yaml. A spec is read when it is asked for, and again only when its file has
changed.

What a file says now is what counts: of one that is wrong, what it said before is not used. Who forbids something
there, and slips, would go on allowing it, until a restart that nobody connects with that.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from time import time

from sjs.errors import ConfigError, UsageError
from sjs.gateway.specs.spec import JobSpec, is_name
from sjs.gateway.specs.toml_file import read_toml
from sjs.gateway.specs.yaml_file import read_yaml
from sjs.values import dataclass, replace

MOST_BYTES = 262_144
MOST_FILES = 10_000
SETTLED = 2.0
"""Seconds after which a file that changes again is given another time by any file system."""

_READERS: dict[str, Callable[[bytes, str, str], JobSpec]] = {".toml": read_toml, ".yaml": read_yaml}


class BadName(UsageError):
    """No spec can be called so."""

    code = "bad_spec_name"


class NoSpec(UsageError):
    """No spec is called so."""

    code = "no_spec"


@dataclass(frozen=True)
class _Kept:
    """What a file came to. `mark`: what is seen from outside of it; None while that would not show a change."""

    mark: tuple[int, ...] | None
    digest: str
    found: JobSpec | ConfigError


class SpecFolder:
    """The specs of one folder. For one thread, or for several: what two do at once they both do."""

    def __init__(self, path: str, now: Callable[[], float] = time) -> None:
        self.path = os.path.abspath(path)
        self._now = now
        self._kept: dict[str, _Kept] = {}

    def find(self, name: str) -> JobSpec:
        """The spec of this name. BadName, NoSpec; ConfigError, with the line, if its file is wrong."""
        if not is_name(name):
            raise BadName(f"no spec can be called {name[:60]!r}", "it has no . / \\ and no space")
        found = [(path, seen) for path in self._paths(name) for seen in [_seen(path)] if seen is not None]
        if not found:
            self._forget(name)
            raise NoSpec(f"there is no spec {name!r}")
        if len(found) > 1:
            raise ConfigError(f"{found[0][0]}: there is {os.path.basename(found[1][0])}, too", "remove one of them")
        kept = self._read(name, *found[0])
        if isinstance(kept.found, ConfigError):
            raise ConfigError(kept.found.message, kept.found.hint)
        return kept.found

    def names(self) -> list[str]:
        """What is there, whether right or wrong. ConfigError if the folder can not be read, or has too many files."""
        found: set[str] = set()
        for name in self._files():
            stem, ending = os.path.splitext(name)
            if ending in _READERS and is_name(stem):
                found.add(stem)
            if len(found) > MOST_FILES:
                raise ConfigError(f"{self.path}: has more than {MOST_FILES} specs")
        return sorted(found)

    def listing(self) -> Iterator[tuple[str, JobSpec | ConfigError]]:
        """All specs by their names; of those that are wrong, what is wrong."""
        for name in self.names():
            try:
                yield name, self.find(name)
            except NoSpec:
                continue  # it went meanwhile
            except ConfigError as error:
                yield name, error

    def _files(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from None

    def _paths(self, name: str) -> list[str]:
        return [os.path.join(self.path, f"{name}{ending}") for ending in _READERS]

    def _forget(self, name: str) -> None:
        for path in self._paths(name):
            self._kept.pop(path, None)

    def _read(self, name: str, path: str, seen: os.stat_result) -> _Kept:
        kept = self._kept.get(path)
        if kept is None or kept.mark != _mark(seen):
            kept = self._kept[path] = self._made(name, path, kept)
        return kept

    def _made(self, name: str, path: str, before: _Kept | None) -> _Kept:
        try:
            _check_owner(self.path, os.stat(self.path))
            text, seen = _contents(path)
        except ConfigError as error:
            return _Kept(None, "", error)
        except OSError as error:
            return _Kept(None, "", ConfigError(f"{path}: {error.strerror}"))
        is_settled = self._now() - max(seen.st_mtime, seen.st_ctime) > SETTLED
        digest = hashlib.sha256(text).hexdigest()
        if before is not None and before.digest == digest:
            found = before.found
        else:
            found = _parsed(text, path, name, digest)
        return _Kept(_mark(seen) if is_settled else None, digest, found)


def _parsed(text: bytes, path: str, name: str, digest: str) -> JobSpec | ConfigError:
    try:
        return replace(_READERS[os.path.splitext(path)[1]](text, path, name), digest=digest)
    except ConfigError as error:
        return error


def _contents(path: str) -> tuple[bytes, os.stat_result]:
    """What the file holds; not of a pipe, whose reading might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise ConfigError(f"{path}: is no file")
        _check_owner(path, seen)
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{path}: has more than {MOST_BYTES} bytes")
    return text, seen


def _check_owner(path: str, seen: os.stat_result) -> None:
    """Who may change a spec chooses what the gateway runs."""
    if seen.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{path}: belongs to another user (uid {seen.st_uid}), who could change what is run")
    if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path}: others can write to it, and so change what is run", f"chmod go-w {path}")


def _seen(path: str) -> os.stat_result | None:
    """What is seen of a file from outside; None if it is not there."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _mark(seen: os.stat_result) -> tuple[int, ...]:
    return (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev, seen.st_mode, seen.st_uid)
