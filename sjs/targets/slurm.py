"""The kind `slurm`: a queue of ours on a login node, which has Slurm run its jobs. Its own is what is said to Slurm.

That is `native` in a job: {"partition", "account", "qos": TEXT, "options": [FLAG, ...]}, each flag in one word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sjs.compact import to_json
from sjs.core.needs import WHOLE
from sjs.errors import UsageError
from sjs.targets.kinds import Kind

if TYPE_CHECKING:
    from yaml import Node

    from sjs.core.job import Spec
    from sjs.nodes import Checks

SLURM = "slurm"

WORDS = ("partition", "account", "qos")

OURS: Mapping[str, str] = {
    "a": "array",
    "array": "a command file or a sweep becomes one",
    "b": "begin",
    "begin": "say --at or --in",
    "clusters": "each cluster is a target of its own",
    "comment": "it is how jobs are found again",
    "d": "dependency",
    "D": "chdir",
    "chdir": "say --cwd",
    "dependency": "say --after",
    "e": "error",
    "error": "`logs` has it",
    "export": "say --env or --capture-env",
    "export-file": "say --env-file",
    "get-user-env": "say --env or --capture-env",
    "h": "help",
    "H": "hold",
    "help": "sbatch would do nothing else",
    "hold": "say --hold",
    "i": "input",
    "input": "say --stdin",
    "J": "job-name",
    "job-name": "say --name",
    "M": "clusters",
    "no-requeue": "say --on-lost",
    "o": "output",
    "open-mode": "`logs` has all of it",
    "output": "`logs` has it",
    "parsable": "it is said already",
    "Q": "quiet",
    "quiet": "what sbatch says is read",
    "requeue": "say --on-lost requeue",
    "test-only": "sbatch would do nothing else",
    "usage": "sbatch would do nothing else",
    "v": "verbose",
    "V": "version",
    "verbose": "what sbatch says is read",
    "version": "sbatch would do nothing else",
    "W": "wait",
    "wait": "say --wait",
    "wrap": "the command is the job's own",
}
"""Flags that are not for others to give, and why, or which other flag they are."""

ALONE = ("O", "s", "k")
"""Short ones that need no value."""

WORD = re.compile(r"[\w.,+:@-]+")
LONGER = re.compile(r"--([A-Za-z][\w-]*)(=.+)?")
SHORT = re.compile(r"-([A-Za-z])(.*)")


def word(text: str) -> str:
    """The name of a partition, an account or a quality of service."""
    if not WORD.fullmatch(text):
        raise ValueError(f"'{text}' is no name in Slurm")
    return text


def flag(text: str) -> str:
    """One for sbatch, checked as far as that can be without asking it."""
    found = LONGER.fullmatch(text) or SHORT.fullmatch(text)
    if found is None or not text.isprintable():
        raise ValueError(f"'{text}' is no flag of sbatch; write it in one word: --constraint=big")
    name, value = found[1], found[2] or ""
    known = [name] if len(name) == 1 else [one for one in OURS if len(one) > 1 and one.startswith(name)]
    if known and known[0] in OURS:
        why = OURS[known[0]]
        raise ValueError(f"'{text}' is not for you to say: {OURS.get(why, why)}")
    if len(name) == 1 and not value and name not in ALONE:
        raise ValueError(f"'{text}' has no value; write it in the same word: -{name}VALUE")
    return text


def read(before: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said to Slurm, from what was said before, and options as they are given now."""
    try:
        said: dict[str, Any] = {name: word(given[name]) for name in WORDS if name in given}
        if "slurm" in given:
            said["options"] = [flag(one) for one in given["slurm"]]
    except ValueError as error:
        raise UsageError(str(error)) from None
    return told(before, said)


def told(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said to Slurm, over what was said before: words take the place of others, flags come behind them."""
    found = {**before, **said}
    if before.get("options") and said.get("options"):
        found["options"] = [*before["options"], *said["options"]]
    return found


def filled(spec: Spec, settings: Mapping[str, Any]) -> Spec:
    """A job with what its target's entry says where it says nothing itself."""
    if not settings:
        return spec
    others = dict(spec.native)
    own = json.loads(others.get(SLURM, "{}"))
    return spec.but(native=tuple(sorted({**others, SLURM: to_json(told(settings, own))}.items())))


def problem(spec: Spec, settings: Mapping[str, Any]) -> str:
    """Why Slurm could never run a job."""
    if spec.needs.gpus % WHOLE or spec.needs.gpu_mem:
        return "Slurm gives whole GPUs, not a part of one"
    return ""


def _word(place: Checks, node: Node, where: str) -> str:
    return place.word(node, where, WORD)


def _flags(place: Checks, node: Node, where: str) -> list[str]:
    try:
        return [flag(one) for one in place.texts(node, where)]
    except ValueError as error:
        raise place.error(node, f"{where}: {error}") from None


KIND = Kind(
    SLURM,
    keys={**dict.fromkeys(WORDS, _word), "options": _flags},
    problem=problem,
    options={"options": "--slurm"},
    fill=filled,
)
