"""What all users have in the queue of a cluster: of its Jobs, or of what somebody writes down of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sjs.answers import Occupied
from sjs.errors import BadRequest
from sjs.targets.kubernetes import marks, quantities
from sjs.targets.kubernetes.flavors import CPU, MEMORY, gpu_kinds
from sjs.values import dataclass

_ENDED = ("Complete", "Failed")


@dataclass(frozen=True)
class Active:
    """Jobs that have not ended, of one namespace, with what each asks for."""

    namespace: str
    flavor: str
    requests: Mapping[str, Fraction]
    count: int = 1
    running: int | None = None


def of_jobs(jobs: Iterable[Mapping[str, Any]], flavor_label: str) -> list[Active]:
    """Those of these Jobs that have not ended. An Indexed Job is as many as are left of it."""
    return [_active(job, flavor_label) for job in jobs if not _has_ended(job)]


def _has_ended(job: Mapping[str, Any]) -> bool:
    """Also one that was cancelled by us, which is suspended for good, once its pods are gone."""
    status = job.get("status") or {}
    conditions = status.get("conditions") or ()
    if marks.note_of(job) is not None and not status.get("active") and not status.get("terminating"):
        return True
    return marks.DECLINED in marks.said(job) or any(
        one.get("type") in _ENDED and one.get("status") == "True" for one in conditions
    )


def _active(job: Mapping[str, Any], flavor_label: str) -> Active:
    metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    ended = (status.get("succeeded") or 0) + _count(status.get("failedIndexes") or "")
    left = (spec.get("completions") or 1) - ended if spec.get("completionMode") == "Indexed" else 1
    return Active(
        metadata.get("namespace", ""),
        (metadata.get("annotations") or {}).get(flavor_label, ""),
        _asked(spec["template"]["spec"].get("containers") or ()),
        max(1, left),
        min(max(1, left), status.get("ready") or 0),
    )


def _count(indexes: str) -> int:
    """How many `1,3-5` are."""
    spans = [span.partition("-") for span in indexes.split(",") if span]
    return sum(int(last or first) - int(first) + 1 for first, _, last in spans)


def _asked(containers: Sequence[Mapping[str, Any]]) -> dict[str, Fraction]:
    """What a pod asks for: a limit is asked for, too, where nothing else is said."""
    found: dict[str, Fraction] = {}
    for one in containers:
        resources = one.get("resources") or {}
        for name, amount in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
            found[name] = found.get(name, Fraction(0)) + quantities.number(name, amount)
    return found


def of_map(text: str) -> tuple[list[Active], str]:
    """What jobman's ConfigMap says, and when it was written. Its `flavor` was called `label` once."""
    try:
        said = json.loads(text)
        found = [_written(one) for one in said["jobs"]]
        return found, str(said["updated"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadRequest(f"it is not what jobman writes: {error!r}") from None


def _written(one: Mapping[str, Any]) -> Active:
    resources = one["resources"]
    flavor = resources.get("flavor") or resources.get("label") or ""
    requests = {name: quantities.number(name, said) for name, said in (resources.get("requests") or {}).items()}
    return Active(str(one["namespace"]), str(flavor), requests)


def rows(found: Iterable[Active], mine: str, gpus: Sequence[str]) -> list[Occupied]:
    """Put together who asks for the same; `mine`: the namespace that is one's own. A flavor by whose name several
    people mean something else is as many rows."""
    active = list(found)
    kinds = gpu_kinds((one.requests for one in active), gpus)
    groups: dict[tuple[Any, ...], list[Active]] = {}
    for one in active:
        amounts = tuple(one.requests.get(name, Fraction(0)) for name in (CPU, MEMORY, *kinds))
        groups.setdefault((one.flavor, *amounts), []).append(one)
    made = [_row(key, together, mine, kinds) for key, together in groups.items()]
    return sorted(made, key=lambda row: (-row.total, row.flavor, row.cpus, row.mem))


def _row(key: tuple[Any, ...], together: Sequence[Active], mine: str, kinds: Sequence[str]) -> Occupied:
    flavor, cpus, mem, *counts = key
    running = [one.running for one in together]
    return Occupied(
        flavor,
        float(cpus),
        int(mem),
        {kind: int(count) for kind, count in zip(kinds, counts, strict=True)},
        sum(one.count for one in together),
        sum(one.count for one in together if one.namespace == mine),
        None if None in running else sum(one or 0 for one in running),
    )
