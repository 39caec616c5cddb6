"""Options of jobs that are for targets of one kind alone: what they say is `native` in the spec, by the kind's name.

What they come to only who makes targets of the kind knows, which is loaded only when something was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from sjs.compact import to_json
from sjs.core.job import Spec

NAMES: Mapping[str, tuple[str, ...]] = {
    "slurm": ("partition", "account", "qos", "slurm"),
    "kubernetes": (
        *("image", "resources_flavor", "entrypoint", "job_name", "annotations", "labels", "volumes"),
        *("priority_class", "security_context", "ttl"),
    ),
}
"""What the options of each kind are called."""

_READERS: Mapping[str, str] = {"slurm": "sjs.targets.slurm", "kubernetes": "sjs.targets.kubernetes.said"}
"""Where `read` is: what was said before, and what is given now, to what is said."""

_ONCE: Mapping[str, tuple[str, ...]] = {"kubernetes": ("job_name",)}
"""What of it can be said of one job alone."""


def changed(base: Spec, given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the base says to kinds of targets, with what was given. BadRequest if that makes no sense."""
    said = dict(base.native)
    for kind, names in NAMES.items():
        own = {name: given[name] for name in names if name in given}
        if own:
            found = import_module(_READERS[kind]).read(json.loads(said.get(kind, "{}")), own)
            said[kind] = to_json(found)
    return tuple(sorted(said.items()))


def of_another(native: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What another job says that is to be the same."""
    said = ((kind, json.loads(text), _ONCE.get(kind, ())) for kind, text in native)
    left = ((kind, {name: value for name, value in body.items() if name not in once}) for kind, body, once in said)
    return tuple((kind, to_json(body)) for kind, body in left if body)
