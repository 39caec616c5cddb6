"""Verbs that are about clusters, and what there is to ask of a machine instead."""

from __future__ import annotations

from collections.abc import Mapping

from sjs.cli.common import Call
from sjs.errors import Refused
from sjs.routing import Choice
from sjs.values import replace

INSTEAD: Mapping[str, str] = {
    "flavors": "what it has: submit {name} hosts",
    "images": "what it has: submit {name} hosts",
    "image-details": "what it has: submit {name} hosts",
}
"""By verb."""


def clusters(call: Call, verb: str) -> Choice:
    """Those whom the command means and that have no machine. The others are passed over with a notice; refused if
    there is nobody else."""
    choice = call.choice()
    found = [one for one in choice.managers if not one.has_machine]
    others = [one.name for one in choice.managers if one.has_machine]
    if not found:
        raise Refused(f"{others[0]}: no cluster, and `{verb}` is of clusters", INSTEAD[verb].format(name=others[0]))
    out = call.output(choice)
    for name in others:
        out.notice(name, f"passed over: no cluster ({INSTEAD[verb].format(name=name)})")
    return replace(choice, managers=found)
