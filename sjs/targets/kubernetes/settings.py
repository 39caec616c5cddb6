"""What the entry of a target says: the keys that it may have, and the values that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sjs.errors import BadRequest, ConfigError
from sjs.targets.kubernetes import native
from sjs.targets.kubernetes.flavors import Flavor, find, flavor_of, flavors_of
from sjs.targets.kubernetes.names import FLAVOR, QUEUE, is_label_value
from sjs.values import dataclass, field

if TYPE_CHECKING:
    from yaml import Node

    from sjs.nodes import Checks
    from sjs.targets.kinds import Check, Entry

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915")
"""What GPUs are called, unless the entry says so. The first is what `-G` asks for."""

MAX_PARALLELISM = 100_000

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Harbor:
    """Where descriptions of images are. The password is an entry's key of its own, as it is not for others to read."""

    url: str
    project: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    insecure: bool = False


@dataclass(frozen=True)
class QueueMap:
    """A ConfigMap where somebody keeps what all users have in the queue; with no `key`, what is in it first."""

    namespace: str
    name: str
    key: str = ""


@dataclass(frozen=True)
class Settings:
    """What there is to know of a target besides its name. `queue` tells several queues of one namespace apart;
    of `user_configmap`, one of the namespace, `ceph.gid` becomes a group of the jobs; of `parallelism`, None is all."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    in_cluster: bool = False
    queue: str = "sjs"
    image: str = ""
    image_prefix: str = ""
    flavors: tuple[Flavor, ...] = ()
    default_flavor: Flavor | None = None
    flavor_label: str = FLAVOR
    priority_class: str = ""
    annotations: Pairs = ()
    labels: Pairs = ()
    volumes: tuple[str, ...] = ()
    security_context: str = ""
    parallelism: int | None = None
    ttl: int | None = None
    gpu_resources: tuple[str, ...] = GPU_RESOURCES
    user_configmap: str = ""
    harbor: Harbor | None = None
    queue_configmap: QueueMap | None = None


def read(entry: Entry) -> Settings:
    """The entry's own keys, over those of jobman's settings, if it names them."""
    from sjs.targets.kubernetes import jobman

    said = dict(entry.settings)
    source = said.pop("settings", None)
    if source is not None:
        said = {**jobman.mapped(*jobman.load(source, entry.environ), entry.environ), **said}
    try:
        return _made(said)
    except BadRequest as error:
        raise ConfigError(f"managers.{entry.name}: {error.message}", error.hint) from None


def _made(said: dict[str, Any]) -> Settings:
    password = said.pop("harbor_password", "")
    if "harbor" in said:
        said["harbor"] = _harbor(said["harbor"], password)
    if "queue_configmap" in said:
        said["queue_configmap"] = QueueMap(
            **_words("queue_configmap", said["queue_configmap"], ("namespace", "name"), ("key",))
        )
    known = flavors_of("flavors", said.get("flavors", []))
    if isinstance(said.get("default_flavor"), str):
        said["default_flavor"] = find(said["default_flavor"], known)
    elif "default_flavor" in said:
        said["default_flavor"] = flavor_of("default_flavor", said["default_flavor"])
    checked = {key: check(key, said[key]) for key, check in _CHECKS.items() if key in said}
    return Settings(**{**said, **checked, "flavors": known})


def _harbor(said: Any, password: str) -> Harbor:
    insecure = said.get("insecure", False) if isinstance(said, dict) else False
    plain = {key: value for key, value in said.items() if key != "insecure"} if isinstance(said, dict) else said
    words = _words("harbor", plain, ("url", "project"), ("user", "ca_file"))
    if type(insecure) is not bool:
        raise BadRequest("'harbor.insecure' must be true or false")
    if not words["url"].startswith(("https://", "http://")):
        words["url"] = f"https://{words['url']}"
    return Harbor(**words, password=password, insecure=insecure)


def _words(key: str, said: Any, needed: tuple[str, ...], more: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(said, dict) or not said.keys() <= {*needed, *more}:
        raise BadRequest(f"'{key}' must be an object with {', '.join((*needed, *more))}")
    for name in needed:
        if name not in said:
            raise BadRequest(f"'{key}' has no '{name}'")
    return {name: native.text(f"{key}.{name}", value) for name, value in said.items()}


def _queue(key: str, value: str) -> str:
    if not value or not is_label_value(value):
        raise BadRequest(f"'{key}' can not be {value!r}: it is the value of the label {QUEUE}")
    return value


def _annotation(key: str, value: str) -> str:
    return native.annotation_pairs(key, {value: ""})[0][0] if value != FLAVOR else value


def _gpu_resources(key: str, value: Any) -> tuple[str, ...]:
    if not value or not isinstance(value, (list, tuple)):
        raise BadRequest(f"'{key}' must be a list of resources, as {GPU_RESOURCES[0]}")
    return tuple(native.text(key, one) for one in value)


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "queue": _queue,
    "flavor_label": _annotation,
    "annotations": native.annotation_pairs,
    "labels": native.label_pairs,
    "volumes": native.volume_texts,
    "security_context": native.context_text,
    "ttl": native.seconds,
    "gpu_resources": _gpu_resources,
}


def _plain(checks: Checks, node: Node, where: str) -> Any:
    """Whatever stands there, as plain values; what it must be is looked at when the target is made."""
    from yaml import YAMLError
    from yaml.constructor import SafeConstructor

    try:
        return SafeConstructor().construct_document(node)
    except YAMLError as error:
        raise checks.error(node, f"{where}: {' '.join(str(error).split())}") from None


def _seconds(checks: Checks, node: Node, where: str) -> int:
    from sjs.core.quantities import duration
    from sjs.nodes import text_of

    try:
        return 0 if text_of(node) == "0" else int(duration(text_of(node)))
    except ValueError as error:
        raise checks.error(node, f"{where}: {error}") from None


def _texts(checks: Checks, node: Node, where: str) -> list[str]:
    return list(checks.texts(node, where))


def _jobman(checks: Checks, node: Node, where: str) -> Any:
    """`true`: what jobman would read by itself; or a path."""
    return True if node.tag == "tag:yaml.org,2002:bool" and checks.flag(node, where) else checks.path_of(node, where)


def _text(checks: Checks, node: Node, where: str) -> str:
    return checks.text(node, where)


KEYS: Mapping[str, Check] = {
    "kubeconfig": lambda checks, node, where: checks.path_of(node, where),
    "context": _text,
    "namespace": _text,
    "in_cluster": lambda checks, node, where: checks.flag(node, where),
    "queue": _text,
    "image": _text,
    "image_prefix": _text,
    "flavors": _plain,
    "default_flavor": _plain,
    "flavor_label": _text,
    "priority_class": _text,
    "annotations": _plain,
    "labels": _plain,
    "volumes": _texts,
    "security_context": _plain,
    "parallelism": lambda checks, node, where: checks.whole(node, where, 1, MAX_PARALLELISM),
    "ttl": _seconds,
    "gpu_resources": _texts,
    "user_configmap": _text,
    "harbor": _plain,
    "harbor_password": _text,
    "queue_configmap": _plain,
    "settings": _jobman,
}
"""The keys of an entry."""

WHO = ("kubeconfig", "context", "namespace", "in_cluster", "queue", "settings")
"""Those that tell one target from another."""

SECRET = ("harbor_password",)
