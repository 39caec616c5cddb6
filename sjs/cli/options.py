"""What a job can be told besides its command: for a whole command by its options, for one line of a command file by
the same options behind `#SJS`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import click

from sjs import spec_json
from sjs.cli import kinds
from sjs.cli.native import OPTIONS as NATIVE
from sjs.core.job import ON_LOST, Retry, Spec
from sjs.core.lifecycle import MAX_ATTEMPTS
from sjs.core.needs import Needs
from sjs.errors import BadRequest, UsageError
from sjs.targets import native
from sjs.values import replace

F = TypeVar("F", bound=Callable[..., Any])

MANY = 1_000_000

OPTIONS = (
    click.option("-n", "--name", metavar="NAME", help="A name to find it by."),
    click.option(
        "--tag", "tags", multiple=True, type=kinds.PAIR, metavar="K=V", help="A tag, to find it by; any number."
    ),
    click.option("--cwd", metavar="DIR", help="Where it runs: by default here on `local`, else in the project_root."),
    click.option("--env", multiple=True, type=kinds.PAIR, metavar="K=V", help="A variable of its own; any number."),
    click.option(
        "--priority", type=click.IntRange(-MANY, MANY), metavar="N", help="Higher ones start first; 0 by default."
    ),
    click.option("-j", "--slots", type=click.IntRange(1, MANY), metavar="N", help="Slots that it takes; 1 by default."),
    click.option(
        "-c", "--cpus", type=click.IntRange(0, MANY), metavar="N", help="CPUs that it takes, of the machine's."
    ),
    click.option(
        "--mem", type=kinds.SIZE, metavar="SIZE", help="Memory that it may take: 512M, 4G. With more it is ended."
    ),
    click.option("-G", "--gpus", type=kinds.SHARE, metavar="N", help="GPUs of its own, or a part of one: 2, 0.5."),
    click.option("--gpu-mem", type=kinds.SIZE, metavar="SIZE", help="Memory that it takes on each GPU: 6G."),
    click.option(
        "--resource",
        "resources",
        multiple=True,
        type=kinds.COUNTED,
        metavar="K=N",
        help="So many of what `configure --resource` has said that there is; any number.",
    ),
    click.option(
        "-t", "--timeout", type=kinds.DURATION, metavar="TIME", help="End it then: 90, 10m, 1h30m, 1-12:00:00."
    ),
    click.option(
        "--grace", type=kinds.GRACE, metavar="TIME", help="Time between TERM and KILL then; 10 seconds by default."
    ),
    click.option(
        "-d",
        "--after",
        multiple=True,
        type=kinds.AFTER,
        metavar="afterok:IDS",
        help="Only when these have succeeded: afterok:3:5-8; afterany: have ended; afternotok: have failed. Else it is "
        "cancelled. With commas, all of them; a plain 3,4 is afterok; `last` is the newest job that there is.",
    ),
    click.option(
        "--at",
        type=kinds.MOMENT,
        metavar="TIME",
        help="Not before 14:30, or '2026-12-31 14:30', by the clock here.",
    ),
    click.option("--in", "due", type=kinds.FROM_NOW, metavar="TIME", help="Not before so long from now: 90, 10m, 2h."),
    click.option("--hold", is_flag=True, help="Not before `release`."),
    click.option("--retries", type=click.IntRange(0, MANY), metavar="N", help="Try it N times more while it fails."),
    click.option(
        "--backoff",
        type=kinds.BACKOFF,
        metavar="TIME[:Fx]",
        help="The pause before: 10s, or 10s:2x, then twice as long.",
    ),
    click.option(
        "--retry-on",
        type=kinds.RETRIED,
        metavar="ENDS",
        help="Only after these ends: fail,timeout,oom,lost,spawn-error,exit:N,signal:NAME; by default the first three.",
    ),
    click.option(
        "--on-lost",
        type=click.Choice(ON_LOST),
        help=f"What becomes of a job that is lost with its machine: fail (the default), or requeue: it runs again, "
        f"{MAX_ATTEMPTS} times in all.",
    ),
    click.option("--stdin", metavar="FILE", help="What it reads, there; by default nothing."),
    click.option(
        "--nice", type=click.IntRange(0, 19), metavar="N", help="How much it lets others go first, from 0 to 19."
    ),
    click.option("--merge-output", "merge", is_flag=True, help="Its stderr goes to where stdout goes."),
)

PLAIN = ("name", "cwd", "priority", "hold", "on_lost", "merge", "nice", "stdin", "timeout", "grace")
NEEDED = ("slots", "cpus", "mem", "gpus", "gpu_mem")


def job_options(function: F) -> F:
    """Give a verb these options."""
    for option in reversed((*OPTIONS, *NATIVE)):
        function = option(function)
    return function


def changed(base: Spec, given: Mapping[str, Any]) -> Spec:
    """The base with what was given: single values replace, lists are added to."""
    said = {name: value for name, value in given.items() if value is not None and value is not False and value != ()}
    if "at" in said and "due" in said:
        raise UsageError("--at and --in", "give one of them")
    if "job_name" in said:
        said.setdefault("name", said["job_name"])
    try:
        found = replace(
            base,
            **{name: said[name] for name in PLAIN if name in said},
            tags=tuple({**dict(base.tags), **dict(said.get("tags", ()))}.items()),
            env=tuple({**dict(base.env), **dict(said.get("env", ()))}.items()),
            needs=_needs(base.needs, said),
            retry=_retry(base.retry, said),
            after=base.after + tuple(one for condition in said.get("after", ()) for one in condition),
            at=said.get("at", said.get("due", base.at)),
            native=native.changed(base, said),
        )
        spec_json.from_wire(spec_json.to_wire(with_last(replace(found, command="", argv=None), 0)))
    except BadRequest as error:
        raise UsageError(error.message, error.hint) from None
    return found


def names_last(spec: Spec) -> bool:
    """Whether it waits for the newest job, whichever that is."""
    return any(kinds.LAST in spans for _, spans in spec.after)


def with_last(spec: Spec, newest: int) -> Spec:
    """The same, once it is known which job is the newest."""
    if not names_last(spec):
        return spec
    known = {kinds.LAST: (newest, newest)}
    return replace(spec, after=tuple((kind, tuple(known.get(one, one) for one in spans)) for kind, spans in spec.after))


def _needs(base: Needs, said: Mapping[str, Any]) -> Needs:
    named = {**dict(base.named), **dict(said.get("resources", ()))}
    found = replace(base, **{kind: said[kind] for kind in NEEDED if kind in said}, named=tuple(sorted(named.items())))
    return base if found == base else found  # one and the same is compared at once


def _retry(base: Retry, said: Mapping[str, Any]) -> Retry:
    delay, factor = said.get("backoff", (base.delay, base.factor))
    found = Retry(said.get("retries", base.count), delay, factor, said.get("retry_on", base.on))
    if not found.count and ("backoff" in said or "retry_on" in said):
        raise UsageError("--backoff and --retry-on are for --retries", "for example --retries 3 --backoff 10s:2x")
    return base if found == base else found


@lru_cache(maxsize=1_000)
def on_line(base: Spec, text: str) -> Spec:
    """The base with what stands behind `#SJS`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"#SJS {text}: {error}") from None
    found = changed(base, given_in(words, "#SJS"))
    if names_last(found) and not names_last(base):
        raise UsageError("#SJS: `last` is for the whole command", "give its --after, or name the id here")
    return found


_LINE = click.command("a file", add_help_option=False)(job_options(lambda **given: None))


def given_in(words: Sequence[str], where: str, reader: click.Command = _LINE) -> dict[str, Any]:
    """What the words of a file say, as they would on a command line."""
    try:
        return reader.make_context(where, list(words)).params
    except click.ClickException as error:
        raise UsageError(f"{where}: {error.format_message()}") from None
