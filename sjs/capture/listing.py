"""Which files of a folder belong to its snapshot. git says so: also where there is no repository, by the same rules."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence

from sjs.errors import UsageError
from sjs.values import dataclass, field

IGNORE = ".sjsignore"
"""At the top of the tree, in the words of .gitignore: what is left out besides what git leaves out, be it tracked."""

NEVER = (b".git", b".sjs")


@dataclass
class Listing:
    """The paths of files and links, the commit that is checked out, and which paths are otherwise than there."""

    paths: set[bytes] = field(default_factory=set)
    commit: str = ""
    changed: set[bytes] = field(default_factory=set)


def listed(folder: str) -> Listing:
    """What belongs to the snapshot of a folder."""
    with tempfile.TemporaryDirectory(prefix="sjs-") as scratch:
        found = _listed(os.fsencode(os.path.abspath(folder)), scratch)
        found.paths = {path for path in found.paths if not any(part in NEVER for part in path.split(b"/"))}
        rules = os.path.join(folder, IGNORE)
        if found.paths and os.path.exists(rules):
            found.paths -= _ignored(rules, found.paths, scratch)
        found.changed &= found.paths
    return found


def _listed(folder: bytes, scratch: str) -> Listing:
    """With what is in repositories below: git names those, but not what is in them."""
    found = _of_repository(folder) if _is_in_repository(folder) else _of_plain(folder, scratch)
    for path in [path for path in found.paths if _is_folder(os.path.join(folder, path))]:
        found.paths.discard(path)
        below = os.path.join(folder, path)
        if os.path.lexists(os.path.join(below, b".git")):
            inner = _listed(below, scratch)
            is_other = path in found.changed  # than the one that the commit names
            found.paths |= {os.path.join(path, one) for one in inner.paths}
            found.changed |= {os.path.join(path, one) for one in (inner.paths if is_other else inner.changed)}
    return found


def _is_folder(path: bytes) -> bool:
    return os.path.isdir(path) and not os.path.islink(path.rstrip(b"/"))


def _is_in_repository(folder: bytes) -> bool:
    called = _run(["-C", folder, "rev-parse", "--is-inside-work-tree"])
    if called.returncode and b"not a git repository" not in called.stderr:
        raise UsageError(f"git: {_last_line(called.stderr)}")
    return called.stdout.strip() == b"true"


def _of_repository(folder: bytes) -> Listing:
    here: Sequence[str | bytes] = ["-C", folder]
    new = set(_names([*here, "ls-files", "-z", "-o", "--exclude-standard"]))
    found = Listing(new | set(_names([*here, "ls-files", "-z", "-c"])))
    head = _run([*here, "rev-parse", "--verify", "-q", "HEAD"])
    if head.returncode == 0:
        found.commit = head.stdout.decode().strip()
        found.changed = new | set(_names([*here, "diff", "-z", "--name-only", "--relative", "--no-renames", "HEAD"]))
    return found


def _of_plain(folder: bytes, scratch: str) -> Listing:
    repository = os.path.join(scratch, "plain")
    if not os.path.exists(repository):
        _names(["init", "-q", "--bare", "--template=", repository])
    return Listing(
        set(
            _names(
                ["-C", folder, f"--git-dir={repository}", "--work-tree=.", "ls-files", "-z", "-o", "--exclude-standard"]
            )
        )
    )


def _ignored(rules: str, paths: Iterable[bytes], scratch: str) -> set[bytes]:
    """Those of the paths that a file of rules is about. They are looked at where there is nothing, so that no other
    rules count."""
    repository, nothing = os.path.join(scratch, "rules"), os.path.join(scratch, "nothing")
    _names(["init", "-q", "--bare", "--template=", repository])
    os.mkdir(nothing)
    rules_file = f"core.excludesFile={os.path.abspath(rules)}"
    asked = ["-c", rules_file, f"--git-dir={repository}", f"--work-tree={nothing}", "check-ignore", "--no-index"]
    called = _run([*asked, "--stdin", "-z"], b"\0".join(paths) + b"\0", cwd=nothing)
    if called.returncode not in (0, 1):
        raise UsageError(f"{rules}: {_last_line(called.stderr)}")
    return set(filter(None, called.stdout.split(b"\0")))


def _names(arguments: Sequence[str | bytes]) -> Iterator[bytes]:
    called = _run(arguments)
    if called.returncode:
        raise UsageError(f"git: {_last_line(called.stderr)}")
    return filter(None, called.stdout.split(b"\0"))


def _run(
    arguments: Sequence[str | bytes], given: bytes = b"", cwd: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """git, without what a hook or a person may have told it about another repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", *arguments],
            input=given,
            capture_output=True,
            cwd=cwd,
            env={**env, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except FileNotFoundError:
        raise UsageError("--snapshot needs git, which says what belongs to a tree", "install git here") from None


def _last_line(text: bytes) -> str:
    return (text.decode("utf-8", "replace").strip() or "it failed without a word").splitlines()[-1]
