"""What a job asks of its machine, as Kubernetes is asked for it; and what of a spec Kubernetes has no words for."""

from __future__ import annotations

import math
from typing import Any

from sjs.core.job import FAIL, Retry, Spec
from sjs.core.needs import WHOLE
from sjs.errors import Refused
from sjs.targets.kubernetes.flavors import CPU, MEMORY, NOTHING, Flavor, Resources, find
from sjs.targets.kubernetes.native import Native
from sjs.targets.kubernetes.settings import Settings

WHERE = "a Kubernetes target"

_USUAL = Spec()


def check(spec: Spec) -> None:
    """Refuse what the cluster can not do, and nobody is there to do for it."""
    for is_said, option, hint in (
        (spec.after, "--after", "have the jobs wait in a queue of sjs, or of Slurm"),
        (spec.at is not None, "--at and --in", ""),
        (spec.snapshot, "--snapshot", "build an image with the files, or mount a --volume"),
        (spec.stdin is not None, "--stdin", "say it in a command: --command 'program < file'"),
        (spec.artifacts, "folder for artifacts", "have the job put its files where they are to be"),
        (spec.nice, "--nice", "say --priority-class"),
        (spec.priority, "--priority", "say --priority-class"),
        (spec.needs.slots != 1, "--slots", "say --cpus"),
        (spec.needs.gpu_mem, "--gpu-mem", "say how many GPUs: --gpus"),
        (spec.retry.delay or spec.retry.factor != 1, "--backoff", "the cluster has pauses of its own: 10s, 20s, 40s …"),
    ):
        if is_said:
            raise Refused(f"{WHERE} knows no {option}", hint)
    if spec.cwd is not None and not spec.cwd.startswith("/"):
        raise Refused(f"--cwd {spec.cwd}: on {WHERE} it is an absolute path in the container")
    if spec.needs.gpus % WHOLE:
        raise Refused(f"{WHERE} gives whole GPUs, and no part of one", "say --gpus 1, or a flavor with such a resource")


def flavor(native: Native, settings: Settings) -> Flavor | None:
    """The one that was said, or else the entry's."""
    if native.resources is not None:
        return Flavor(native.flavor, native.resources)
    return find(native.flavor, settings.flavors) if native.flavor else settings.default_flavor


def resources(spec: Spec, base: Flavor | None, settings: Settings) -> Resources:
    """What the spec's options say, over the flavor. One gets what one asks for, and no more."""
    found = NOTHING if base is None else base.resources
    asked: dict[str, str] = {}
    if spec.needs.cpus:
        asked[CPU] = str(spec.needs.cpus)
    if spec.needs.mem:
        asked[MEMORY] = str(spec.needs.mem)
    if spec.needs.gpus:
        asked[_gpu_resource(found, settings)] = str(spec.needs.gpus // WHOLE)
    for name, count in spec.needs.named:
        if "/" not in name:
            raise Refused(f"--resource {name}: a resource of Kubernetes has a domain", f"as example.org/{name}={count}")
        asked[name] = str(count)
    pairs = tuple(asked.items())
    return _limited(Resources(pairs, pairs).over(found))


def _limited(found: Resources) -> Resources:
    """With a limit for each thing of a domain, too: the cluster gives just what is asked for, and wants both said."""
    limits = {name: amount for name, amount in found.requests if "/" in name}
    return Resources(found.requests, tuple({**dict(found.limits), **limits}.items()))


def _gpu_resource(base: Resources, settings: Settings) -> str:
    """Of which kind GPUs are: that of the flavor, or else the entry's first."""
    named = {name for name, _ in base.requests + base.limits}
    return next((kind for kind in settings.gpu_resources if kind in named), settings.gpu_resources[0])


def deadline(spec: Spec) -> dict[str, int]:
    """How long a pod may run, and what time it has to end."""
    found = {}
    if spec.timeout is not None:
        found["activeDeadlineSeconds"] = max(1, math.ceil(spec.timeout))
    if spec.grace is not None:
        found["terminationGracePeriodSeconds"] = math.ceil(spec.grace)
    return found


def failure_policy(spec: Spec, indexed: bool) -> dict[str, Any]:
    """After which ends the cluster tries again. A pod that is evicted is no failure of who may be queued again."""
    rules: list[dict[str, Any]] = []
    if spec.on_lost != FAIL:
        rules.append({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]})
    codes = _codes(spec.retry)
    if codes:
        action = "FailIndex" if indexed else "FailJob"
        rules.append({"action": action, "onExitCodes": {"operator": "NotIn", "values": codes}})
    return {"podFailurePolicy": {"rules": rules}} if rules else {}


def _codes(retry: Retry) -> list[int]:
    """The exit codes after which alone it is tried again; none means any failure."""
    if not retry.count or set(retry.on) == set(_USUAL.retry.on) or "fail" in retry.on:
        return []
    said = [one.partition(":") for one in retry.on]
    if not all(kind == "exit" and code != "0" for kind, _, code in said):
        raise Refused(
            f"{WHERE} can not try again only after {','.join(retry.on)}", "say exit codes alone: --retry-on exit:75"
        )
    return sorted({int(code) for _, _, code in said})
