"""The verb workers: jobs that are workers of a gateway's stage, wherever jobs can be."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import click

from sjs.cli.commands.job import acknowledge
from sjs.cli.common import Call, verb
from sjs.cli.handing import Handing, Wish
from sjs.cli.native import Sectioned
from sjs.cli.options import job_options
from sjs.cli.shared import shared_of, shared_options
from sjs.cli.source import Source, checked_for
from sjs.cli.text import printable
from sjs.cli.worker import order_of, token_of, worker_options
from sjs.config import cache_path
from sjs.core.job import Snapshot, Spec
from sjs.dealing import folder
from sjs.errors import UsageError
from sjs.routing import Choice, Fleet
from sjs.spec_json import MAX_NAME
from sjs.worker.order import GRACE, Order

MOST = 10_000
SHOWN = 200

PLACE = ".sjs-worker"
RUN = 'exec "${SJS_PYTHON:-python3}" -I -S %s'


@verb("workers", Sectioned)
@click.argument("url")
@click.argument("pipeline")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("-N", "--count", type=click.IntRange(1, MOST), default=1, metavar="N", help="So many of them; 1.")
@worker_options
@job_options
@shared_options
@click.option("--key", metavar="TEXT", help="A name for this handing in: with the same one again, nothing runs twice.")
@click.option("-p", "--parsable", is_flag=True, help="Print only ids.")
def workers(
    call: Call,
    url: str,
    pipeline: str,
    argv: tuple[str, ...],
    count: int,
    key: str | None,
    parsable: bool,
    **given: Any,
) -> int:
    """Hand in jobs that work on a stage of a pipeline, as `submit worker` does: `submit any worker` is the same.

    A worker of --slots N works on N items at a time. Its commands run in the --snapshot, if there is one, else where
    jobs of that target do. Nothing has to be installed there: code and token come with the job, as files that only its
    own user can read. `cancel` ends a worker well: its items are finished within half of its --grace, or given back.

    \b
    Eight, on whoever has room, until there is nothing left to do:
      submit any worker https://gateway.example renders --stage encode -N 8 --until-empty -- ./encode {file}
    With the code that is here, and a GPU each:
      submit @gpus worker https://gateway.example lr --stage train --snapshot -G 1 -- python train.py --lr {lr}
    """
    token = token_of(given["token_file"], os.environ)
    choice = call.choice(any_allowed=True)
    out = call.output(choice)
    shared = shared_of(call, choice, given, out)
    order = _order(url, pipeline, argv, given, shared.base, choice)
    taken = shared.base.snapshot
    base = shared.base.but(
        snapshot=_brought(order, token, taken),
        cwd=shared.base.cwd if taken is not None else None,
        name=shared.base.name or _called(pipeline, given["stage"]),
    )
    command = RUN % shlex.quote(os.path.join(os.path.relpath(PLACE, base.cwd or "."), "sjs", "worker"))
    command += f"  # {base.name}: {printable(shlex.join(argv)):.{SHOWN}}"
    source = Source((command,) * count, None, (), base, checked_for(choice))
    again = key is not None
    wish = Wish(key or uuid4().hex, again, False, shared.envs, given["due"], taken, parsable, verb="workers")
    with source, Fleet(choice.managers, "start", out.notice, ask=call.ask, overflow=choice.overflow) as fleet:
        handing = Handing(call, fleet, source, wish, out, lambda told: acknowledge(out, told, wish))
        (handing.to_best if choice.any else handing.to_all)()
    return out.finish()


def _order(
    url: str, pipeline: str, argv: tuple[str, ...], given: Mapping[str, Any], base: Spec, choice: Choice
) -> Order:
    if base.stdin is not None or base.merge:
        raise UsageError("--stdin and --merge-output are for jobs", "each command of a worker reads its item")
    grace = GRACE if base.grace is None else base.grace
    return order_of(
        url,
        pipeline,
        argv,
        given,
        slots=base.needs.slots,
        grace=grace / 4,
        farewell=grace / 2,
        cwd="" if base.snapshot is not None else folder(next(iter(choice.managers)), base.cwd) or ".",
    )


def _brought(order: Order, token: str, taken: Snapshot | None) -> Snapshot:
    """What a worker is brought with, beside the files that were given."""
    from sjs import bundle
    from sjs.capture.beside import with_folder
    from sjs.snapshots.store import Store
    from sjs.worker import bringing

    found = {**bundle.worker(), **bringing.files(order, token)}
    return with_folder(PLACE, found, taken, Store(cache_path("snapshots", os.environ)))


def _called(pipeline: str, stage: str) -> str:
    return "".join(one for one in f"{pipeline}/{stage}" if one.isprintable())[:MAX_NAME]
