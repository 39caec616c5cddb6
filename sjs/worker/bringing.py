"""What a worker is brought with, when it is a job on some machine: its order, its token, and its own code."""

from __future__ import annotations

import os
from typing import Dict, Mapping, Tuple

from sjs.errors import Refused, SjsError, UsageError
from sjs.values import replace
from sjs.worker.notices import notice
from sjs.worker.order import Order, from_json, to_json

ORDER, TOKEN, AUTHORITIES = "order", "token", "authorities"

FAILED, USAGE, UNREACHABLE = 1, 2, 255


def files(order: Order, token: str) -> Dict[str, bytes]:
    """What lies beside the code."""
    found = {ORDER: to_json(replace(order, authorities="")), TOKEN: token.encode("ascii")}
    if order.authorities:
        with open(order.authorities, "rb") as source:
            found[AUTHORITIES] = source.read()
    return found


def read(folder: str) -> Tuple[Order, str]:
    """The same, there: the order and the token, of which this was the last copy in a job's own folder."""
    with open(os.path.join(folder, ORDER), "rb") as source:
        order = from_json(source.read())
    path = os.path.join(folder, TOKEN)
    try:
        with open(path, encoding="ascii") as secret:
            token = secret.read()
    except FileNotFoundError:
        raise UsageError("the token was read before", "hand in a new job") from None
    os.unlink(path)
    authorities = os.path.join(folder, AUTHORITIES)
    return replace(order, authorities=authorities if os.path.exists(authorities) else ""), token


def main(folder: str, environ: Mapping[str, str]) -> int:
    """Work; the exit status."""
    os.umask(0o077)
    try:
        order, token = read(folder)
        if order.cwd:
            os.chdir(os.path.join(os.path.dirname(environ.get("SJS_MANAGER", "")), order.cwd))
        if not order.name:
            order = replace(order, name=name_of(environ))
        from sjs.worker.working import work

        return work(order, token)
    except SjsError as error:
        notice(str(error))
        return FAILED if isinstance(error, Refused) else USAGE if isinstance(error, UsageError) else UNREACHABLE
    except OSError as error:
        notice(f"{error.filename or folder}: {error.strerror}")
        return FAILED


def name_of(environ: Mapping[str, str]) -> str:
    """What a worker is called if nobody has said so: the machine, and the job or process that it is."""
    return f"{os.uname().nodename}:{environ.get('SJS_JOB_ID') or os.getpid()}"
