"""The program worker: takes part in a stage of a gateway's pipeline, from wherever that can be called."""

from __future__ import annotations

import os
from typing import Any

import click

from sjs.cli import kinds
from sjs.cli.common import Call, program
from sjs.cli.worker import VARIABLE, order_of, token_of, worker_options
from sjs.worker.order import GRACE


@program("worker")
@click.argument("url")
@click.argument("pipeline")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@worker_options
@click.option("-j", "--slots", type=click.IntRange(1, 1000), default=1, metavar="N", help="Items at a time; 1.")
@click.option("-n", "--name", default="", metavar="NAME", help="What it is called there; else by machine and process.")
@click.option(
    "--grace",
    type=kinds.GRACE,
    metavar="TIME",
    help="Time between TERM and KILL for a command that is to be ended; 10 seconds by default.",
)
@click.option(
    "--farewell", type=kinds.GRACE, metavar="TIME", help="Told to end, give the commands so long; else all they need."
)
def worker(
    call: Call,
    url: str,
    pipeline: str,
    argv: tuple[str, ...],
    slots: int,
    name: str,
    grace: float | None,
    farewell: float | None,
    **given: Any,
) -> int:
    """Work on a stage of a pipeline: claim its items, run a command for each, tell what came of it.

    The command meets no shell. What stands in braces becomes a value of the item's command, as in a sweep: {lr} of an
    object, {1} {2} of a list, {} all; {item}, {stage}, {pipeline} and {file} are always there. It reads the item as
    JSON, finds $SJS_ITEM, $SJS_STAGE and $SJS_PIPELINE, and may write a result, as JSON, to $SJS_RESULT_FILE. If it
    ends with 0, the item goes to the next stage; else it stays at its own, flagged as failed.

    An item that is not ours any more (its time was over, somebody has moved it) is not told of: its command is ended.
    While the gateway is away, commands go on. TERM or Ctrl-C: no more items, and an end when those here are done; a
    second one ends their commands and gives them back.

    Exit status: 0 all were done, 1 some were not, 2 typed wrongly, 128+N commands were ended by signal N, 255 the
    gateway is away, and it is not to work for ever, or its certificate was never believed.

    \b
    All that is free now, four at a time:
      submit worker https://gateway.example renders --stage encode -j 4 --until-empty -- ./encode {file}
    As a pipeline's last step, with a result:
      submit worker https://gateway.example lr --stage 1 -- sh -c './score "$1" > $SJS_RESULT_FILE' score {1}
    """
    token = token_of(given["token_file"], os.environ)
    os.environ.pop(VARIABLE, None)  # the commands begin with the rest of them
    from sjs.worker.bringing import name_of
    from sjs.worker.working import work

    called = name or name_of(os.environ)
    ends = {"grace": GRACE if grace is None else grace, "farewell": farewell}
    return work(order_of(url, pipeline, argv, given, slots=slots, name=called, **ends), token)
