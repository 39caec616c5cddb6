"""A job spec and its parameters, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sjs.gateway.specs.patterns import Pattern
from sjs.values import dataclass, field

TYPES = ("string", "int", "float", "bool")
Value = str | int | float | bool

MOST_LETTERS = 25_000
"""Of one value: four bytes each are below what Linux gives a process in one piece (128 KiB)."""
MOST_LETTERS_WITH_PATTERN = 4_096
USUAL_LETTERS_WITH_PATTERN = 1_024
MOST_BYTES = 262_144
"""Of all values of a job together, which its environment holds up to four times."""


@dataclass(frozen=True)
class Parameter:
    """What a caller may say. `is_usable`: its `type` is one of TYPES, and one that its file can have."""

    name: str
    type: str = "string"
    is_usable: bool = True
    required: bool = True
    default: Value | None = None
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Value, ...] = ()
    pattern: Pattern | None = None
    max_length: int = MOST_LETTERS
    leading_dash: bool = False
    """Whether a value may begin a word of the command with `-`, where programs look for options."""
    description: str = ""


@dataclass(frozen=True)
class Place:
    """Where the value of a parameter goes."""

    name: str


Word = tuple[str | Place, ...]


@dataclass(frozen=True)
class ArtifactRules:
    """What of the files that a job leaves is kept; None: as the gateway has it."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    most_files: int | None = None
    most_bytes: int | None = None


@dataclass(frozen=True)
class JobSpec:
    """A command with a name. `options`: what its jobs are told, as `sjs.api.options.JobOptions` names it."""

    name: str
    path: str
    command: tuple[Word, ...]
    parameters: tuple[Parameter, ...] = ()
    description: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    preserved: tuple[str, ...] = ()
    """Variables of the gateway's own environment that its jobs get; empty where it has none."""
    target: str | None = None
    """A word for targets, as the command line has it."""
    artifacts: ArtifactRules | None = None
    notes: tuple[str, ...] = ()
    """What is odd in the file, with its line, and does not keep it from being used."""
    digest: str = ""
    """SHA-256 of the file: which version of it a job was made from."""


def is_name(name: str) -> bool:
    """Whether a spec can be called so: jobmgr's rule, and nothing that could be taken for anything but a file's
    name."""
    return 0 < len(name) <= 100 and name.isprintable() and not set(name) & set("./\\ ")


def could_be_option(spec: JobSpec, parameter: Parameter) -> bool:
    """Whether a text of it that begins with `-` would look like an option to the program: not behind the word `--`."""
    if parameter.leading_dash or parameter.choices:
        return False
    for word in spec.command:
        if word == ("--",):
            return False
        if word[0] == Place(parameter.name):
            return True
    return False


def variables(name: str) -> tuple[str, ...]:
    """The variables that hold a parameter: ours and jobmgr's, with its hyphens, and with `_` for them."""
    upper = "".join(letter.upper() if len(letter.upper()) == 1 else letter for letter in name).replace(" ", "_")
    spellings = dict.fromkeys((upper, upper.replace("-", "_")))
    return tuple(f"{prefix}{one}" for prefix in ("SJS_PARAM_", "JOBMGR_PARAMETER_") for one in spellings)
