"""Verbs that are about machines, and what is to be done instead where a target has none: a cluster, for one."""

from __future__ import annotations

from collections.abc import Mapping

from sjs.cli.common import Call
from sjs.cli.ids import Ids
from sjs.errors import Refused
from sjs.routing import Choice
from sjs.values import replace

INSTEAD: Mapping[str, str] = {
    "run": "hand it in: submit {name} job -- ...",
    "upload": "what its jobs are to read is to lie where they see it, on a volume or in an image",
    "fetch": "what jobs have printed: submit {name} logs ID; other files they are to put where you see them",
    "deploy": "what its jobs run is to lie where they see it, on a volume or in an image",
    "gate": "who may use it, it says itself",
    "boot": "it needs no manager",
    "start": "it needs no manager",
    "stop": "it needs no manager; to have nothing of yours run: submit {name} cancel all",
    "restart": "it needs no manager",
    "upgrade": "it needs no manager",
    "trust": "there is no ssh key",
}
"""By verb. The others ask the queue alone, or say of such a target what there is to say."""


def machines(call: Call, verb: str, of: Ids | None = None) -> Choice:
    """Those whom the command means and that are machines. The others are passed over with a notice; refused if there
    is nobody else."""
    choice = call.choice(of=of)
    found = [one for one in choice.managers if one.has_machine]
    lacks = {
        one.name: (f"a {one.kind} target has no machine for `{verb}`", INSTEAD[verb].format(name=one.name))
        for one in choice.managers
        if not one.has_machine
    }
    if not found:
        name, (why, instead) = next(iter(lacks.items()))
        raise Refused(f"{name}: {why}", instead)
    out = call.output(choice)
    for name, (why, instead) in lacks.items():
        out.notice(name, f"passed over: {why} ({instead})")
    return replace(choice, managers=found)
