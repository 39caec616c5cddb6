"""config.yaml: text in, checked values out; what is wrong is named with its file and line.

Layers, each able to replace whole entries of those before it:

    /etc/sjs/config.yaml < $XDG_CONFIG_HOME/sjs/config.yaml < ./config.yaml, or the file given with --config

An entry is replaced as a whole, never mended key by key: a config.yaml that lies in some folder could otherwise send
the password of an entry of mine to a host of its own.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sjs.core.names import Known, expand
from sjs.core.quantities import duration
from sjs.errors import ConfigError, UsageError
from sjs.groups import Group, read_groups
from sjs.nodes import Checks, compose, text_of
from sjs.targets import kinds
from sjs.targets.kinds import MANAGER, Kind
from sjs.values import dataclass, field, replace

if TYPE_CHECKING:
    from yaml import Node

RESERVED = ("any", "all", "*")
LOCAL = "local"
DEFAULT_PIPE = "jobs.pipe"
TRANSPORTS = ("local", "ssh", "openssh")
DEPLOY = ("auto", "never")
MAX_BYTES = 4 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WORD = re.compile(r"(?!-)[A-Za-z0-9._:-]+")
_PROGRAM = re.compile(r"(~/|/)?(?!-)[A-Za-z0-9._/+-]+")
_JUMPS = re.compile(r"none|(?!-)[A-Za-z0-9._:@,/\[\]-]+")
_SSH_ONLY = (
    *("host", "port", "user", "password", "identity_file", "identities_only", "proxy_jump"),
    *("connect_timeout", "accept_new", "python", "deploy"),
)


@dataclass(frozen=True)
class Manager:
    """One entry under `managers:`. `builtin`: the one that nobody has to write down; `settings`: what only its kind
    knows; `cost`: of an hour of a job there."""

    name: str
    transport: str
    project_root: str
    pipe: str = DEFAULT_PIPE
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    identity_file: str = ""
    identities_only: bool | None = None
    proxy_jump: str = ""
    connect_timeout: int | None = None
    accept_new: bool = False
    python: str = "python3"
    deploy: str = "auto"
    default_max_jobs: int | None = None
    state_dir: str = ""
    datadir: str = ""
    on_start: str = ""
    on_finish: str = ""
    builtin: bool = False
    kind: str = MANAGER
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    cost: float = 0.0

    @property
    def has_machine(self) -> bool:
        """Whether it is one machine that can be reached, with a queue of ours on it."""
        return bool(self.transport)

    @property
    def hooks(self) -> Mapping[str, str]:
        """What is to be run for its jobs, as far as it is said here."""
        said = {"on_start": self.on_start, "on_finish": self.on_finish}
        return {event: command for event, command in said.items() if command}


@dataclass(frozen=True)
class Deployment:
    """What `deployment:` says."""

    project_url: str = ""
    datasets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """What a file says of something that is read by who needs it: nodes that know their lines, and the file.
    `is_named`: somebody has said that this file counts; `is_private`: nobody else can read it."""

    place: Place
    node: Node
    is_named: bool = True
    is_private: bool = True


@dataclass(frozen=True)
class Config:
    """Everything that is configured. `managers` are those written down, in their order; `local` is always there."""

    managers: Sequence[Manager]
    local: Manager
    deployment: Deployment = Deployment()
    sources: Sequence[str] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    link_idle: float | None = None
    gateway: Section | None = None

    @property
    def everyone(self) -> Sequence[Manager]:
        """Whom `all` and `any` mean."""
        return self.managers or (self.local,)

    def find(self, name: str) -> Manager | None:
        """The entry of this name."""
        return next((one for one in (*self.managers, self.local) if one.name == name), None)

    @property
    def names(self) -> Sequence[str]:
        """All names that may be used, `local` among them."""
        return list(dict.fromkeys(one.name for one in (*self.managers, self.local)))

    @property
    def known(self) -> Known:
        """What words for sets of targets are made of."""
        groups = {name: group.meaning for name, group in self.groups.items()}
        return Known(self.names, [one.name for one in self.everyone], groups)


@dataclass(frozen=True)
class Layer:
    """What one file says."""

    managers: Mapping[str, Manager]
    deployment: Deployment | None
    groups: Mapping[str, Group]
    link_idle: float | None = None
    gateway: Section | None = None


def load(given: str | None, environ: Mapping[str, str]) -> Config:
    """The layers that there are, put together. `given`: the file of --config."""
    top = given if given is not None else "config.yaml"
    paths = ["/etc/sjs/config.yaml", config_path("config.yaml", environ), top]
    managers: dict[str, Manager] = {}
    deployment = Deployment()
    groups: dict[str, Group] = {}
    link_idle: float | None = None
    gateway: Section | None = None
    sources = []
    for path in dict.fromkeys(paths):
        layer = read(path, environ, wanted=path == given)
        if layer is not None:
            if path == top != given:
                _check_hooks(path, layer)
            managers.update(layer.managers)
            deployment = layer.deployment or deployment
            groups.update(layer.groups)
            link_idle = link_idle if layer.link_idle is None else layer.link_idle
            if layer.gateway is not None:
                gateway = replace(layer.gateway, is_named=path != top or path == given)
            sources.append(path)
    config = Config(tuple(managers.values()), builtin(environ), deployment, tuple(sources), groups, link_idle, gateway)
    _check_groups(config)
    return config


def from_mapping(given: Mapping[str, Any], environ: Mapping[str, str]) -> Config:
    """What a program says instead of a file, with the same keys; no file counts beside it."""
    import yaml

    try:
        text = yaml.safe_dump(dict(given), allow_unicode=True).encode()
    except yaml.YAMLError as error:
        raise ConfigError(f"the config holds something that is no plain value: {error}") from None
    layer = parse(text, "config", environ)
    config = Config(
        tuple(layer.managers.values()),
        builtin(environ),
        layer.deployment or Deployment(),
        groups=layer.groups,
        gateway=layer.gateway,
    )
    _check_groups(config)
    return config


def _check_hooks(path: str, layer: Layer) -> None:
    """Refuse commands from a file that only happens to lie where we are: it may have come with somebody's project."""
    for one in layer.managers.values():
        for event in one.hooks:
            option = f"--{event.replace('_', '-')}"
            raise ConfigError(
                f"{path}: managers.{one.name}.{event}: runs commands, and this file was not named",
                f"keep the entry in ~/.config/sjs/config.yaml, or say it: submit {one.name} configure {option} CMD",
            )


def _check_groups(config: Config) -> None:
    """Refuse groups that mean nobody, or themselves. A group may name what another file has."""
    for name, group in config.groups.items():
        try:
            for word in filter(None, (f"@{name}", group.overflow)):
                expand(word, config.known)
        except UsageError as error:
            raise ConfigError(f"{group.place}: groups.{name}: {error.message}", error.hint) from None


def builtin(environ: Mapping[str, str]) -> Manager:
    """The target that needs no config: this user's own queue on this machine."""
    return Manager(LOCAL, "local", state_path("local", environ), builtin=True)


def config_path(name: str, environ: Mapping[str, str]) -> str:
    """Where something is on this machine that this user has said."""
    home = _absolute(environ.get("XDG_CONFIG_HOME")) or os.path.join(_home(environ), ".config")
    return os.path.join(home, "sjs", name)


def state_path(name: str, environ: Mapping[str, str]) -> str:
    """Where something of this user's is kept on this machine."""
    home = _absolute(environ.get("XDG_STATE_HOME")) or os.path.join(_home(environ), ".local", "state")
    return os.path.join(home, "sjs", name)


def cache_path(name: str, environ: Mapping[str, str]) -> str:
    """Where something of this user's is on this machine that can be made again."""
    home = _absolute(environ.get("XDG_CACHE_HOME")) or os.path.join(_home(environ), ".cache")
    return os.path.join(home, "sjs", name)


def read(path: str, environ: Mapping[str, str], wanted: bool) -> Layer | None:
    """A file's values, if nobody but its owner and root can write it; None when it is not there and need not be."""
    try:
        with open(path, "rb") as source:
            found = os.fstat(source.fileno())
            text = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if not wanted:
            return None
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    _check_owner(path, found)
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no config is")
    layer = parse(text, path, environ)
    if not found.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return layer
    if any(map(_has_secret, layer.managers.values())):
        raise ConfigError(f"{path}: holds a password and others can read it", f"chmod go-r {path}")
    return replace(layer, gateway=replace(layer.gateway, is_private=False)) if layer.gateway else layer


def _has_secret(manager: Manager) -> bool:
    return bool(manager.password) or not manager.settings.keys().isdisjoint(kinds.find(manager.kind).secret)


def _check_owner(path: str, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{path}: belongs to another user (uid {found.st_uid}), who could change what it does")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path}: others can write it, and so could run commands as you", f"chmod go-w {path}")


def parse(text: bytes, path: str, environ: Mapping[str, str]) -> Layer:
    """The checked values of one file."""
    document = compose(text, path)
    if document is None:
        return Layer({}, None, {})
    here = Place(path, environ)
    top = here.pairs(document, "", ("managers", "deployment", "groups", "link_idle", "gateway"))
    managers = here.managers(top["managers"]) if "managers" in top else {}
    groups = read_groups(here, top["groups"]) if "groups" in top else {}
    deployment = here.deployment(top["deployment"]) if "deployment" in top else None
    link_idle = here.seconds(top["link_idle"]) if "link_idle" in top else None
    gateway = Section(here, top["gateway"]) if "gateway" in top else None
    return Layer(managers, deployment, groups, link_idle, gateway)


@dataclass(frozen=True)
class Place(Checks):
    """The file that is being checked, and the environment in which its paths mean something."""

    environ: Mapping[str, str]

    def managers(self, node: Node) -> dict[str, Manager]:
        """The entries under `managers:`."""
        found = self.pairs(node, "managers.", ())
        keys = {text_of(key): key for key, _ in self.mapping(node, "managers.")}
        return {name: self.manager(name, keys[name], entry) for name, entry in found.items()}

    def manager(self, name: str, key: Node, node: Node) -> Manager:
        """One entry."""
        where = f"managers.{name}."
        if name in RESERVED:
            raise self.error(key, f"managers.{name}: this name means a choice of managers", "take another one")
        if not _NAME.fullmatch(name):
            raise self.error(key, f"managers.{name}: a name is made of letters, digits, '.', '_' and '-'")
        kind = self._kind(node, where)
        if kind.build is not None:
            entry = self.pairs(node, where, ("type", "cost", *kind.keys))
            cost = self.amount(entry["cost"], f"{where}cost") if "cost" in entry else 0.0
            return Manager(name, "", "", kind=kind.name, settings=self._settings(kind, entry, where), cost=cost)
        entry = self.pairs(node, where, ("type", *_CHECKS, *kind.keys))
        values = {key: _CHECKS[key](self, value, where + key) for key, value in entry.items() if key in _CHECKS}
        if "root" in values:
            if "project_root" in values:
                raise self.error(entry["root"], f"{where}root: is the same as project_root, which is there as well")
            values["project_root"] = values.pop("root")
        values.setdefault("transport", "ssh" if "host" in values else "")
        self._check_whole(where, key, entry, values)
        if values["transport"] == "local":
            for word in ("project_root", "state_dir"):
                if word in values:
                    values[word] = self._resolved(values[word])
        return Manager(name=name, **values, kind=kind.name, settings=self._settings(kind, entry, where))

    def _kind(self, node: Node, where: str) -> Kind:
        """What it is an entry of."""
        said = next((value for key, value in self.mapping(node, where) if text_of(key) == "type"), None)
        if said is None:
            return kinds.find(MANAGER)
        try:
            return kinds.find(self.text(said, f"{where}type"))
        except UsageError as error:
            raise self.error(said, f"{where}type: {text_of(said)} is {error.message}", error.hint) from None

    def _settings(self, kind: Kind, entry: Mapping[str, Node], where: str) -> Mapping[str, Any]:
        """What only its kind knows."""
        return {key: kind.keys[key](self, value, where + key) for key, value in entry.items() if key in kind.keys}

    def _check_whole(self, where: str, key: Node, entry: Mapping[str, Node], values: Mapping[str, Any]) -> None:
        """What no key can say alone."""
        if not values["transport"]:
            raise self.error(key, f"{where.rstrip('.')}: has no host", "'transport: local' means this machine")
        if "project_root" not in values:
            raise self.error(key, f"{where.rstrip('.')}: has no project_root, the folder of its pipe")
        if values["transport"] != "local" and "host" not in values:
            raise self.error(key, f"{where.rstrip('.')}: has no host to reach by {values['transport']}")
        for word in _SSH_ONLY:
            if values["transport"] == "local" and word in values:
                raise self.error(entry[word], f"{where}{word}: has no meaning with transport: local")
        if values["transport"] == "openssh" and "password" in values:
            raise self.error(
                entry["password"], f"{where}password: ssh takes none from us", "use a key, or transport: ssh"
            )

    def deployment(self, node: Node) -> Deployment:
        """The entry `deployment:`."""
        entry = self.pairs(node, "deployment.", ("project_url", "datasets"))
        datasets: dict[str, str] = {}
        if "datasets" in entry:
            for name, value in self.pairs(entry["datasets"], "deployment.datasets.", ()).items():
                datasets[name] = self._resolved(self.text(value, f"deployment.datasets.{name}"))
        url = self.text(entry["project_url"], "deployment.project_url") if "project_url" in entry else ""
        return Deployment(url, datasets)

    def seconds(self, node: Node) -> float:
        """How long the link stays; 0 is never."""
        try:
            return 0.0 if text_of(node) == "0" else duration(text_of(node))
        except ValueError as error:
            raise self.error(node, f"link_idle: {error}") from None

    def pipe(self, node: Node, where: str) -> str:
        """The name of the pipe in the project folder."""
        value = self.text(node, where)
        if "/" in value or value in (".", "..", ".sjs"):
            raise self.error(node, f"{where}: must be a plain file name, not {value}")
        return value

    def path_of(self, node: Node, where: str) -> str:
        return self._resolved(self.text(node, where))

    def _resolved(self, path: str) -> str:
        """A path on this machine: ~ is mine, and a relative one starts where the file lies."""
        if path == "~" or path.startswith("~/"):
            return _home(self.environ) + path[1:]
        return os.path.abspath(os.path.join(os.path.dirname(self.path), path))


_CHECKS: Mapping[str, Callable[[Place, Node, str], Any]] = {
    "transport": lambda place, node, where: place.choice(node, where, TRANSPORTS),
    "host": lambda place, node, where: place.word(node, where, _WORD),
    "port": lambda place, node, where: place.whole(node, where, 1, 65_535),
    "user": lambda place, node, where: place.word(node, where, _WORD),
    "password": Place.text,
    "identity_file": Place.text,
    "identities_only": Place.flag,
    "proxy_jump": lambda place, node, where: place.word(node, where, _JUMPS),
    "connect_timeout": lambda place, node, where: place.whole(node, where, 1, 3600),
    "accept_new": Place.flag,
    "python": lambda place, node, where: place.word(node, where, _PROGRAM),
    "deploy": lambda place, node, where: place.choice(node, where, DEPLOY),
    "project_root": Place.text,
    "root": Place.text,
    "pipe": Place.pipe,
    "default_max_jobs": lambda place, node, where: place.whole(node, where, 0, 1_000_000),
    "state_dir": Place.text,
    "datadir": Place.text,
    "on_start": Place.text,
    "on_finish": Place.text,
    "cost": Place.amount,
}


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")


def _absolute(path: str | None) -> str:
    """A folder that XDG names; the standard says that a relative one counts for nothing."""
    return path if path and os.path.isabs(path) else ""
