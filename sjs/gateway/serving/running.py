"""`sjs gateway`, from its settings to its end: sockets first, then the records, then whoever asks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from sjs import __version__
from sjs.config import Config
from sjs.errors import UsageError
from sjs.gateway.access import usable_tokens
from sjs.gateway.desk import Desk, opened
from sjs.gateway.engine.telling import LOG
from sjs.gateway.identity.guard import Guard, Scope
from sjs.gateway.identity.startup import Listener, Start, usual_hosts, warnings
from sjs.gateway.serving import log, manager, sockets
from sjs.gateway.serving.servers import Servers
from sjs.gateway.serving.tls import Tls
from sjs.gateway.settings import Settings
from sjs.gateway.web.app import PUBLIC, guarded, native, of_dialect
from sjs.gateway.web.health import Numbers
from sjs.values import dataclass, replace

ENDS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Place:
    """Where it is asked: the sockets that one listener has."""

    listener: Listener
    sockets: Sequence[socket.socket]
    tls: Tls | None


def with_inherited(settings: Settings, given: Sequence[tuple[str, socket.socket]]) -> Settings:
    """What systemd listens at for us, instead of what the settings say: under a dialect's name its port, else the
    gateway's own."""
    found = list(settings.listeners)
    names = {one.dialect for one in found if one.dialect}
    for dialect in {name if name in names else "" for name, _ in given}:
        usual = next((one for one in found if one.dialect == dialect), Listener())
        found = [one for one in found if one.dialect != dialect]
        found += [sockets.seen(usual, at) for name, at in given if (name if name in names else "") == dialect]
    return replace(settings, listeners=found)


def start_of(settings: Settings, as_root: bool) -> Start:
    """What it would start with."""
    usable = usable_tokens(settings.database, time.time())
    return Start(settings.listeners, usable, os.geteuid(), as_root, settings.hosts)


def serve(
    settings: Settings,
    config: Config,
    environ: Mapping[str, str],
    start: Start,
    given: Sequence[tuple[str, socket.socket]] = (),
) -> None:
    """Until it is told to end."""
    with ExitStack() as stack:
        places = [_place(one, given, stack) for one in settings.listeners]
        lines = log.Lines(2, manager.reads_levels(environ))
        stack.callback(lines.close)
        log.install(lines)
        for text in warnings(start):
            LOG.warning("%s", text)
        desk = stack.enter_context(opened(settings, config, environ))
        apps = _apps(desk, places, usual_hosts(start), environ, lines)
        asyncio.run(_serve(desk, places, apps, environ))


def _place(listener: Listener, given: Sequence[tuple[str, socket.socket]], stack: ExitStack) -> Place:
    tls = Tls(listener) if listener.certificate else None
    there = [at for _, at in given if sockets.seen(listener, at) == listener]
    return Place(listener, there or stack.enter_context(sockets.listening(listener)), tls)


def _apps(
    desk: Desk, places: Sequence[Place], hosts: Sequence[str], environ: Mapping[str, str], lines: log.Lines
) -> list[Guard]:
    """What answers at each of them."""
    numbers, requests = Numbers(desk), log.Requests(lines)

    def done(scope: Scope, status: int, seconds: float) -> None:
        numbers.done(scope, status, seconds)
        if status >= 400 or scope["path"] not in PUBLIC:  # who asks every few seconds whether it is well
            requests.done(scope, status, seconds)

    main = guarded(desk, native(desk, environ, numbers), hosts, done, environ)
    found = [
        of_dialect(desk, one.listener.dialect, one.listener.owner, hosts, environ, done)
        if one.listener.dialect
        else main
        for one in places
    ]
    numbers.guards = list(dict.fromkeys(found))
    return found


async def _serve(desk: Desk, places: Sequence[Place], apps: Sequence[Guard], environ: Mapping[str, str]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _read_certificates, [one.tls for one in places if one.tls])
    desk.hub.open()
    servers = Servers(desk.settings.patience)
    for place, app in zip(places, apps, strict=True):
        for at in place.sockets:
            await servers.listen(app, at, place.tls.context if place.tls else None)
            LOG.info("%s listens at %s", place.listener.name, address(place, at))
    LOG.info("sjs %s is ready, as process %d", __version__, os.getpid())
    manager.tell("READY=1", environ)
    lost = asyncio.wrap_future(desk.lost)
    await asyncio.wait((lost, asyncio.ensure_future(stop.wait())), return_when=asyncio.FIRST_COMPLETED)
    for number in ENDS:  # whoever insists has it end at once
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    manager.tell("STOPPING=1", environ)
    LOG.info("it ends: nobody new is let in, and who is here has %g seconds", desk.settings.farewell)
    desk.hub.close()
    cut = await servers.close(desk.settings.farewell)
    if cut:
        LOG.warning("%d connections were cut off", cut)
    LOG.info("it has ended")
    if lost.done():
        lost.result()  # says why


def _read_certificates(found: Sequence[Tls]) -> None:
    for one in found:
        try:
            one.read()
        except UsageError as error:
            LOG.error("%s; what was read before stays", error)
    LOG.info("certificates were read again")


def address(place: Place, at: socket.socket) -> str:
    """What one types to get there."""
    if at.family == socket.AF_UNIX:
        return place.listener.socket
    host, port = at.getsockname()[:2]
    return f"{'https' if place.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
