"""What config.yaml says under `gateway:`, as settings. What is wrong is named with its file, line and key.

gateway:
  listen: 0.0.0.0:8765
  hosts: gate.example.org
  certificate: /etc/sjs/gate.pem
  key: /etc/sjs/gate.key
  database: {file: /etc/sjs/database.url}
  dialects:
    jobmgr: {owner: web}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sjs.config import Config, Place, Section, state_path
from sjs.core.quantities import duration, size, size_or_zero
from sjs.errors import ConfigError, UsageError
from sjs.gateway.artifacts import secrets
from sjs.gateway.artifacts.settings import SECTION as ARTIFACTS
from sjs.gateway.artifacts.settings import Secret
from sjs.gateway.artifacts.settings import parse as store_of
from sjs.gateway.identity.limits import Limits, trouble
from sjs.gateway.identity.startup import Listener
from sjs.gateway.identity.tokens import is_owner
from sjs.gateway.posting.addresses import networks
from sjs.gateway.records.retention import Keep
from sjs.gateway.settings import DIALECTS, Jobd, Settings, usual
from sjs.nodes import is_mapping, members, text_of
from sjs.routing import select
from sjs.values import dataclass, fields, replace

if TYPE_CHECKING:
    from yaml import Node

KEYS = (
    *("folder", "database", "specs", "artifacts"),
    *("listen", "certificate", "key", "hosts", "origins", "dialects"),
    *("most_body", "most_upload", "most_requests", "limits", "patience", "farewell", "heartbeat"),
    *("links", "link_keys", "keep", "jobd", "hooks_allow", "path"),
)
OF_A_DIALECT = ("listen", "certificate", "key", "owner", "beyond_loopback")

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*|\*):([0-9]{1,5})", re.ASCII)
_ORIGIN = re.compile(r"https?://[^\s/@?#]+", re.ASCII)
_PASSWORD = re.compile(r"[^:/]+://[^:/@]*:[^@]*@")
_URL = re.compile(r"\w+://.*")
_BELOW = re.compile(r"(/[A-Za-z0-9._~-]+){1,10}", re.ASCII)


def settings_of(config: Config, environ: Mapping[str, str]) -> Settings:
    """What the config says of the gateway, and what is usual beside it."""
    section = config.gateway
    if section is None:
        return usual(state_path("gateway", environ))
    if not section.is_named:
        place = f"{section.place.path}:{section.node.start_mark.line + 1}"
        hint = "keep it in ~/.config/sjs/config.yaml, or say --config"
        raise ConfigError(f"{place}: gateway: says who may ask, and this file was not named", hint)
    return _Reader(section, environ, config).settings()


def listener_of(text: str) -> Listener:
    """HOST:PORT, or the path of a Unix socket; ValueError for what is neither."""
    if text.startswith("/"):
        return Listener("", socket=text)
    match = _PLACE.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise ValueError(f"{text!r:.80} is no HOST:PORT, and no path of a socket, which begins with a /")
    return Listener(match[1].strip("[]").replace("*", ""), int(match[2]))


@dataclass(frozen=True)
class _Reader:
    section: Section
    environ: Mapping[str, str]
    config: Config

    @property
    def here(self) -> Place:
        return self.section.place

    def settings(self) -> Settings:
        said = self.here.pairs(self.section.node, "gateway.", KEYS)
        folder = self.here.path_of(said["folder"], "gateway.folder") if "folder" in said else ""
        found = usual(folder or state_path("gateway", self.environ))
        values: dict[str, Any] = {
            key: _CHECKS[key](self.here, node, f"gateway.{key}") for key, node in said.items() if key in _CHECKS
        }
        if "database" in said:
            values["database"] = self.database(said["database"])
        if "artifacts" in said:
            values["artifacts"] = self.artifacts(said["artifacts"])
        if "limits" in said:
            values["limits"] = self.limits(said["limits"])
        if "keep" in said:
            values["keep"] = self.keep(said["keep"])
        if "jobd" in said:
            values["jobd"] = self.jobd(said["jobd"])
        own = self.listeners(said, "gateway.", found.listeners)
        others = self.dialects(said["dialects"]) if "dialects" in said else []
        return replace(found, **values, listeners=[*own, *others])

    def listeners(self, said: Mapping[str, Node], where: str, usual: Any) -> list[Listener]:
        """Where it is asked: what is reached by TCP has the certificate."""
        found = [self.listener(one, where) for one in members(said["listen"])] if "listen" in said else list(usual)
        words = {key: self.here.path_of(said[key], where + key) for key in ("certificate", "key") if key in said}
        return [one if one.socket else replace(one, **words) for one in found]

    def listener(self, node: Node, where: str) -> Listener:
        text = self.here.text(node, f"{where}listen")
        if text.startswith(("~", "./")):
            return Listener("", socket=self.here.path_of(node, where))
        try:
            return listener_of(text)
        except ValueError as error:
            raise self.here.error(node, f"{where}listen: {error}") from None

    def dialects(self, node: Node) -> list[Listener]:
        """Ports for clients that can present no token."""
        found: list[Listener] = []
        for name, entry in self.here.pairs(node, "gateway.dialects.", tuple(DIALECTS)).items():
            where = f"gateway.dialects.{name}."
            said = self.here.pairs(entry, where, OF_A_DIALECT)
            owner = self.owner(said["owner"], f"{where}owner") if "owner" in said else ""
            beyond = said.get("beyond_loopback")
            is_open = beyond is not None and self.here.flag(beyond, f"{where}beyond_loopback")
            places = self.listeners(said, where, [Listener("127.0.0.1", DIALECTS[name])])
            found += [replace(one, dialect=name, owner=owner, beyond=is_open) for one in places]
        return found

    def owner(self, node: Node, where: str) -> str:
        name = self.here.text(node, where)
        if not is_owner(name):
            raise self.here.error(node, f"{where}: has 1 to 100 printable characters")
        return name

    def database(self, node: Node) -> str:
        """A URL, or where one is that nobody else is to read."""
        if is_mapping(node):
            return self.secret(node, "gateway.database")
        url = self.here.text(node, "gateway.database")
        if not _URL.fullmatch(url):
            raise self.here.error(node, "gateway.database: is no URL of a database", "as sqlite:////var/lib/sjs/g.db")
        if _PASSWORD.match(url) and not self.section.is_private:
            hint = f"chmod go-r {self.here.path}, or say where it is: {{env: NAME}} or {{file: PATH}}"
            raise self.here.error(node, "gateway.database: has a password, and others can read this file", hint)
        return url

    def secret(self, node: Node, where: str) -> str:
        said = self.here.pairs(node, f"{where}.", ("env", "file"))
        if len(said) != 1:
            raise self.here.error(node, f"{where}: is one of env and file")
        ((kind, value),) = said.items()
        path = self.here.path_of(value, f"{where}.file") if kind == "file" else ""
        name = self.here.text(value, f"{where}.env") if kind == "env" else ""
        try:
            return secrets.read(where, Secret(name, path), self.environ)
        except ConfigError as error:
            raise self.here.error(value, error.message, error.hint) from None

    def artifacts(self, node: Node) -> Mapping[str, Any]:
        """Checked here, for here the lines are known."""
        from yaml import YAMLError

        try:
            said = _plain(node)
            store_of(said, "/")
        except YAMLError:
            raise self.here.error(node, "gateway.artifacts: holds something that is no plain value") from None
        except ConfigError as error:
            key = error.message.partition(":")[0].removeprefix(ARTIFACTS).lstrip(".")
            place = _found(node, key.split("."))
            raise self.here.error(place, f"gateway.{error.message}", error.hint) from None
        found: Mapping[str, Any] = said
        return found

    def limits(self, node: Node) -> Limits:
        """What each new token may, if nothing else is said of it."""
        said = self.here.pairs(node, "gateway.limits.", tuple(fields(Limits)))
        found: dict[str, Any] = {
            key: self.here.whole(value, f"gateway.limits.{key}", 0, 1_000_000_000)
            for key, value in said.items()
            if key != "rate"
        }
        if "rate" in said:
            found["rate"] = self.here.amount(said["rate"], "gateway.limits.rate")
        limits = Limits(**found)
        wrong = trouble(limits)
        if wrong:
            raise self.here.error(said[wrong.partition(":")[0]], f"gateway.limits.{wrong}")
        return limits

    def keep(self, node: Node) -> Keep:
        """What goes in time: days, numbers and bytes, of which 0 is for ever, and all."""
        found: dict[str, Any] = {}
        for key, value in self.here.pairs(node, "gateway.keep.", tuple(fields(Keep))).items():
            where = f"gateway.keep.{key}"
            if key == "dry":
                found[key] = self.here.flag(value, where)
            elif key.endswith("days"):
                found[key] = self.here.amount(value, where)
            elif key.endswith("bytes"):
                found[key] = _bytes(self.here, value, where, size_or_zero)
            else:
                found[key] = self.here.whole(value, where, 0, 1_000_000_000)
        return Keep(**found)

    def jobd(self, node: Node) -> Jobd:
        """Where jobs of jobd's clients run, and how large what they send and leave may be."""
        found: dict[str, Any] = {}
        for key, value in self.here.pairs(node, "gateway.jobd.", tuple(fields(Jobd))).items():
            where = f"gateway.jobd.{key}"
            found[key] = _bytes(self.here, value, where) if key.startswith("most_") else self.target(value, where)
        return Jobd(**found)

    def target(self, node: Node, where: str) -> str:
        """A word for targets, which has to mean somebody."""
        word = self.here.text(node, where)
        try:
            select(self.config, word)
        except UsageError as error:
            raise self.here.error(node, f"{where}: {error.message}", error.hint) from None
        return word


def _plain(node: Node) -> Any:
    """The values of nodes, as YAML means them."""
    import yaml

    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _found(node: Node, keys: list[str]) -> Node:
    """Where it stands, or what it would stand in."""
    for key in keys:
        if not is_mapping(node):
            break
        node = next((value for name, value in node.value if text_of(name) == key), node)
    return node


def _seconds(here: Place, node: Node, where: str) -> float:
    try:
        return duration(text_of(node))
    except ValueError as error:
        raise here.error(node, f"{where}: {error}") from None


def _bytes(here: Place, node: Node, where: str, read: Callable[[str], int] = size) -> int:
    try:
        return read(text_of(node))
    except ValueError as error:
        raise here.error(node, f"{where}: {error}") from None


def _origins(here: Place, node: Node, where: str) -> tuple[str, ...]:
    for one in members(node):
        if not _ORIGIN.fullmatch(here.text(one, where)):
            raise here.error(one, f"{where}: {text_of(one)!r:.80} is no origin", "as https://gate.example.org")
    return here.texts(node, where)


def _networks(here: Place, node: Node, where: str) -> tuple[str, ...]:
    for one in members(node):
        try:
            networks([here.text(one, where)])
        except ValueError as error:
            raise here.error(one, f"{where}: {error}", "a network is as 10.1.0.0/16 or fd00::/8") from None
    return here.texts(node, where)


def _path(here: Place, node: Node, where: str) -> str:
    text = here.text(node, where).rstrip("/")
    if text and not _BELOW.fullmatch(text):
        raise here.error(node, f"{where}: is no path, as /sjs")
    return text


_CHECKS: Mapping[str, Callable[[Place, Node, str], Any]] = {
    "specs": Place.path_of,
    "link_keys": Place.path_of,
    "hosts": Place.texts,
    "origins": _origins,
    "most_body": _bytes,
    "most_upload": _bytes,
    "most_requests": lambda here, node, where: here.whole(node, where, 1, 1_000_000),
    "patience": _seconds,
    "farewell": _seconds,
    "heartbeat": _seconds,
    "hooks_allow": _networks,
    "links": lambda here, node, where: int(_seconds(here, node, where)),
    "path": _path,
}
"""Keys whose values stand for themselves; each is in `KEYS`, too, and in config.yaml.example."""
