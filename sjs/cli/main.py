"""The entry: finds target, verb and --config, runs the verb, and turns every error into one line and an exit status.

submit TARGET VERB [options]       or       submit VERB TARGET [options]
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from sjs.cli import verbs
from sjs.cli.leaving import leave
from sjs.errors import Refused, SjsError, UsageError
from sjs.link.thin import WITHOUT
from sjs.values import dataclass

USAGE, REFUSED, UNREACHABLE, INTERRUPTED, BROKEN_PIPE = 2, 1, 255, 130, 141

HELP = """\
usage: {prog} TARGET VERB [options]        ({prog} VERB TARGET is understood, too)

Hand jobs to one machine, or to whichever is free, and look after them.

TARGET is a name from config.yaml, `local` (this machine, always there), a set, or `any` (for jobs: whoever has a free
slot). Without a config.yaml there is only `local`, started by its first job.

sets:   a,b   all (or '*')   'gpu*'   'node[1-3,7]'   @GROUP (of config.yaml)   'all,!node3' (without node3)
        any:SET means the best of a set: any:@gpus, 'any:all,!node3'

verbs (each has --help):
{verbs}

programs, which are about no target ({prog} PROGRAM [options]; each has --help):
{programs}

examples:
{examples}

options:
  --config FILE   instead of ./config.yaml, which comes after /etc/sjs/config.yaml and ~/.config/sjs/config.yaml
  --no-link       without the process that is kept to make commands quick (see `link --help`)
  --json          with each verb: one JSON object a line
  --version, --help

exit status: 0 well; 1 refused; 2 typed or configured wrongly; 255 unreachable; 124 out of time;
with wait, --wait or --follow a job's own (124: timed out), or how many of several failed (101: more than 100)

completion: eval "$(_SUBMIT_COMPLETE=bash_source {prog})" in ~/.bashrc; zsh_source and fish_source likewise
"""


@dataclass(frozen=True)
class Typed:
    """What the words before the options say. Without a verb, help is wanted, or the version."""

    config: str | None = None
    target: str = ""
    verb: str = ""
    rest: Sequence[str] = ()
    version: bool = False


def submit() -> None:
    """The `submit` command."""
    program("submit", sys.argv[1:])


def sjs() -> None:
    """The `sjs` command: the same by another name."""
    program("sjs", sys.argv[1:])


def program(name: str, args: Sequence[str]) -> NoReturn:
    """A process that is one command and nothing else."""
    # paramiko loads it, which takes as long as the rest of it, for a Match exec that only ssh itself is asked for here.
    sys.modules["invoke"] = None  # type: ignore[assignment]
    leave(run(name, args))


def run(prog: str, args: Sequence[str]) -> int:
    """One command, from its words to its exit status."""
    _fill_gaps()
    if "_SUBMIT_COMPLETE" in os.environ:
        from sjs.cli.shell.complete import complete

        return complete(prog, os.environ["_SUBMIT_COMPLETE"])
    try:
        status = _run(prog, list(args))
        sys.stdout.flush()
        return status
    except SjsError as error:
        return _fail(prog, error)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # on the way out already: who insists gains only a traceback
        return _say(f"{prog}: interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has seen enough
        _let_out()
        return BROKEN_PIPE
    except OSError as error:
        _let_out()
        return _say(f"{prog}: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", REFUSED)


def parse(args: list[str]) -> Typed:
    """Take target, verb and --config from the front; what is left belongs to the verb."""
    config: str | None = None
    words: list[str] = []
    rest = list(args)
    while rest and len(words) < 2:
        word = rest.pop(0)
        if word == "--config" and not rest:
            raise UsageError("--config needs a file")
        if word == "--config":
            config = rest.pop(0)
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        elif word == WITHOUT:  # who came here goes without, or is told by whoever started us
            continue
        elif word in ("-h", "--help"):
            verb = verbs.canonical(words[0]) if words else None
            return Typed(verb=verb or "", rest=("--help",) if verb else ())
        elif word == "--version":
            return Typed(version=True)
        elif word.startswith("-"):
            raise UsageError(f"{word} comes too early", "options follow TARGET VERB")
        elif not words and word in verbs.PROGRAMS:
            return _program(config, word, rest)
        else:
            words.append(word)
    return _meant(config, words, rest) if words else Typed()


def _program(config: str | None, word: str, rest: list[str]) -> Typed:
    """What follows belongs to it; but a verb shows that a target of that name is meant."""
    verb = verbs.canonical(rest[0]) if rest else None
    if verb and rest[0] not in verbs.ACTIONS.get(word, ()):
        raise UsageError(f"{word} is a program of its own", f"a target of that name: submit {rest[0]} {word}")
    return Typed(config, "", word, tuple(rest))


def _meant(config: str | None, words: list[str], rest: list[str]) -> Typed:
    """Which of the two words is the verb: the second, if it can be."""
    found = [verbs.canonical(words[0]), *map(verbs.behind_target, words[1:])]
    if len(words) == 1 and found[0]:
        raise UsageError(f"{words[0]} where?", f"for example: submit all {words[0]}")
    if len(words) == 1:
        raise UsageError(f"what shall {words[0]} do?", f"verbs: {', '.join(verbs.VERBS)}")
    if found[1]:
        return Typed(config, words[0], found[1], tuple(rest))
    if found[0]:
        return Typed(config, words[1], found[0], tuple(rest))
    if words[1] in verbs.PROGRAMS:
        raise UsageError(f"{words[1]} is a program of its own, and comes first", f"submit {words[1]}")
    raise verbs.unknown(words[1])


def _run(prog: str, args: list[str]) -> int:
    typed = parse(args)
    if typed.version:
        from sjs import __version__

        sys.stdout.write(f"{prog} {__version__}\n")
        return 0
    if not typed.verb:
        sys.stdout.write(_help(prog))
        return 0
    return _run_verb(prog, typed)


def _run_verb(prog: str, typed: Typed) -> int:
    import click

    from sjs.cli.common import Call

    is_program = typed.verb in verbs.PROGRAMS
    path = f"{prog} {typed.verb}" if is_program else f"{prog} {typed.target or 'TARGET'} {typed.verb}"
    call = Call(prog, typed.target, typed.config, typed.rest)
    try:
        with verbs.command(typed.verb).make_context(path, list(typed.rest), obj=call) as context:
            if not is_program and call.has_leftovers():
                from sjs.cli.leftover import finish_leftovers

                finish_leftovers(call)
            status = context.command.invoke(context)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _say(f"{prog}: {error.format_message()} (see {prog} {typed.verb} --help)", USAGE)
    except click.Abort:
        raise KeyboardInterrupt from None


def _help(prog: str) -> str:
    width = max(map(len, verbs.VERBS)) + 2
    known = {**verbs.VERBS, **verbs.PROGRAMS}
    lines = {name: f"  {name:<{width}}{one.summary}" for name, one in known.items()}
    return HELP.format(
        prog=prog,
        verbs="\n".join(lines[name] for name in verbs.VERBS),
        programs="\n".join(lines[name] for name in verbs.PROGRAMS),
        examples="\n".join(f"  {one.example.replace('submit', prog, 1)}" for one in known.values()),
    )


def _fail(prog: str, error: SjsError) -> int:
    status = REFUSED if isinstance(error, Refused) else USAGE if isinstance(error, UsageError) else UNREACHABLE
    return _say(f"{prog}: {error}", status)


def _say(line: str, status: int) -> int:
    from sjs.cli.text import printable

    try:
        sys.stderr.write(printable(line) + "\n")
    except OSError:  # nobody can be told, but by the status
        _discard(2)
    return status


def _let_out() -> None:
    """Write what is left; where that cannot be, drop it, or Python would try it again at its end."""
    for fd, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # which has been told
            _discard(fd)


def _discard(fd: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)


def _fill_gaps() -> None:
    """Streams that whoever started us has closed lead nowhere; else what is opened next would take their places."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _discard(fd)
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", closefd=False))  # noqa: SIM115 (for good)
