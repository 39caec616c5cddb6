"""The resources that are served, and how a path names one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Resource:
    """One kind of object, as it stands in paths and messages. There is one of each."""

    group: str
    plural: str
    kind: str
    version: str = "v1"
    namespaced: bool = True
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


NAMESPACES = Resource("", "namespaces", "Namespace", namespaced=False, subresources=("status",))
NODES = Resource("", "nodes", "Node", namespaced=False, subresources=("status",))
PODS = Resource("", "pods", "Pod", subresources=("status", "log"))
CONFIGMAPS = Resource("", "configmaps", "ConfigMap")
SECRETS = Resource("", "secrets", "Secret")
EVENTS = Resource("", "events", "Event")
QUOTAS = Resource("", "resourcequotas", "ResourceQuota", subresources=("status",))
CLAIMS = Resource("", "persistentvolumeclaims", "PersistentVolumeClaim", subresources=("status",))
JOBS = Resource("batch", "jobs", "Job", subresources=("status",))
CRONJOBS = Resource("batch", "cronjobs", "CronJob", subresources=("status",))
PRIORITIES = Resource("scheduling.k8s.io", "priorityclasses", "PriorityClass", namespaced=False)
REVIEWS = Resource("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False)

RESOURCES = (
    NAMESPACES,
    NODES,
    PODS,
    CONFIGMAPS,
    SECRETS,
    EVENTS,
    QUOTAS,
    CLAIMS,
    JOBS,
    CRONJOBS,
    PRIORITIES,
    REVIEWS,
)
GROUPS = tuple(dict.fromkeys(resource.group for resource in RESOURCES if resource.group))


def named(group: str, plural: str) -> Resource | None:
    """The resource of this name in this group."""
    found = (one for one in RESOURCES if (one.group, one.plural) == (group, plural))
    return next(found, None)


def by_kind(kind: str) -> Resource | None:
    return next((one for one in RESOURCES if one.kind == kind), None)
