"""What a cluster can be asked besides the queue that is ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sjs.answers import Flavor, Image, Occupancy
from sjs.core.job import Spec
from sjs.errors import BadRequest, Refused
from sjs.protocols import Envs
from sjs.targets.kubernetes import manifest, occupancy
from sjs.targets.kubernetes.api import Api
from sjs.targets.kubernetes.harbor import Images
from sjs.targets.kubernetes.posting import user_groups
from sjs.targets.kubernetes.settings import QueueMap, Settings
from sjs.targets.kubernetes.trouble import Rejected

ALL_JOBS = "/apis/batch/v1/jobs"


class KubernetesCluster:
    """The cluster behind a target."""

    def __init__(self, name: str, api: Api, settings: Settings) -> None:
        self._name, self._api, self._settings = name, api, settings

    def queue(self) -> Occupancy:
        where = self._settings.queue_configmap
        if where is None:
            return self._listed()
        try:
            active, updated = occupancy.of_map(self._written(where))
        except (Rejected, BadRequest) as error:
            notice = (
                f"ConfigMap {where.namespace}/{where.name} tells nothing, so the Jobs themselves are counted: {error}"
            )
            return self._listed(notice)
        return Occupancy(self._rows(active), updated)

    def _written(self, where: QueueMap) -> str:
        data = self._api.get("configmaps", where.name, where.namespace).get("data") or {}
        text = data.get(where.key) if where.key else next(iter(data.values()), None)
        if text is None:
            raise BadRequest(f"it has no key '{where.key}'" if where.key else "there is nothing in it")
        return str(text)

    def _listed(self, notice: str = "") -> Occupancy:
        """All Jobs that may be looked at."""
        alone = ""
        try:
            jobs = self._all(ALL_JOBS)
        except Rejected as error:
            if error.status != 403:
                raise
            alone, jobs = self._api.namespace, self._all(self._api.path("jobs"))
        return Occupancy(self._rows(occupancy.of_jobs(jobs, self._settings.flavor_label)), "", alone, notice)

    def _all(self, path: str) -> list[Mapping[str, Any]]:
        return list(self._api.list(path).items)

    def _rows(self, active: list[occupancy.Active]) -> Any:
        return occupancy.rows(active, self._api.namespace, self._settings.gpu_resources)

    def flavors(self) -> Sequence[Flavor]:
        known, usual = self._settings.flavors, self._settings.default_flavor
        every = known if usual is None or usual in known else (usual, *known)
        return [
            Flavor(one.name, one.description, dict(one.resources.requests), dict(one.resources.limits), one == usual)
            for one in every
        ]

    def images(self) -> Sequence[Image]:
        return self._harbor().all()

    def image(self, name: str) -> Image:
        return self._harbor().one(name)

    def _harbor(self) -> Images:
        if self._settings.harbor is None:
            raise Refused("the entry names no registry with descriptions of images", "harbor: {url: …, project: …}")
        return Images(self._settings.harbor)

    def rehearse(self, specs: Sequence[Spec], envs: Envs) -> Sequence[Mapping[str, Any]]:
        chunk = manifest.Chunk(f"{uuid4().hex}/0", 0, self._name, "", user_groups(self._api, self._settings))
        found = []
        for part in manifest.parts(chunk, specs, self._settings, envs):
            for kind, one in (*(("configmaps", each) for each in part.maps), ("jobs", part.job)):
                found.append(self._api.ask("POST", self._api.path(kind), {"dryRun": "All"}, one))
        return found
