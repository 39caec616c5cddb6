"""What is to be collected of a job when it has ended, as a value and as it stands in its row. Pure."""

from __future__ import annotations

import json
from typing import Any

from sjs.compact import to_json
from sjs.core.job import Spec
from sjs.errors import BadRequest
from sjs.gateway.artifacts.collecting import Rules
from sjs.trees.patterns import patterns as known
from sjs.values import dataclass


@dataclass(frozen=True)
class Wanted:
    """By `rules`, what it has left in its folder for artifacts; or, of the `whole` folder in which it ran, what is
    there then: it needs a snapshot for that. `only_ok`: of one that has not succeeded, nothing, and that stays there
    for as long as its outputs do."""

    rules: Rules = Rules()
    whole: bool = False
    only_ok: bool = False
    outputs: bool = False
    """And what it has printed goes into the records, however it ended."""


def told(spec: Spec, wanted: Wanted) -> Spec:
    """The job, told what it has to know of this. BadRequest for what cannot be wanted of it."""
    known((*wanted.rules.include, *wanted.rules.exclude))
    if wanted.whole and spec.snapshot is None:
        raise BadRequest("only of a job that has a snapshot, the folder in which it ran is its own")
    return spec.but(artifacts=not wanted.whole)


def to_text(wanted: Wanted) -> str:
    """As it is written down: the `rules` of a `New`."""
    return to_json({**vars(wanted), "rules": vars(wanted.rules)})


def from_text(stored: str) -> Wanted:
    said: dict[str, Any] = json.loads(stored)
    rules: dict[str, Any] = said.pop("rules")
    rules.update((name, tuple(rules[name])) for name in ("include", "exclude"))
    return Wanted(Rules(**rules), **said)
