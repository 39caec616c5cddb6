"""Kubernetes as a kind of target."""

from __future__ import annotations

from sjs.protocols import Target
from sjs.targets.kinds import Entry, Kind
from sjs.targets.kubernetes.native import OPTIONS
from sjs.targets.kubernetes.problem import problem
from sjs.targets.kubernetes.settings import KEYS, SECRET, WHO, read


def kind() -> Kind:
    """What an entry of this kind may say, and what becomes of one."""
    return Kind("kubernetes", KEYS, _build, WHO, SECRET, problem, OPTIONS)


def _build(entry: Entry) -> Target:
    from sjs.targets.kubernetes.target import KubernetesTarget

    return KubernetesTarget(entry, read(entry))
