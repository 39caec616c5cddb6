"""The environment that the jobs of one command begin with: what is taken from here, and what a file says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from sjs import spec_json
from sjs.compact import to_json
from sjs.core import quantities
from sjs.errors import BadRequest, UsageError

SECRETS = ("*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*CREDENTIAL*", "*KEY*", "AWS_*", "SSH_*")
"""What is taken only when its very name was given: other users of a machine may see what a job was started with."""

OWN = ("_", "PWD", "OLDPWD", "SHLVL", "SJS_*")
"""What belongs to the shell here, or to the job there."""

MAX_BYTES = 1 << 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def gathered(environ: Mapping[str, str], patterns: str | None, path: str | None) -> dict[str, str]:
    """What --capture-env takes of the environment here (nothing when it was not given), and over it the file's."""
    found = captured(environ, patterns) if patterns is not None else {}
    found.update(_lines(path) if path is not None else ())
    try:
        spec_json.env("env", found)
    except BadRequest as error:
        raise UsageError(error.message, error.hint) from None
    if len(to_json(found)) > MAX_BYTES:
        raise UsageError("an environment of more than a MiB", "take less with --capture-env 'NAME,PREFIX_*'")
    return dict(sorted(found.items()))


def digest(body: Mapping[str, str]) -> str:
    """The name by which a queue keeps an environment."""
    import hashlib

    return hashlib.sha256(to_json(dict(body)).encode("ascii")).hexdigest()


def captured(environ: Mapping[str, str], patterns: str) -> dict[str, str]:
    """The variables that one of the patterns means and no `!pattern` does; without any, all. Secrets only by name."""
    words = [word.strip() for word in patterns.split(",") if word.strip()]
    denied = [word[1:] for word in words if word.startswith("!")]
    allowed = [word for word in words if not word.startswith("!")]

    def is_taken(name: str) -> bool:
        if not _NAME.fullmatch(name) or _matches(name, (*OWN, *denied)):
            return False
        return name in allowed if _matches(name, SECRETS) else _matches(name, allowed or ("*",))

    return {name: value for name, value in environ.items() if is_taken(name)}


def _matches(name: str, patterns: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """A variable a line, NAME=VALUE; blank lines and # lines are skipped, and quotes around a whole value dropped."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            texts = lines.read().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    for number, text in enumerate(texts, 1):
        line = text.strip().removeprefix("export ").strip()
        if line and not line.startswith("#"):
            try:
                name, value = quantities.pair(line)
            except ValueError as error:
                raise UsageError(f"{path}:{number}: {error}") from None
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            yield name.strip(), value[1:-1] if quoted else value
