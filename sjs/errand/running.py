"""A command that is run now, whatever is queued, while somebody looks on."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from typing import IO, Any, Dict, List, Mapping

from sjs.daemon.ground.places import Places
from sjs.errand.client import PIECE, Client, Errand, Gone, Reply, Request, texts
from sjs.errors import Refused

FAREWELL = 5.0
"""Seconds that a command has to end itself when nobody looks on any more."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"run": run}


def run(request: Request, client: Client, where: Places) -> Reply:
    """Run `argv` in the project folder; what it prints comes in pieces, how it ended is the reply."""
    status = follow(texts(request, "argv"), where.root, request, client)
    return {"exit": status} if status >= 0 else {"signal": -status}


def follow(argv: List[str], cwd: str, request: Request, client: Client) -> int:
    """Run something while the client looks on; its exit status, or less than 0: the signal that ended it."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(f"cannot run {argv[0]} in {cwd}: {error.strerror}") from None
    try:
        _copy(process, {"id": request.get("id")}, client)
        return process.wait()
    except Gone:
        _end(process)
        raise


def _copy(process: subprocess.Popen[bytes], number: Mapping[str, Any], client: Client) -> None:
    """Until both outputs have ended, or the client has gone."""
    streams: Dict[IO[bytes], str] = {}
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            if pipe is not None:
                streams[pipe] = name
                selector.register(pipe, selectors.EVENT_READ, name)
        selector.register(client.fd, selectors.EVENT_READ)
        while streams:
            for key, _ in selector.select():
                if key.data is None:
                    client.look()
                    continue
                data = os.read(key.fd, PIECE)
                if data:
                    client.reply({**number, "stream": key.data}, data)
                else:
                    selector.unregister(key.fileobj)
                    del streams[key.fileobj]  # type: ignore[arg-type]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask what was started to end, and then do not ask."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(FAREWELL)
