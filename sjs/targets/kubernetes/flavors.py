"""Flavors: sets of resources that have names, as jobman has them.

    {"name": "small-gpu", "description": "…",
     "resources": {"requests": {"cpu": "1000m", "memory": "1G", "nvidia.com/gpu": 1}, "limits": {…}}}

One is said by its JSON, by a file that has it, or by its name, if the target knows that; in this order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sjs.core.names import suggestion
from sjs.errors import BadRequest, UsageError
from sjs.targets.kubernetes import names, quantities
from sjs.values import dataclass

Amounts = tuple[tuple[str, str], ...]
"""Quantities by the names of resources."""

CPU = "cpu"
MEMORY = "memory"

MAX_BYTES = 65_536


@dataclass(frozen=True)
class Resources:
    """What a container asks for, and the most that it gets."""

    requests: Amounts = ()
    limits: Amounts = ()

    def to_json(self) -> dict[str, dict[str, str]]:
        """As Kubernetes has it."""
        both = {"requests": dict(self.requests), "limits": dict(self.limits)}
        return {name: amounts for name, amounts in both.items() if amounts}

    def over(self, base: Resources) -> Resources:
        """These, and of the others what is not said here. A limit of theirs that would be below what is asked for here
        is left out."""
        said = dict(self.requests)
        limits = {
            name: amount
            for name, amount in base.limits
            if name not in said or quantities.number(name, amount) >= quantities.number(name, said[name])
        }
        return Resources(tuple({**dict(base.requests), **said}.items()), tuple({**limits, **dict(self.limits)}.items()))


NOTHING = Resources()


@dataclass(frozen=True)
class Flavor:
    """A set of resources; without a name it stands for itself."""

    name: str
    resources: Resources
    description: str = ""


def resources_of(key: str, value: Any) -> Resources:
    """Checked resources."""
    if not isinstance(value, dict) or not value.keys() <= {"requests", "limits"}:
        raise BadRequest(f"'{key}' must be an object with 'requests' and 'limits'")
    return Resources(*(_amounts(f"{key}.{part}", value.get(part, {})) for part in ("requests", "limits")))


def _amounts(key: str, value: Any) -> Amounts:
    if not isinstance(value, dict):
        raise BadRequest(f"'{key}' must be an object of quantities")
    for name, amount in value.items():
        if not isinstance(name, str) or not names.is_qualified(name):
            raise BadRequest(f"'{key}' holds {name!r:.80}, which is no resource")
        quantities.number(f"{key}.{name}", amount)
    return tuple((name, str(amount)) for name, amount in value.items())


def flavor_of(key: str, value: Any) -> Flavor:
    """A checked flavor."""
    if not isinstance(value, dict):
        raise BadRequest(f"'{key}' must be a flavor: an object with 'name' and 'resources'")
    name, description = value.get("name", ""), value.get("description", "")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise BadRequest(f"'{key}' is a flavor without a name", "give it a 'name'")
    if not isinstance(description, str):
        raise BadRequest(f"'{key}.description' must be text")
    if "requests" not in (value.get("resources") or {}):
        raise BadRequest(f"'{key}': the flavor '{name}' has no 'resources' with 'requests'")
    return Flavor(name, resources_of(f"{key}.resources", value["resources"]), description)


def flavors_of(key: str, value: Any) -> tuple[Flavor, ...]:
    """Checked flavors, each name once."""
    if not isinstance(value, list):
        raise BadRequest(f"'{key}' must be a list of flavors")
    found = tuple(flavor_of(f"{key}[{number}]", one) for number, one in enumerate(value))
    twice = [one.name for one in found if [other.name for other in found].count(one.name) > 1]
    if twice:
        raise BadRequest(f"'{key}' has two flavors that are called '{twice[0]}'")
    return found


def said(text: str) -> Flavor | str:
    """The flavor that was typed, or that is in the file that was named; else it is the name of one."""
    if text.lstrip().startswith("{"):
        return _read("--resources-flavor", text)
    if os.path.isfile(text):
        try:
            with open(text, encoding="utf-8") as source:
                return _read(text, source.read(MAX_BYTES))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{text}: can not be read as a flavor: {error}") from None
    return text


def _read(where: str, text: str) -> Flavor:
    try:
        return flavor_of(where, json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{where}: the flavor is no JSON: {error}") from None
    except BadRequest as error:
        raise UsageError(error.message, error.hint) from None


def find(name: str, known: Sequence[Flavor]) -> Flavor:
    """The flavor of this name."""
    for one in known:
        if one.name == name:
            return one
    there = [one.name for one in known]
    hint = f"there are {', '.join(there)}" if there else "the entry has no 'flavors'; say it as JSON, or name a file"
    raise BadRequest(f"no predefined flavor is called '{name}', nor is a file{suggestion(name, there)}", hint)


def gpu_kinds(amounts: Iterable[Mapping[str, Any]], known: Sequence[str]) -> list[str]:
    """The resources that are GPUs among those that are asked for: those that the entry names, and what is called so."""
    asked = {name for one in amounts for name in one}
    return [name for name in known if name in asked] + sorted(
        name for name in asked if name not in known and name.rpartition("/")[2] == "gpu" and "/" in name
    )
