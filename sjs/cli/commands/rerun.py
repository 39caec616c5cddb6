"""The verb rerun."""

from __future__ import annotations

from uuid import uuid4

import click

from sjs.answers import Accepted
from sjs.cli import ids
from sjs.cli.commands.job import acknowledge
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.handing import Wish
from sjs.cli.output import Output
from sjs.dealing import send
from sjs.errors import Refused, SjsError, UnknownJob, UsageError
from sjs.fitting import Fitting
from sjs.protocols import Target
from sjs.targets.native import of_another


@verb("rerun")
@click.argument("which", nargs=-1, metavar="IDS...")
@click.option("-p", "--parsable", is_flag=True, help="Print only ids.")
def rerun(call: Call, which: tuple[str, ...], parsable: bool) -> int:
    """Hand in jobs again as they were, whatever became of them: the same command, environment and needs and, where
    they had a --snapshot, the same files. That makes new jobs, with ids and outputs of their own, which wait for
    nothing; the old ones stay as they are. (`retry` has the old ones themselves run again, once they have ended.)
    """
    if not which:
        raise UsageError("rerun which jobs?", "for example 5, 1-3 or last")
    wanted = ids.parse(which)
    wish = Wish(uuid4().hex, again=False, if_free=False, envs={}, parsable=parsable)

    choice = call.choice(of=wanted)
    fitting = Fitting(choice.managers)

    def work(target: Target) -> list[Accepted]:
        return _handed_in_again(target, wanted, wish.key, fitting)

    def show(out: Output, name: str, accepted: list[Accepted]) -> None:
        acknowledge(out, [(name, one) for one in accepted], wish)

    return fan_out(call, work, show, choice, start="start")


def _handed_in_again(target: Target, wanted: ids.Ids, key: str, fitting: Fitting) -> list[Accepted]:
    from sjs.targets.chunks import chunks

    jobs = list(target.list(wanted.on(target)))
    if not jobs:
        raise UnknownJob("there is no record of such a job")
    unknown = [job.id for job in jobs if not job.spec.is_known]
    if unknown:
        raise Refused(f"what job {unknown[0]} ran can not be read, so it can not be handed in again")
    specs = [job.spec.but(after=(), at=None, hold=False, native=of_another(job.spec.native)) for job in jobs]
    fitting.refuse(target.name, specs)
    found: list[Accepted] = []
    try:
        found.extend(send(target, key, chunks(specs)))
    except SjsError as error:
        done = ids.text([span for one in found for span in one.ranges])
        raise type(error)(f"{error.message}{f'; handed in so far: {done}' if done else ''}", error.hint) from None
    return found
