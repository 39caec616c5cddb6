"""Resource quotas: what a namespace may have, and who is refused because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from tests.kube import podding, quantities
from tests.kube.kinds import CONFIGMAPS, JOBS, PODS, QUOTAS, SECRETS, Resource
from tests.kube.nodes import Amounts
from tests.kube.status import Obj, forbidden
from tests.kube.store import Change, Store
from tests.kube.worker import Task

COUNTED = (PODS, JOBS, CONFIGMAPS, SECRETS)
PLAIN = {"cpu": "requests.cpu", "memory": "requests.memory", "ephemeral-storage": "requests.ephemeral-storage"}
"""Short names of a quota for what containers request."""


def usage(resource: Resource, obj: Obj) -> Amounts:
    """What one object takes of a quota, by the quota's names for it."""
    name = f"count/{resource.qualified}"
    if resource != PODS:
        return {name: Fraction(1), resource.plural: Fraction(1)}
    if podding.ended(obj):
        return {name: Fraction(1)}
    found: Amounts = {name: Fraction(1), "pods": Fraction(1)}
    for group in ("requests", "limits"):
        for container in obj["spec"]["containers"]:
            for key, value in container["resources"].get(group, {}).items():
                names = {f"{group}.{key}", *((key,) if group == "requests" and key in PLAIN else ())}
                for one in names:
                    found[one] = found.get(one, Fraction(0)) + quantities.amount(value)
    return found


def used(store: Store, quota: Obj) -> Amounts:
    total: Amounts = dict.fromkeys(quota["spec"].get("hard", {}), Fraction(0))
    for resource in COUNTED:
        for obj in store.all(resource, quota["metadata"]["namespace"]):
            for key, value in usage(resource, obj).items():
                if key in total:
                    total[key] += value
    return total


def admit(store: Store, resource: Resource, obj: Obj) -> None:
    """Refuse what would be more than a quota of its namespace."""
    if resource not in COUNTED:
        return
    for quota in store.all(QUOTAS, obj["metadata"]["namespace"]):
        hard = quota["spec"].get("hard", {})
        _complete(resource, obj, quota, hard)
        asked = {key: value for key, value in usage(resource, obj).items() if key in hard}
        now = used(store, quota)
        over = sorted(key for key, value in asked.items() if now[key] + value > quantities.amount(hard[key]))
        if over:
            told = ", ".join(
                f"{word}: " + ",".join(f"{key}={_text(amounts[key], hard[key])}" for key in over)
                for word, amounts in (("requested", asked), ("used", now))
            )
            limited = ",".join(f"{key}={hard[key]}" for key in over)
            why = f"exceeded quota: {quota['metadata']['name']}, {told}, limited: {limited}"
            raise forbidden(resource, obj["metadata"]["name"], why)


def _complete(resource: Resource, obj: Obj, quota: Obj, hard: dict[str, str]) -> None:
    """Of what is limited, each container says how much it wants."""
    if resource != PODS:
        return
    limited = sorted(key for key in hard if key in PLAIN or key.startswith(("requests.", "limits.")))
    for container in obj["spec"]["containers"]:
        has = {f"{group}.{key}" for group in ("requests", "limits") for key in container["resources"].get(group, {})}
        missing = [key for key in limited if PLAIN.get(key, key) not in has and "/" not in key]
        if missing:
            told = f"must specify {','.join(missing)} for: {container['name']}"
            raise forbidden(PODS, obj["metadata"]["name"], f"failed quota: {quota['metadata']['name']}: {told}")


def _text(value: Fraction, like: str) -> str:
    return quantities.written(value, like)


@dataclass
class QuotaController:
    """Keeps the status of quotas true."""

    store: Store

    def tasks(self, change: Change) -> Iterable[Task]:
        if change.resource not in (QUOTAS, *COUNTED):
            return []
        namespace = change.obj["metadata"]["namespace"]
        return [(QUOTAS, namespace, one["metadata"]["name"]) for one in self.store.all(QUOTAS, namespace)]

    def sync(self, task: Task) -> float | None:
        quota = self.store.get(*task)
        if quota is not None:
            hard = quota["spec"].get("hard", {})
            now = {key: _text(value, hard[key]) for key, value in used(self.store, quota).items()}
            self.store.replace(QUOTAS, {**quota, "status": {"hard": hard, "used": now}})
        return None
