"""The verb job. Its lines are those of simple-job-submit, key for key."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import click

from sjs.cli import ids, kinds
from sjs.cli.commands.wait import Pursuit, Verdict, tell
from sjs.cli.common import Call, verb
from sjs.cli.options import changed, job_options
from sjs.cli.output import Output, flush
from sjs.cli.rehearsal import rehearse_all, rehearse_any
from sjs.cli.snapshot import again, say_taken, taken_of
from sjs.cli.source import Place, Source
from sjs.cli.text import ending
from sjs.config import Manager
from sjs.core.job import Range, Snapshot, Spec
from sjs.dealing import Failure, folder, head, send, to_best
from sjs.environment import digest, gathered
from sjs.errors import SjsError, UsageError
from sjs.protocols import Accepted, Envs, Target
from sjs.routing import Fleet

MANY_LINES = 10_000
"""With more jobs than this, one line sums them up."""

_LAST = re.compile(r"\blast\b")

LONG = 200
"""A command of more characters is not typed out in an error."""


@dataclass
class Wish:
    """What the options say besides the jobs themselves."""

    key: str
    again: bool
    if_free: bool
    parsable: bool
    wait: bool
    follow: bool
    envs: Envs
    due: float | None
    snapshot: Snapshot | None = None
    newest: int | None = None
    """What --after last means."""


@dataclass
class Sent:
    """What one target has taken, in order, and the error that ended it."""

    name: str
    accepted: list[Accepted] = field(default_factory=list)
    error: SjsError | None = None

    @property
    def ranges(self) -> list[Range]:
        """The ids of the jobs."""
        return ids.merged([span for one in self.accepted for span in one.ranges])


@verb("job")
@click.option("--command", "commands", multiple=True, metavar="TEXT", help="Text for /bin/sh. May be given repeatedly.")
@click.option("--command-file", metavar="FILE", help="A job a line; '-' is stdin. Empty lines and # lines are skipped.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGV...]")
@job_options
@click.option("--env-file", metavar="FILE", help="Variables of all these jobs: NAME=VALUE a line.")
@click.option(
    "--capture-env",
    is_flag=False,
    flag_value="",
    metavar="[NAMES]",
    help="The variables that are set here, too; of NAMES only: 'CUDA_*,PATH,!CUDA_HOME'. What looks like a secret "
    "(*TOKEN*, *SECRET*, *PASSWORD*, *KEY*, AWS_*, SSH_*, …) only by its very name.",
)
@click.option(
    "--snapshot",
    is_flag=False,
    flag_value=".",
    metavar="[DIR]",
    help="Run each job in its own copy of DIR (or of this folder) as it is now: what git would not ignore there, and "
    ".sjsignore does not name. Only what a machine lacks is sent. @ID is one that was taken before.",
)
@click.option(
    "--snapshot-limit", type=kinds.SIZE, metavar="SIZE", help="How large that may be; 1G and 100000 files by default."
)
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for the end; exit as the job does (`wait --help`), or with the number of failed ones.",
)
@click.option("--follow", is_flag=True, help="Copy the job's output as it comes, and exit as the job does.")
@click.option("--key", metavar="TEXT", help="A name for this handing in: with the same one again, nothing runs twice.")
@click.option("--if-free", is_flag=True, help="Only into slots that are free now; else refuse, and exit with 1.")
@click.option("--dry-run", is_flag=True, help="Only say where each job would go, and why.")
@click.option("-p", "--parsable", is_flag=True, help="Print only ids.")
def job(
    call: Call,
    commands: tuple[str, ...],
    command_file: str | None,
    argv: tuple[str, ...],
    env_file: str | None,
    capture_env: str | None,
    snapshot: str | None,
    snapshot_limit: int | None,
    wait: bool,
    follow: bool,
    key: str | None,
    if_free: bool,
    parsable: bool,
    dry_run: bool,
    **given: Any,
) -> int:
    """Hand in jobs: shell text with --command, many with --command-file, or after -- a command that meets no shell.

    A local manager that is not there is started.

    \b
    Up to three times more when it fails, after 10, 20 and 40 seconds:
      submit gpu1 job -n fetch --retries 3 --backoff 10s:2x --command ./fetch
    When that has succeeded, with the environment that is set here, and before others that wait:
      submit gpu1 job --after afterok:3 --capture-env --priority 5 --command ./train
    In the code as it is now, whatever becomes of it before they run:
      submit any job --snapshot --command-file jobs.txt
    With a GPU, so much memory, and for two hours at most:
      submit any job -G 1 --mem 8G -t 2h --command ./train
    Tonight:
      submit gpu1 job --at 22:00 --tag kind=backup -- ./backup --all
    May run again after its machine was restarted in the middle of it, and sees by $SJS_ATTEMPT that it does:
      submit gpu1 job --on-lost requeue --command './train --resume'
    In a command file, a job may have options of its own behind #SJS:
      ./train --lr 0.1    #SJS --name lr-0.1 --slots 2
    """
    if argv and "--" not in call.rest:
        raise UsageError(f"what is '{argv[0]}'?", f"shell text: --command '{argv[0]}'; a plain command: -- {argv[0]}")
    choice = call.choice(any_allowed=True)
    variables = gathered(os.environ, capture_env, env_file)
    envs = {digest(variables): variables} if variables else {}
    out = call.output(choice)
    taken = None if snapshot is None else taken_of(snapshot, snapshot_limit, out)
    base = changed(Spec(env_base=next(iter(envs), ""), snapshot=taken.snapshot if taken else None), given)
    source = Source(commands, command_file, argv, base, alone=not choice.named)
    if follow and not (source.is_one and (choice.any or not choice.named)):
        raise UsageError("--follow is for one job on one target", "--wait waits for many")
    if key is not None and given["due"] is not None:
        raise UsageError("--in and --key: with a key the jobs must be the same each time", "say --at")
    if key is not None and source.names_last:
        raise UsageError("--after last and --key: with a key the jobs must be the same each time", "name the id")
    wish = Wish(key or uuid4().hex, key is not None, if_free, parsable, wait, follow, envs, given["due"], base.snapshot)
    if dry_run:
        if taken is not None:
            say_taken(taken, out)
        with source, Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
            return rehearse_any(fleet, source, if_free, out) if choice.any else rehearse_all(fleet, source, out)
    with source, Fleet(choice.managers, "start", out.notice, ask=call.ask) as fleet:
        sent: list[Sent] = []
        try:
            (_deal if choice.any else _send_all)(call, fleet, source, wish, out, sent)
            return _until_ended(call, fleet, _accepted(sent), wish, out)
        except KeyboardInterrupt:
            if not (wish.wait or wish.follow) or not _accepted(sent):
                raise
            return _say_way_back(call, _accepted(sent), wish, out)


def _accepted(sent: Sequence[Sent]) -> list[Sent]:
    return [one for one in sent if one.accepted]


def _send_all(call: Call, fleet: Fleet, source: Source, wish: Wish, out: Output, found: list[Sent]) -> None:
    """Everything to everyone; what was `found` to be taken is known before it is said."""
    source.share(len(fleet.managers))

    def work(target: Target) -> Sent:
        sent = Sent(target.name)
        try:
            if source.names_last:
                wish.newest = ids.newest_id(target)
                source.wait_for(wish.newest)
            chunks = source.chunks(place(fleet.managers[target.name], source))
            for accepted in send(target, wish.key, chunks, wish.again, wish.if_free, wish.envs):
                sent.accepted.append(accepted)
        except SjsError as error:
            may_be_there = sent.accepted or target.owes
            sent.error = _with_way_on(error, call, target.name, wish) if may_be_there else error
        return sent

    for answer in fleet.ask(work):
        sent = answer.value or Sent(answer.name, error=answer.error)
        found.append(sent)
        acknowledge(out, [(sent.name, one) for one in sent.accepted], wish)
        if sent.error is None:
            out.succeeded(sent.name)
        else:
            out.failed(sent.name, sent.error)
        flush()


def _deal(call: Call, fleet: Fleet, source: Source, wish: Wish, out: Output, sent: list[Sent]) -> None:
    """Each job to whoever has room. What goes to whom is written down before."""
    managers = list(fleet.managers.values())
    command = head(wish.key, wish.if_free, call.config_file, managers, wish.envs, call.word)
    chunks = source.chunks(place(managers[0], source))
    taken: list[tuple[str, Accepted]] = []
    with to_best(fleet, command, chunks, wish.again) as dealer:
        try:
            taken.extend(dealer.deal())
        except KeyboardInterrupt:
            out.notice("any", f"the next command hands in the rest, unless you say: rm {dealer.path}")
            raise
        finally:
            sent += _by_target(taken)
            acknowledge(out, taken, wish)
            flush()
    for failure in dealer.failed:
        out.failed(failure.name, _told(failure))
    for name in {one.name for one in sent} - {failure.name for failure in dealer.failed}:
        out.succeeded(name)


def _by_target(taken: Sequence[tuple[str, Accepted]]) -> list[Sent]:
    sent = {name: Sent(name) for name, _ in taken}
    for name, accepted in taken:
        sent[name].accepted.append(accepted)
    return list(sent.values())


def _told(failure: Failure) -> SjsError:
    """What became of jobs that nobody has acknowledged."""
    fate = "kept for it: the next command asks again" if failure.is_open else "not handed in"
    return type(failure.error)(f"{failure.error.message}; {failure.count} job(s) {fate}", failure.error.hint)


def place(manager: Manager, source: Source) -> Place:
    """What gives the folder of a job on this target; in a snapshot it is what was said, and begins at the top."""
    return (lambda wanted: wanted) if source.has_snapshot else partial(folder, manager)


def _with_way_on(error: SjsError, call: Call, name: str, wish: Wish) -> SjsError:
    """An error after which some of the jobs may have been taken says how to go on."""
    config = () if call.config_file is None or "--config" in " ".join(call.rest) else ("--config", call.config_file)
    key = () if wish.again else ("--key", wish.key)
    command = shlex.join([call.prog, *config, name, "job", *key, *_as_meant(call.rest, wish)])
    if len(command) > LONG:
        command = " ".join(["the same again, with --key", wish.key, *_taken(wish)])
    return type(error)(error.message, f"{error.hint}{'; ' if error.hint else ''}to finish it, nothing twice: {command}")


def _as_meant(words: Sequence[str], wish: Wish) -> list[str]:
    """What was typed, with the time that --in meant then, the job that was `last`, and the files as they were."""
    found: list[str] = []
    taken = _taken(wish)  # of two, the last one said is the one meant
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*found, *taken, word, *rest]
        if word == "--in":
            next(rest)
        if word == "--in" or word.startswith("--in="):
            found += ["--at", f"@{wish.due}"]
        elif word in ("-d", "--after"):
            found += [word, _LAST.sub(str(wish.newest), next(rest))]
        elif word.startswith(("-d", "--after=")):
            found.append(word[:2] + _LAST.sub(str(wish.newest), word[2:]))
        else:
            found.append(word)
    return [*found, *taken]


def _taken(wish: Wish) -> list[str]:
    return [] if wish.snapshot is None else ["--snapshot", again(wish.snapshot)]


def acknowledge(out: Output, taken: Sequence[tuple[str, Accepted]], wish: Wish) -> None:
    """Say what was taken: a line a job, or a line a target when there are too many to read."""
    total = sum(accepted.count for _, accepted in taken)
    for name in dict.fromkeys(name for name, accepted in taken if accepted.max_running == 0):
        out.notice(name, "warning: manager accepting at most 0 jobs, job will be queued")
    if total > MANY_LINES and not wish.parsable:
        for name in dict.fromkeys(name for name, _ in taken):
            _write_summary(out, name, [accepted for other, accepted in taken if other == name])
        return
    for name, accepted in taken:
        for low, high in accepted.ranges:
            for number in range(low, high + 1):
                _write_line(out, name, number, wish)


def _write_line(out: Output, name: str, number: int, wish: Wish) -> None:
    line = {"status": "OK", "message": "job submitted successfully", "code": 0, "job_id": number}
    if wish.parsable:
        text = f"{name}:{number}" if out.named else str(number)
    elif out.json:
        text = json.dumps({"target": name, **line})
    else:
        text = f"[{name}] {json.dumps(line)}" if out.named else json.dumps(line)
    (sys.stderr if wish.follow else sys.stdout).write(text + "\n")


def _write_summary(out: Output, name: str, accepted: Sequence[Accepted]) -> None:
    count = sum(one.count for one in accepted)
    line = {
        "status": "OK",
        "message": f"{count} jobs submitted successfully",
        "code": 0,
        "first_job_id": min(one.first for one in accepted),
        "last_job_id": max(high for one in accepted for _, high in one.ranges),
        "jobs": count,
    }
    if out.json:
        out.record(name, line)
    else:
        out.line(name, json.dumps(line))


def _until_ended(call: Call, fleet: Fleet, sent: Sequence[Sent], wish: Wish, out: Output) -> int:
    """Follow, or wait, if that was asked for; the exit status of the whole command."""
    verdict = Verdict()
    if wish.follow and sent:
        _follow(fleet.target(sent[0].name), sent[0].ranges[0][0], verdict, out)
    elif wish.wait and sent:
        _wait(call, fleet, sent, verdict, out)
    return out.finish() or verdict.status


def _say_way_back(call: Call, sent: Sequence[Sent], wish: Wish, out: Output) -> int:
    """To whoever does not wait any longer."""
    for one in sent:
        how = f"logs {one.ranges[0][0]} -f" if wish.follow else f"wait {ids.text(one.ranges)}"
        out.notice(one.name, f"what was handed in runs on; to come back: {call.prog} {one.name} {how}")
    return 130


def _follow(target: Target, number: int, verdict: Verdict, out: Output) -> None:
    """Copy a job's output, byte for byte, until it has ended."""
    streams = {"out": sys.stdout.buffer, "err": sys.stderr.buffer}
    flush()
    sys.stderr.flush()
    try:
        for piece in target.read(number, tuple(streams), follow=True):
            streams[piece.stream].write(piece.data)
            streams[piece.stream].flush()
        waited = target.wait([(number, number)])
    except SjsError as error:
        out.failed(target.name, error)
        return
    verdict.add(waited)
    if waited.job is not None and waited.job.state != "succeeded":
        out.notice(target.name, ending(waited.job))


def _wait(call: Call, fleet: Fleet, sent: Sequence[Sent], verdict: Verdict, out: Output) -> None:
    flush()
    ranges = {one.name: one.ranges for one in sent}
    pursuit = Pursuit(call, None)
    for answer in fleet.ask(lambda target: pursuit.wait_for(target, ranges[target.name]), list(ranges)):
        for where, waited in answer.value or ():
            verdict.add(waited)
            tell(out, where, waited)
        if answer.error is not None:
            out.failed(answer.name, answer.error)
