"""What the verbs share: their options, the choice of targets, asking all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from sjs.cli import terminal
from sjs.cli.ids import Ids, NoneHere
from sjs.cli.output import Output, flush
from sjs.cli.verbs import find
from sjs.config import Config, load, state_path
from sjs.errors import SjsError, UsageError
from sjs.link import idle
from sjs.protocols import Ask, Target
from sjs.routing import Choice, Fleet, select
from sjs.values import dataclass, replace

T = TypeVar("T")
Function = Callable[..., int]


@dataclass
class Call:
    """One command as it was typed."""

    prog: str
    word: str
    config_file: str | None = None
    rest: Sequence[str] = ()
    json: bool = False

    def config(self) -> Config:
        """The configuration that counts for this command."""
        config = load(self.config_file, os.environ)
        idle.heed(idle.USUAL if config.link_idle is None else config.link_idle, os.environ)
        return config

    def has_leftovers(self) -> bool:
        """Whether a command has left something to finish; also what runs now, or cannot be read."""
        return any(_has_files(state_path(name, os.environ)) for name in ("outbox", "moves"))

    def choice(self, any_allowed: bool = False, of: Ids | None = None) -> Choice:
        """Whom the target word means; with ids that name their targets, those."""
        choice = select(self.config(), self.word)
        if choice.any and not any_allowed:
            raise UsageError("`any` is for jobs: it means whoever has a free slot", "name a target, or say `all`")
        return choice if of is None else self._narrowed(choice, of)

    def _narrowed(self, choice: Choice, ids: Ids) -> Choice:
        known = {one.name for one in choice.managers}
        for host in ids.hosts:
            if host not in known:
                raise UsageError(f"'{host}' is not one of '{self.word}'", f"these are: {', '.join(sorted(known))}")
        if not ids.is_bound:
            return choice
        return replace(choice, managers=[one for one in choice.managers if one.name in ids.hosts])

    def one(self, of: Ids | None = None) -> Choice:
        """The one target that the word, or the id, means, for verbs about one job."""
        choice = self.choice(of=of)
        if choice.named and not (of and of.is_bound):
            raise UsageError(f"job ids are each manager's own: '{self.word}' is too many", "name one target")
        return choice

    @property
    def ask(self) -> Ask | None:
        """How to ask for passwords and passphrases; None where nobody could answer."""
        return terminal.ask if terminal.is_there() and not self.json else None

    def output(self, choice: Choice) -> Output:
        """Where this command's lines go."""
        return Output(choice.named, self.json)


def verb(name: str, kind: type[click.Command] = click.Command) -> Callable[[Function], click.Command]:
    """Make a function a verb: with --config, --json and the verb's example. `kind`: who reads its words."""

    def made(function: Function) -> click.Command:
        function = _json_option()(_config_option()(function))
        return click.command(name, kind, epilog=_example(name), context_settings=_HELP)(click.pass_obj(function))

    return made


def program(name: str) -> Callable[[Function], click.Command]:
    """Make a function a program: with --config, and the program's example."""

    def made(function: Function) -> click.Command:
        with_config = _config_option()(function)
        return click.command(name, epilog=_example(name), context_settings=_HELP)(click.pass_obj(with_config))

    return made


def program_of(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """Make a function a program that is told first what to do (`action`)."""
    return click.group(name, epilog=_example(name), context_settings=_HELP, no_args_is_help=False)


def action(of: click.Group, name: str) -> Callable[[Function], click.Command]:
    """Make a function something that a program does, with --config and --json."""

    def made(function: Function) -> click.Command:
        function = _json_option()(_config_option()(function))
        return of.command(name, context_settings=_HELP)(click.pass_obj(function))

    return made


_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


def _example(name: str) -> str:
    return f"\b\nexample:\n  {find(name).example}"


def fan_out(
    call: Call,
    work: Callable[[Target], T],
    show: Callable[[Output, str, T], None],
    choice: Choice | None = None,
    start: str = "",
    max_jobs: int | None = None,
) -> int:
    """Ask everybody whom the command means, show each answer, say how it went; the exit status."""
    choice = choice or call.choice()
    out = call.output(choice)
    strangers: list[tuple[str, NoneHere]] = []
    with Fleet(choice.managers, start, out.notice, max_jobs, call.ask) as fleet:
        for answer in fleet.ask(lambda target: (work(target),)):
            try:
                if answer.error is not None:
                    raise answer.error
                if answer.value is not None:
                    show(out, answer.name, answer.value[0])
                out.succeeded(answer.name)
            except NoneHere as error:
                strangers.append((answer.name, error))
            except SjsError as error:
                out.failed(answer.name, error)
            flush()
    if len(strangers) == len(choice.managers):  # else it is elsewhere that the sweep has jobs
        for name, stranger in strangers:
            out.failed(name, stranger)
    return out.finish()


def _has_files(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _config_option() -> Callable[[Function], Function]:
    def take(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.obj.config_file = value

    text = "Read this file instead of ./config.yaml."
    return click.option("--config", metavar="FILE", expose_value=False, callback=take, help=text)


def _json_option() -> Callable[[Function], Function]:
    def take(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        context.obj.json = value

    text = "One JSON object a line."
    return click.option("--json", is_flag=True, expose_value=False, callback=take, help=text)
