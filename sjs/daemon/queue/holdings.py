"""In the manager: what its machine has for jobs: what was found, and what a person has said instead.

Slots and what a person says are durable. What was found is looked for anew by each manager, and GPUs by a process of
their own (`resources`), whose word is taken in when it comes.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Tuple

from sjs import spec_json
from sjs.core.needs import WHOLE, Gpu, Grant, Machine
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest
from sjs.values import replace

NAME = "machine"
AVOID = "avoid"
IGNORE = "ignore"
POLICIES = (AVOID, IGNORE)
"""What to do with GPUs that processes of others use."""

KEYS = ("cpus", "mem", "gpus", "resources", "gpu_policy")
"""What a person may say of a machine."""


class Holdings:
    """What there is. `machine` is what it all comes to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: Dict[str, Any] = json.loads(store.meta(NAME) or "{}")
        self._cpus = self._mem = 0
        self._gpus: Tuple[Gpu, ...] = ()
        self._busy: Grant = ()
        self.is_of_each = bool(store.meta("kind"))
        self.is_known = True
        """Whether the GPUs have been looked for, or need not be."""
        self.machine = self._machine(int(store.meta("max_jobs_running") or 0))

    def set_slots(self, slots: int) -> None:
        self._store.set_meta("max_jobs_running", str(slots))
        self.machine = replace(self.machine, slots=slots)

    def say(self, body: Dict[str, Any]) -> None:
        """Take a person's word, which was checked, for what is named here, until it is named again; null: what was
        found counts again. Of the resources each counts by itself."""
        said = {**self._said, **body}
        if body.get("resources") is not None:
            named = {**self._said.get("resources", {}), **body["resources"]}
            said["resources"] = {name: count for name, count in named.items() if count is not None}
        self._said = {key: value for key, value in said.items() if value is not None}
        self._store.set_meta(NAME, json.dumps(self._said))
        self.machine = self._machine(self.machine.slots)

    def summary(self) -> Dict[str, Any]:
        """What it all comes to, by the names by which a person speaks of it."""
        machine = self.machine
        plain = {"cpus": machine.cpus, "mem": machine.mem, "gpus": len(machine.gpus)}
        return {**plain, "resources": dict(machine.named), "gpu_policy": self._said.get("gpu_policy", AVOID)}

    def found(self, cpus: int, mem: int) -> None:
        """What the kernel says."""
        self._cpus, self._mem = cpus, mem
        self.machine = self._machine(self.machine.slots)

    def found_gpus(self, gpus: Iterable[Dict[str, Any]], ours: Iterable[str]) -> None:
        """What the GPUs' own tools say. `ours`: GPUs that jobs of ours hold, so that who uses them is no stranger."""
        told = list(gpus)
        self._gpus = tuple(Gpu(str(one["name"]), int(one["mem"]), str(one["kind"])) for one in told)
        known = set(ours)
        self._busy = tuple((str(one["name"]), WHOLE) for one in told if one["pids"] and str(one["name"]) not in known)
        self.is_known = True
        self.machine = self._machine(self.machine.slots)

    @property
    def foreign(self) -> Grant:
        """GPUs that are left to others."""
        return () if self._said.get("gpu_policy") == IGNORE else self._busy

    def _machine(self, slots: int) -> Machine:
        said = self._said
        return Machine(
            slots=slots,
            cpus=said.get("cpus", self._cpus),
            mem=said.get("mem", self._mem),
            gpus=self._counted(said.get("gpus")),
            named=tuple(sorted(said.get("resources", {}).items())),
            each=self.is_of_each,
        )

    def _counted(self, said: Any) -> Tuple[Gpu, ...]:
        """A number is the first of those found, and of their kind if there are not so many."""
        if said is None:
            return self._gpus
        if isinstance(said, list):
            return tuple(Gpu(**one) for one in said)
        return (*self._gpus, *(Gpu(str(number)) for number in range(len(self._gpus), said)))[:said]


def checked(body: Dict[str, Any]) -> Dict[str, Any]:
    """What of it is about a machine."""
    return {key: None if body[key] is None else _CHECKS[key](key, body[key]) for key in KEYS if key in body}


def _resources(key: str, value: Any) -> Dict[str, Any]:
    """Null for those that there are to be no more."""
    gone = [name for name, count in value.items() if count is None] if isinstance(value, dict) else []
    rest = {name: count for name, count in value.items() if count is not None} if gone else value
    return {**dict(spec_json.resources(key, rest)), **dict.fromkeys(gone)}


def _gpus(key: str, value: Any) -> Any:
    if not isinstance(value, list):
        return spec_json.whole(0, MAX_GPUS)(key, value)
    found: List[Dict[str, Any]] = []
    for one in value:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not one["name"]:
            raise BadRequest(f"'{key}' must be a number, or a list of objects with a 'name'")
        mem = spec_json.whole(0, spec_json.MAX_BYTES)(f"{key}.mem", one.get("mem", 0))
        found.append({"name": one["name"], "mem": mem, "kind": str(one.get("kind", ""))})
    if len({one["name"] for one in found}) < len(found) or len(found) > MAX_GPUS:
        raise BadRequest(f"'{key}' must name each GPU once, and at most {MAX_GPUS}")
    return found


def _policy(key: str, value: Any) -> str:
    if value not in POLICIES:
        raise BadRequest(f"'{key}' must be one of {', '.join(POLICIES)}, not {value!r:.40}")
    return str(value)


MAX_GPUS = 1_000

_CHECKS = {
    "cpus": spec_json.whole(0, spec_json.MAX_COUNT),
    "mem": spec_json.whole(0, spec_json.MAX_BYTES),
    "gpus": _gpus,
    "resources": _resources,
    "gpu_policy": _policy,
}
