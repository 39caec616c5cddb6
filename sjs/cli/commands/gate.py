"""The verb gate: a key with which others use a queue, and nothing else of the machine."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sjs.answers import Gate
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.errors import UsageError
from sjs.protocols import Target

MAX_KEY = 16 << 10


@verb("gate")
@click.argument("name")
@click.option("--key", "path", metavar="FILE.pub", help="The public key of whoever may ask.")
@click.option("--allow", metavar="VERBS", help="Only these: job,status,list,logs. Else all about one's own jobs.")
@click.option(
    "--only",
    multiple=True,
    metavar="WORDS",
    help="Only jobs that begin so, and no shell text: 'python train.py'. May be given repeatedly.",
)
@click.option("--env", metavar="NAMES", help="With --only: the variables that such jobs may be given.")
@click.option("--max-queued", type=int, metavar="N", help="How many jobs may wait and run at a time (1000).")
@click.option("--all-jobs", is_flag=True, help="Others' jobs may be changed, and their output read, too.")
@click.option("--install", is_flag=True, help="Put the line into ~/.ssh/authorized_keys there.")
@click.option("--remove", is_flag=True, help="Take the line of that name out of it.")
def gate(
    call: Call,
    name: str,
    path: str | None,
    allow: str | None,
    only: tuple[str, ...],
    env: str | None,
    max_queued: int | None,
    all_jobs: bool,
    install: bool,
    remove: bool,
) -> int:
    """Share a queue: a line for ~/.ssh/authorized_keys there, with which a key opens no shell, but this queue.

    NAME becomes the submitter of its jobs, whatever its owner says; only these can be changed with it. Without --only,
    whoever has the key can still run anything as a job, and so do all that the account can.

    \b
    Alice may run trainings and nothing else, at most ten at a time:
      submit gpu1 gate alice --key alice.pub --only 'python train.py' --max-queued 10 --install
    She may not any more; jobs of hers that are queued stay:
      submit gpu1 gate alice --remove
    """
    if remove:
        if path or install or allow or only or env or max_queued or all_jobs:
            raise UsageError("--remove needs a name and nothing else")
        return fan_out(call, lambda target: target.machine.close_gate(name), _show, machines(call, "gate"))
    if not path:
        raise UsageError("whose key?", "--key FILE.pub names the public one; or --remove")
    choice = machines(call, "gate")
    options = _words(allow, only, env, max_queued, all_jobs)
    key = _public_key(path)
    return fan_out(call, lambda target: _opened(target, name, key, options, install), _show, choice)


def _opened(target: Target, name: str, key: str, options: Sequence[str], install: bool) -> Gate:
    return target.machine.gate(name, key, options, install)


def _words(
    allow: str | None, only: Sequence[str], env: str | None, max_queued: int | None, all_jobs: bool
) -> Sequence[str]:
    said = {"--allow": allow, "--env": env, "--max-queued": None if max_queued is None else str(max_queued)}
    words = [word for option, value in said.items() if value is not None for word in (option, value)]
    words += [word for beginning in only for word in ("--only", beginning)]
    return [*words, "--all-jobs"] if all_jobs else words


def _public_key(path: str) -> str:
    try:
        with open(path, encoding="ascii") as source:
            text = source.read(MAX_KEY)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'no public key'}") from None
    if "PRIVATE" in text:
        raise UsageError(f"{path} is the private half, which nobody else may have", "the public one ends in .pub")
    return text


def _show(out: Output, name: str, found: Gate) -> None:
    if out.json:
        out.record(name, {"line": found.line, "path": found.path, "changed": found.changed})
    elif found.line:
        out.line(name, found.line)
    if found.changed and not out.json:
        out.notice(name, f"{found.path} has it now" if found.line else f"{found.path} has no such line any more")
