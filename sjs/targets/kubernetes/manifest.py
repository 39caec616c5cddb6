"""From a chunk of jobs to the objects that are to be in the cluster. Nothing here is sent.

Jobs of one shape that follow each other are one Indexed Job: their commands lie in ConfigMaps, which its pods mount,
and each pod becomes the command of its index. A single one is a plain Job, as anybody would write it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import Spec
from sjs.errors import BadRequest, Refused
from sjs.protocols import Envs
from sjs.targets.kubernetes import contents, demands, names, scripts
from sjs.targets.kubernetes import native as natives
from sjs.targets.kubernetes.native import Native
from sjs.targets.kubernetes.settings import Settings
from sjs.targets.kubernetes.volumes import mounted
from sjs.values import dataclass

Object = dict[str, Any]

CONTAINER = "main"
"""The name of the container in each pod."""

MAX_SPEC = 60_000
"""Bytes of a spec that are an annotation; there may be 256 KiB of all annotations, and a Job has them twice."""

MAX_JOB = 1_000_000
"""Bytes of a Job; etcd takes 1.5 MB, and the server adds some."""

_FAILURES = "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"
_MOUNT = "sjs"

_OF_CONTAINERS = frozenset(
    ("allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem")
)
"""What of a security context pods do not have."""


@dataclass(frozen=True)
class Part:
    """A Job, the ConfigMaps that belong to it, and which of the chunk's jobs it is."""

    job: Object
    maps: tuple[Object, ...]
    start: int
    count: int


@dataclass(frozen=True)
class Chunk:
    """What is handed in together: the first id, and the words that go with it. `groups`: of the user, besides those of
    the security context."""

    key: str
    first: int
    target: str = ""
    via: str = ""
    groups: tuple[int, ...] = ()


def digest(specs: Iterable[Spec]) -> str:
    """Of what is handed in, by which the same key with other content is known."""
    return hashlib.sha256(to_json([spec_json.to_wire(one) for one in specs]).encode()).hexdigest()


def parts(chunk: Chunk, specs: Sequence[Spec], settings: Settings, envs: Envs) -> list[Part]:
    """All that is to be created, in this order. Refused, or BadRequest, if the cluster could not do something of it."""
    of_all = digest(specs)
    found: list[Part] = []
    start = 0
    try:
        for number, run in enumerate(contents.runs(specs)):
            found.append(_Draft(chunk, run, start, number, settings, envs, of_all).part())
            start += len(run)
    except UnicodeEncodeError:
        raise BadRequest("a command or a variable is not UTF-8, and Kubernetes takes no other text") from None
    return found


class _Draft:
    """One Job in the making."""

    def __init__(
        self,
        chunk: Chunk,
        specs: Sequence[Spec],
        start: int,
        number: int,
        settings: Settings,
        envs: Envs,
        of_all: str,
    ) -> None:
        demands.check(specs[0])
        self._of_all = of_all
        self._chunk, self._specs, self._start, self._settings, self._envs = chunk, specs, start, settings, envs
        self._native: Native = natives.of(specs[0])
        self._spec = specs[0]
        self._flavor = demands.flavor(self._native, settings)
        self._shared = contents.common(specs)
        self._indexed = len(specs) > 1 or len(to_json(self._shared)) > MAX_SPEC
        self._name = _name(chunk.key, self._native, number, f"-{len(specs) - 1}" if self._indexed else "")

    def part(self) -> Part:
        if self._indexed and len(self._specs) == 1:
            self._shared = {key: said for key, said in self._shared.items() if key not in ("command", "argv", "env")}
        maps = list(self._environment())
        pod = self._pod(maps)
        if self._indexed:
            runs, specs = list(self._runs()), list(self._own_specs())
            self._mount(pod, runs)
            maps += [*runs, *specs]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": self._metadata(), "spec": self._job_spec(pod)}
        _check(job, maps)
        return Part(job, tuple(maps), self._start, len(self._specs))

    def _metadata(self) -> Object:
        ours = {
            names.KEY: self._chunk.key,
            names.COUNT: str(len(self._specs)),
            names.CHUNK_FIRST: str(self._chunk.first),
            names.SPEC: to_json(self._shared),
            names.DIGEST: self._of_all,
        }
        if self._chunk.via:
            ours[names.VIA] = self._chunk.via
        return {
            "name": self._name,
            "labels": {**self._user_labels(), **self._labels(), names.FIRST: str(self._chunk.first + self._start)},
            "annotations": {**self._user_annotations(), **ours},
        }

    def _labels(self) -> dict[str, str]:
        """By which we find all that belongs to it."""
        found = {
            names.MANAGED_BY: names.MANAGER,
            names.QUEUE: self._settings.queue,
            names.KEY: names.key_hash(self._chunk.key),
        }
        sweeps = {spec.task.sweep if spec.task else "" for spec in self._specs}
        if len(sweeps) == 1 and sweeps != {""}:
            found[names.SWEEP] = names.key_hash(sweeps.pop())
        if self._spec.env_base:
            found[names.ENV_DIGEST] = self._spec.env_base[:40]
        return found

    def _tags(self) -> dict[str, str]:
        """Those that all have, as far as the cluster can have names like theirs."""
        said = {f"{names.TAG}/{name}": value for name, value in self._shared.get("tags", {}).items()}
        return {name: value for name, value in said.items() if names.is_qualified(name)}

    def _user_labels(self) -> dict[str, str]:
        tags = {name: value for name, value in self._tags().items() if names.is_label_value(value)}
        return {**dict(self._settings.labels), **dict(self._native.labels), **tags}

    def _user_annotations(self) -> dict[str, str]:
        flavor = {self._settings.flavor_label: self._flavor.name} if self._flavor and self._flavor.name else {}
        return {**flavor, **dict(self._settings.annotations), **dict(self._native.annotations), **self._tags()}

    def _job_spec(self, pod: Object) -> Object:
        tries = self._spec.retry.count
        spec: Object = {"podReplacementPolicy": "Failed", **demands.failure_policy(self._spec, self._indexed)}
        if self._indexed:
            count = len(self._specs)
            spec |= {"completionMode": "Indexed", "completions": count, "backoffLimitPerIndex": tries}
            spec["parallelism"] = min(count, self._settings.parallelism or count)
        else:
            spec["backoffLimit"] = tries
        ttl = self._settings.ttl if self._native.ttl is None else self._native.ttl
        if ttl is not None:
            spec["ttlSecondsAfterFinished"] = ttl
        labels = {**self._user_labels(), **self._labels()}
        if self._spec.hold:
            if names.KUEUE in labels:
                raise Refused(
                    "--hold: Kueue starts and stops the Jobs of its queues", "hand in later, or stop its queue"
                )
            spec["suspend"] = True
        spec["template"] = {"metadata": {"labels": labels, "annotations": self._user_annotations()}, "spec": pod}
        return spec

    def _pod(self, envs: Sequence[Object]) -> Object:
        volumes, mounts = mounted((*self._settings.volumes, *self._native.volumes))
        container: Object = {"name": CONTAINER, "image": self._image(), **self._program(), "env": self._env()}
        if envs:
            container["envFrom"] = [{"configMapRef": {"name": one["metadata"]["name"]}} for one in envs]
        if self._spec.cwd is not None:
            container["workingDir"] = self._spec.cwd
        resources = demands.resources(self._spec, self._flavor, self._settings).to_json()
        if resources:
            container["resources"] = resources
        if mounts:
            container["volumeMounts"] = mounts
        pod: Object = {"restartPolicy": "Never", "containers": [container], **demands.deadline(self._spec)}
        if volumes:
            pod["volumes"] = volumes
        for of, context in zip((pod, container), self._security_contexts(), strict=True):
            if context:
                of["securityContext"] = context
        priority_class = self._native.priority_class or self._settings.priority_class
        if priority_class:
            pod["priorityClassName"] = priority_class
        return pod

    def _image(self) -> str:
        image = self._native.image or self._settings.image
        if not image:
            raise Refused("no image is named in which the job could run", "say --image NAME, or 'image:' in the entry")
        return self._settings.image_prefix + image

    def _program(self) -> Object:
        if self._indexed:
            return {"command": scripts.argv(self._chunk.first + self._start)}
        where = "command" if self._spec.argv is None or self._native.entrypoint else "args"
        return {where: [_literal(word) for word in self._spec.program]}

    def _env(self) -> list[Object]:
        """What the container begins with, by the way in which it is told."""
        told = _told(self._spec, self._shared, self._chunk.target)
        if self._indexed:
            said = {**told, **self._shared.get("env", {})}
            failures = {"name": scripts.FAILURES, "valueFrom": {"fieldRef": {"fieldPath": _FAILURES}}}
            return [*_pairs(said), failures]
        told["SJS_JOB_ID"] = str(self._chunk.first + self._start)
        if not self._spec.retry.count:
            told["SJS_ATTEMPT"] = "1"
        return _pairs({**told, **dict(self._spec.env)})

    def _own_env(self, spec: Spec) -> dict[str, str]:
        """What only the one of this index is told."""
        shared = self._shared.get("env")
        told = {} if "name" in self._shared or not spec.name else {"SJS_JOB_NAME": spec.name}
        if spec.task is not None and "task" not in self._shared:
            told |= {"SJS_SWEEP": spec.task.sweep, "SJS_TASK_INDEX": str(spec.task.number)}
        return {**told, **(dict(spec.env) if shared is None else {})}

    def _environment(self) -> Iterable[Object]:
        if self._spec.env_base:
            if self._spec.env_base not in self._envs:
                raise BadRequest("the environment with which the jobs are to begin did not come with them")
            yield from self._maps(names.ENV, "data", self._envs[self._spec.env_base], "the variables")

    def _runs(self) -> Iterable[Object]:
        files = scripts.files(self._specs, [self._own_env(spec) for spec in self._specs])
        return self._maps(names.RUN, "data", files, "the commands")

    def _own_specs(self) -> Iterable[Object]:
        pieces = contents.pieces(self._specs, self._shared)
        named = {f"{number:06}": piece for number, piece in enumerate(pieces)}
        return self._maps(names.SPECS, "binaryData", named, "the specs")

    def _maps(self, part: str, where: str, items: Mapping[str, str], what: str) -> Iterable[Object]:
        """As few ConfigMaps as can hold the items."""
        for number, data in enumerate(_packed(items, what)):
            name = names.map_name(self._name, part, number, self._of_all)
            labels = {**self._labels(), names.PART: part, names.LOOSE: "true"}
            metadata = {"name": name, "labels": labels}
            yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, where: data}

    def _mount(self, pod: Object, maps: Sequence[Object]) -> None:
        sources = [{"configMap": {"name": one["metadata"]["name"]}} for one in maps]
        pod.setdefault("volumes", []).append({"name": _MOUNT, "projected": {"sources": sources}})
        mounts = pod["containers"][0].setdefault("volumeMounts", [])
        mounts.append({"name": _MOUNT, "mountPath": scripts.FOLDER, "readOnly": True})

    def _security_contexts(self) -> tuple[Object, Object]:
        """That of the pod, and that of its container: of what is said, some only a container can have."""
        said = [json.loads(text) for text in (self._settings.security_context, self._native.security_context) if text]
        every: Object = {key: value for one in said for key, value in one.items()}
        context = {key: value for key, value in every.items() if key not in _OF_CONTAINERS}
        if self._chunk.groups:
            groups = [*context.get("supplementalGroups", ()), *self._chunk.groups]
            context["supplementalGroups"] = list(dict.fromkeys(groups))
        return context, {key: value for key, value in every.items() if key in _OF_CONTAINERS}


def maps_of(job: Mapping[str, Any]) -> list[str]:
    """The names of our ConfigMaps without which the pods of a Job do not begin."""
    pod = job["spec"]["template"]["spec"]
    mounted_ones = [one["projected"]["sources"] for one in pod.get("volumes") or () if one.get("name") == _MOUNT]
    named = [source["configMap"]["name"] for sources in mounted_ones for source in sources]
    envs = [one["configMapRef"]["name"] for one in pod["containers"][0].get("envFrom") or () if "configMapRef" in one]
    return [*named, *envs]


def specs_of(job: Mapping[str, Any], maps: Iterable[Mapping[str, Any]]) -> list[Spec]:
    """The specs of a Job that is in the cluster; `maps`: those of its ConfigMaps that are labelled SPECS."""
    shared = json.loads(job["metadata"]["annotations"][names.SPEC])
    named = {name: piece for one in maps for name, piece in one.get("binaryData", {}).items()}
    packed = [named[name] for name in sorted(named)]
    return contents.specs_of(shared, packed) if packed else [spec_json.from_wire(shared)]


def _told(spec: Spec, shared: Mapping[str, Any], target: str) -> dict[str, str]:
    """What all pods of a Job are told about it."""
    told = {"SJS_MANAGER": target} if target else {}
    if "name" in shared:
        told["SJS_JOB_NAME"] = spec.name
    if spec.task is not None and "task" in shared:
        told |= {"SJS_SWEEP": spec.task.sweep, "SJS_TASK_INDEX": str(spec.task.number)}
    if spec.needs.cpus:
        told["SJS_CPUS"] = told["OMP_NUM_THREADS"] = str(spec.needs.cpus)
    return told


def _pairs(said: Mapping[str, str]) -> list[Object]:
    return [{"name": name, "value": _literal(value)} for name, value in said.items()]


def _literal(text: str) -> str:
    """The text so that Kubernetes, which replaces `$(NAME)`, leaves it as it is."""
    return text.replace("$", "$$") if "$$" in text or "$(" in text else text


def _name(key: str, native: Native, number: int, last: str) -> str:
    """The Job's name. That which was given is for the first one of the first chunk; the others add what tells them
    apart, so that to ask again is to ask for the same names. `last`: what its last pod's host is called besides."""
    if not native.job_name:
        return names.object_name(key, number)
    start = key.rpartition("/")[2].partition("-")[0]
    endings = [part for part in (start, str(number)) if part.isdecimal() and part != "0"]
    name = "-".join((native.job_name, *endings))
    if not names.is_name(name + last):
        most = names.NAME_MAX - len(name + last) + len(native.job_name)
        raise BadRequest(f"'{native.job_name}' is too long for the name of these jobs", f"{most} letters are the most")
    return name


def _packed(items: Mapping[str, str], what: str) -> Iterable[dict[str, str]]:
    """The items, cut where no more fit."""
    packed: dict[str, str] = {}
    size = 0
    for name, text in items.items():
        length = len(text.encode())
        if length > scripts.MAX_BYTES:
            raise BadRequest(f"{what} of these jobs are {length} bytes, which no ConfigMap can hold", "hand in fewer")
        if size + length > scripts.MAX_BYTES:
            yield packed
            packed, size = {}, 0
        packed[name] = text
        size += length
    yield packed


def _check(job: Object, maps: Iterable[Object]) -> None:
    """Refuse what the cluster would refuse in words that nobody understands."""
    size = len(json.dumps(job, ensure_ascii=False).encode())
    for one in maps:
        json.dumps(one, ensure_ascii=False).encode()
    if size > MAX_JOB:
        raise BadRequest(
            f"a Job of {size} bytes, and a cluster takes {MAX_JOB}", "put some of it into a file of the image"
        )
