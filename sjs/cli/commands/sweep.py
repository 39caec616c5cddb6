"""The verb sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from sjs.cli import ids, kinds
from sjs.cli.common import Call, verb
from sjs.cli.native import Sectioned
from sjs.cli.options import changed, given_in, job_options, names_last, with_last
from sjs.cli.output import Output
from sjs.cli.shared import SHARED, shared_of, shared_options
from sjs.cli.source import checked_for
from sjs.cli.sweeps.jobs import Inputs, Typed, show, sweep_of
from sjs.cli.sweeps.run import Course, run_sweep
from sjs.core.job import Spec
from sjs.core.stopping import Rule
from sjs.errors import UsageError
from sjs.making.grid import Sample
from sjs.making.parameters import Parameter
from sjs.making.sweep import Sweep
from sjs.making.sweep_file import SweepFile, read_sweep_file
from sjs.making.words import check_places, for_options, read_parameter
from sjs.routing import Choice, Fleet
from sjs.sweeping.limit import MANY, Limit, limit
from sjs.values import replace

T = TypeVar("T")


class _Words(Sectioned):
    """Its -p takes as many values as there are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, for_options(args))


@verb("sweep", _Words)
@click.option(
    "-p",
    "--param",
    "parameters",
    multiple=True,
    type=kinds.Read("parameter", read_parameter),
    metavar="NAME VALUES...",
    help="A parameter and all its values; any number. Instead of values, a range: log:1e-4..1e-1:8, int:1..10 or "
    "int:1..10:4, uniform:0..1:5, choice:a,b,c. Also as one word: NAME=0.1,0.01.",
)
@click.option(
    "--from",
    "table",
    metavar="FILE",
    help="A table: each row is a setting, each column a parameter; .csv, .tsv, .jsonl, .yaml, or '-' for stdin.",
)
@click.option("--file", "path", metavar="FILE", help="A sweep.yaml; what is typed counts more.")
@click.option(
    "--samples",
    type=click.IntRange(1),
    metavar="N",
    help="So many settings by chance, none of them twice, instead of all. Ranges need no number of values then.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="S",
    help="Other ones by chance; 0 by default. The same ones for the same seed.",
)
@click.option("--command", "text", metavar="TEXT", help="The command as a text for /bin/sh.")
@click.option(
    "--wait",
    is_flag=True,
    help="Stay until all have ended; each machine gets jobs as it gets done with those it has. Exit with the number of "
    "those that failed.",
)
@click.option("--resume", is_flag=True, help="Only what has not succeeded, and does not run or wait, of this sweep.")
@click.option(
    "--max-running",
    type=click.IntRange(1, MANY),
    metavar="N",
    help="With --wait: so many at a time, of all machines together.",
)
@click.option(
    "--stop-after-failures",
    type=kinds.Read("limit", limit),
    metavar="N|P%",
    help="With --wait: once so many have failed, or such a part of at least 10 that have ended, no more begin.",
)
@click.option(
    "--stop-rule",
    "rule",
    type=kinds.STOP_RULE,
    metavar="RULE",
    help="With --wait: end who is clearly behind. median:loss: whose best loss is worse than the median of what the "
    "others had on average when they had printed as many; median:max:acc; median:loss,after=10,others=5: from 10 "
    "values of a job on (5), once 5 others (3) got as far.",
)
@click.option("--dry-run", is_flag=True, help="Only print the commands, each as it could be typed.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND... [::: VALUES...]]")
@job_options
@shared_options
def sweep(
    call: Call,
    parameters: tuple[Parameter, ...],
    table: str | None,
    path: str | None,
    samples: int | None,
    seed: int | None,
    text: str | None,
    wait: bool,
    resume: bool,
    max_running: int | None,
    stop_after_failures: Limit | None,
    rule: Rule | None,
    dry_run: bool,
    words: tuple[str, ...],
    **given: Any,
) -> int:
    """Hand in one command many times: for each row of --from, with each value of each -p, with each value behind :::.

    \b
    What stands in braces becomes a value:
      {lr}                  the parameter lr             {}       all values
      {1} {2}               the first, the second one    {#}      the number of the job, from 1 on
      {.} {/} {//} {/.}     a path without its ending, without its folder, only the folder, without
                            both; likewise {1.} {lr/} {lr//}
      {%}                   the slot in which it runs, from 1 on

    A word in braces that is none of these is an error; write {{word}} for {word}. Whatever else stands in braces
    stays as it is: {a,b}, ${x}, {"k": 1}.

    The command is words, which meet no shell, so a value is one argument whatever is in it. Or it is one word in
    quotes (or --command): a text for /bin/sh, in which values are quoted as their place needs it, also within quotes.

    -n names the sweep, and its jobs. Otherwise the program and all that the sweep is made of give it a name: the same
    again when the same is typed again. Job options are for each of its jobs.

    All is handed in at once, and shared out by how the machines are then. With --wait, a machine that is four times as
    fast gets four times as many, and Ctrl-C leaves what was handed in as it is; --resume goes on.

    \b
    Six jobs, lr 0.1 with each bs first:
      submit any sweep -p lr 0.1 0.01 -p bs 16 32 64 -- python train.py --lr {lr} --bs {bs}
    A hundred settings by chance:
      submit any sweep -p lr log:1e-5..1e-1 -p drop uniform:0..0.5 --samples 100 -- ./train {lr} {drop}
    With a shell:
      submit any sweep 'zcat {} | ./count > out/{/.}.txt' ::: data/*.gz
    A row of a table each, with a GPU; and what that would be:
      submit any sweep --from runs.csv -G 1 -- python train.py --lr {lr} --model {model}
      submit any sweep --from runs.csv --dry-run -- python train.py --lr {lr} --model {model} | head
    Stay; eight at a time, and no more once five have failed; later, what has not succeeded:
      submit any sweep --wait --max-running 8 --stop-after-failures 5 -p lr 0.1 0.01 -- ./train {lr}
      submit any sweep --resume --wait -p lr 0.1 0.01 -- ./train {lr}
    From a file, with other values for one of its parameters:
      submit any sweep --file sweep.yaml -p lr 0.3
    """
    choice = call.choice(any_allowed=True)
    out = call.output(choice)
    check_places(call.rest, words)
    file = read_sweep_file(path) if path is not None else SweepFile("")
    with Inputs() as inputs:
        typed = Typed(given["name"], text, words, parameters, table, samples, seed)
        made = sweep_of(typed, file, inputs)
        said = said_of_jobs(file)
        base = _told(said, file).but(name=made.name)
        _say_what_is_odd(made, out)
        if dry_run:
            show(made, out)
            return out.finish()
        given |= {key: said[key] for key in SHARED if given[key] is None}
        shared = shared_of(call, choice, {**given, "name": made.name}, out, base)
        checked_for(choice)(shared.base)
        made = replace(made, base=_once_known(shared.base, call, choice, out))
        course = Course(
            wait=wait,
            resume=resume,
            most=max_running or file.max_running,
            limit=stop_after_failures or _said_in(file, "stop_after_failures", file.stop_after_failures, limit),
            aim=_said_in(file, "metric", file.metric, kinds.aim),
            rule=rule or _said_in(file, "stop_rule", file.stop_rule, kinds.stop_rule),
            envs=shared.envs,
            has_snapshot=shared.taken is not None,
        )
        return run_sweep(call, choice, made, course, out)


def _once_known(base: Spec, call: Call, choice: Choice, out: Output) -> Spec:
    """What all are told, with the id of the job that is `last` now."""
    if not names_last(base):
        return base
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        (name,) = fleet.managers
        return with_last(base, ids.newest_id(fleet.target(name)))


def _said_in(file: SweepFile, key: str, text: str | None, read: Callable[[str], T]) -> T | None:
    """What the file says by a key, as it would be typed."""
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{file.path}: {key}: {error}") from None


_JOB = click.command("a file", add_help_option=False)(job_options(shared_options(lambda **given: None)))


def said_of_jobs(file: SweepFile) -> dict[str, Any]:
    """The options of jobs that stand in the file."""
    for option in file.options:
        given_in(option.words, option.where, _JOB)
    return given_in([word for option in file.options for word in option.words], file.path, _JOB)


def _told(said: Mapping[str, Any], file: SweepFile) -> Spec:
    """What each job is told by it."""
    try:
        return changed(Spec(), said)
    except UsageError as error:
        raise UsageError(f"{file.path}: {error.message}", error.hint) from None


def _say_what_is_odd(made: Sweep, out: Output) -> None:
    if made.unused:
        names = ", ".join(f"{{{name}}}" for name in made.unused)
        out.notice("sweep", f"the command does not use {names}")
    drawn = made.settings
    if isinstance(drawn, Sample) and drawn.count < drawn.wanted:
        out.notice("sweep", f"there are only {drawn.count} settings; each is drawn once")
