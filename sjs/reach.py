"""From an entry of the config to a target: by which transport, and what is asked of it there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sjs.config import Manager, cache_path
from sjs.errors import NoQueue, Refused, UsageError
from sjs.link import idle
from sjs.protocols import Ask, Target, Transport
from sjs.targets import kinds

if TYPE_CHECKING:
    from sjs.bundle import Bundle
    from sjs.core.job import Spec
    from sjs.targets.session import Door, Parcel
    from sjs.transport.ssh import SshTransport
    from sjs.transport.way import Login, Way

Notice = Callable[[str], None]


def target(manager: Manager, start: str, environ: Mapping[str, str], notice: Notice, ask: Ask | None = None) -> Target:
    """The target behind an entry. `start`: what its header line says about starting. `ask`: how to ask a person, if one
    is there."""
    from sjs.targets.daemon_client import DaemonTarget

    kind = kinds.find(manager.kind)
    if kind.build is not None:
        return kind.build(kinds.Entry(manager.name, manager.settings, environ, notice, ask))
    way = transport(manager, environ, notice, ask)
    doors = _door(manager, start), _errand_door(manager)
    snapshots = cache_path("snapshots", environ)
    fill = kind.fill or (lambda spec, settings: spec)

    def filled(spec: Spec) -> Spec:
        return fill(spec, manager.settings)

    return DaemonTarget(manager.name, way, *doors, notice, manager.hooks, snapshots, filled)


def let_start(target: Target, manager: Manager, start: str) -> None:
    """Have sessions that it opens from now on say this about starting."""
    from sjs.targets.daemon_client import DaemonTarget

    if isinstance(target, DaemonTarget):
        target.door = _door(manager, start)


def transport(manager: Manager, environ: Mapping[str, str], notice: Notice, ask: Ask | None = None) -> Transport:
    """The way to its machine."""
    if not manager.has_machine:
        raise Refused(f"{manager.name} is a {manager.kind} target: it has no machine that could be asked")
    if manager.transport == "openssh":
        from sjs.transport.openssh import OpensshTransport

        return OpensshTransport(login(manager), environ)
    if manager.transport == "ssh" and idle.is_told():
        from sjs.transport.link import LinkTransport

        return LinkTransport(login(manager), environ, notice, lambda: ssh(manager, environ, notice, ask))
    if manager.transport == "ssh":
        return ssh(manager, environ, notice, ask)
    from sjs.transport.local import LocalTransport

    return LocalTransport()


def ssh(manager: Manager, environ: Mapping[str, str], notice: Notice, ask: Ask | None = None) -> SshTransport:
    """The way by our own ssh."""
    from sjs.transport.ssh import SshTransport

    return SshTransport(login(manager), environ, notice, ask)


def way(manager: Manager, environ: Mapping[str, str]) -> Way:
    """The ssh servers that one passes on the way to it."""
    from sjs.transport.ssh_config import find_way

    return find_way(login(manager), environ)


def login(manager: Manager) -> Login:
    """What the entry says about logging in."""
    from sjs.transport.way import Login

    return Login(
        manager.name,
        manager.host,
        port=manager.port,
        user=manager.user,
        password=manager.password,
        identity_file=manager.identity_file,
        identities_only=manager.identities_only,
        proxy_jump=manager.proxy_jump,
        connect_timeout=manager.connect_timeout,
        accept_new=manager.accept_new,
    )


def local_ask() -> list[str]:
    """The program that opens sessions with a manager of this machine: run by path, without any installed package."""
    return [*here("daemon"), "ask"]


def here(part: str) -> list[str]:
    """A part of the machine side as a program of this machine."""
    import sjs

    return [sys.executable, "-I", "-S", os.path.join(os.path.dirname(os.path.abspath(sjs.__file__)), part)]


def _door(manager: Manager, start: str) -> Door:
    """By which program its manager is spoken to."""
    from sjs.targets.session import Door

    where = manager.project_root, manager.pipe, manager.state_dir
    kind = _kind(manager)
    if manager.transport != "local":
        return Door(_shipped().ask(manager.python), *where, start, _parcel(manager), kind)
    if start != "-":
        _make_ready(manager, start)
    elif manager.builtin and not os.path.isdir(manager.project_root):
        raise NoQueue(f"no manager at {manager.project_root}, and there never was one", f"submit {manager.name} start")
    return Door(local_ask(), *where, start, kind=kind)


def _errand_door(manager: Manager) -> Door:
    """By which program the machine itself is asked, and not the manager on it."""
    from sjs.targets.session import Door

    where = manager.project_root, manager.pipe, manager.state_dir
    if manager.transport != "local":
        return Door(_shipped().errand(manager.python), *where, parcel=_parcel(manager), kind=_kind(manager))
    return Door(here("errand"), *where, kind=_kind(manager))


def _kind(manager: Manager) -> str:
    return "" if manager.kind == kinds.MANAGER else manager.kind


def _shipped() -> Bundle:
    from sjs import bundle

    return bundle.ours()


def _parcel(manager: Manager) -> Parcel | None:
    """What is put there when it is missing, unless it is not to be."""
    return _shipped().parcel(manager.python) if manager.deploy == "auto" else None


def _make_ready(manager: Manager, start: str) -> None:
    """See to it that a manager on this machine has a folder to be started in; `restart` makes it by itself."""
    if manager.builtin:
        os.makedirs(manager.project_root, mode=0o700, exist_ok=True)
    elif not (start.startswith("restart") or os.path.isdir(manager.project_root)):
        raise UsageError(f"project_root {manager.project_root} is no folder", f"mkdir -p {manager.project_root}")
