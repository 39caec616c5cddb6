"""The targets as Python code has them: `fleet.any`, `fleet.all`, `fleet["gpu1"]`, `fleet["@gpus"]`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from sjs.answers import Cancelled, Configured, Filter, Status
from sjs.api.handing import HandingIn, told
from sjs.api.jobs import Job, cancel
from sjs.api.options import Command, Duration, JobOptions, Path, Size, seconds_of, size_of, spec_of, terms
from sjs.api.sessions import START, Sessions
from sjs.config import Config, from_mapping, load
from sjs.core.aims import parse as aim_of
from sjs.core.job import ranges
from sjs.errors import SjsError, UsageError
from sjs.protocols import Ask, Target
from sjs.results.rows import Row, pages
from sjs.results.table import Order, Table
from sjs.routing import Answer, Choice, select

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds for which a machine may be away on which somebody waits for jobs: a restart, a train through a tunnel."""

LOG = logging.getLogger("sjs")


class Settings(TypedDict, total=False):
    """What can be set while a queue works; `submit configure --help` says what each means. None is what was found."""

    keep_days: int
    keep_jobs: int
    low_water: Size
    cpus: int | None
    mem: Size | None
    gpus: int | None
    resources: Mapping[str, int | None]
    gpu_policy: str
    on_start: str
    on_finish: str
    hook_timeout: Duration


class Incomplete(SjsError):
    """Some jobs of a handing in were taken (`jobs`), others not; the message says which of these wait for an answer."""

    code = "incomplete"

    def __init__(self, message: str, hint: str, jobs: Sequence[Job]) -> None:
        super().__init__(message, hint)
        self.jobs = jobs


def connect(
    config: Path | Mapping[str, Any] | None = None,
    *,
    notice: Callable[[str, str], None] | None = None,
    ask: Ask | None = None,
    patience: float = PATIENCE,
) -> Fleet:
    """The targets that are configured: as the command line finds them, or as a file or a mapping says.

    Nobody is asked anything before it is needed. `notice` hears what the command line would say on stderr (by default
    the logger `sjs`); `ask` puts ssh's questions to a person (for example `getpass.getpass`); without it only keys,
    agents and passwords that are known open machines. Who waits for jobs of a machine that is away gets an error after
    `patience` seconds.
    """
    if isinstance(config, Mapping):
        return Fleet(from_mapping(config, os.environ), None, notice, ask, patience)
    path = None if config is None else os.fspath(config)
    return Fleet(load(path, os.environ), path, notice, ask, patience)


class Fleet:
    """Any number of threads may use it, and all that comes from it. As a context it is closed at the end; left open, it
    keeps no program from ending. Jobs run on in either case."""

    def __init__(
        self,
        config: Config,
        config_file: str | None = None,
        notice: Callable[[str, str], None] | None = None,
        ask: Ask | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._sessions = Sessions(config, config_file, notice or _log, ask, patience)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. Who still waits for a job gets an error."""
        self._sessions.close()

    @property
    def any(self) -> View:
        """Whoever is best, of all."""
        return self["any"]

    @property
    def all(self) -> View:
        """All of them."""
        return self["all"]

    def __getitem__(self, word: str) -> View:
        """Whom a word of the command line means: `gpu1`, `a,b`, `@gpus`, `node[1-3]`, `any:@gpus`."""
        return View(self._sessions, word, select(self._sessions.config, word))

    @property
    def names(self) -> Sequence[str]:
        """All targets."""
        return [one.name for one in self._sessions.config.everyone]

    def cancel(self, jobs: Iterable[Job], grace: float | None = None) -> Sequence[Job]:
        """End jobs, with one request for each target; those that had not ended."""
        return cancel(jobs, grace)


class View:
    """Some targets, or the best of some."""

    def __init__(self, sessions: Sessions, word: str, choice: Choice) -> None:
        self._sessions = sessions
        self._word = word
        self._choice = choice

    def __repr__(self) -> str:
        return f"<sjs.View {self._word}>"

    @property
    def names(self) -> Sequence[str]:
        """Who they are."""
        return [one.name for one in self._choice.managers]

    def submit(self, command: Command, **options: Unpack[JobOptions]) -> Job:
        """Hand in a job: shell text, or the words of a command that meets no shell."""
        return self.map_commands([command], **options)[0]

    def map_commands(self, commands: Iterable[Command], **options: Unpack[JobOptions]) -> Sequence[Job]:
        """Hand in many jobs at once, each of them to `any` or all to the one target; in their order."""
        said = terms(options, self._sessions.notice)
        specs = [spec_of(command, said.spec) for command in commands]
        work = HandingIn(self._sessions, said)
        if not specs:
            return []
        name = self._only(said.target)
        if name:
            work.to_one(name, specs)
            return self._jobs([work], [])
        failed = work.to_best(self._choice, self._word, specs)
        return self._jobs([work], [told(failure) for failure in failed])

    def each(self, command: Command, **options: Unpack[JobOptions]) -> Sequence[Job]:
        """Hand in the same job to each target."""
        said = terms(options, self._sessions.notice)
        spec = spec_of(command, said.spec)
        work = {name: HandingIn(self._sessions, said) for name in self.names}
        with self._sessions.fleet(self._choice.managers, START) as fleet:
            fleet.fitting.check(spec)

            def handed_in(target: Target) -> None:
                fleet.fitting.refuse(target.name, [spec])
                work[target.name].send(target, [spec])

            answers = list(fleet.ask(handed_in))
        errors = [(answer.name, answer.error) for answer in answers if answer.error is not None]
        return self._jobs(
            list(work.values()), [type(error)(f"{name}: {error.message}", error.hint) for name, error in errors]
        )

    def job(self, number: int) -> Job:
        """The job with this id, of the one target."""
        return Job(self._sessions, self._one("a job's id is its target's own"), number)

    def status(self) -> dict[str, Answer[Status]]:
        """How they are, by their names: the `value` of each, or the `error` why there is none."""
        return self._ask(lambda target: target.report())

    def list(
        self,
        state: str | Iterable[str] = (),
        *,
        ids: Iterable[int] | None = None,
        name: str | None = None,
        tag: tuple[str, str] | None = None,
        sweep: str | None = None,
        since: float | None = None,
        newest: int = 0,
    ) -> Sequence[Job]:
        """Their jobs, with what is known of them now; `newest`: of each target no more than so many, the last ones."""
        states = (state,) if isinstance(state, str) else tuple(state)
        spans = None if ids is None else ranges(sorted(set(ids)))
        only = Filter(name, tag, since, sweep)
        answers = self._ask(lambda target: list(target.list(spans, states or None, newest, only)))
        return [
            Job(self._sessions, where, record.id, record)
            for where, answer in answers.items()
            for record in answer.get()
        ]

    def results(self, sweep: str, *, best: str = "", pattern: str | None = None) -> Sequence[Row]:
        """The jobs of a sweep with their parameters and the numbers that they have printed, as `submit results` finds
        them. `best`: "min:loss" or "max:acc", and the best comes first; `pattern`: what finds numbers instead."""
        table = Table(Order(aim_of(best) if best else None))
        for name, answer in self._ask(lambda target: list(pages(target, sweep, (), pattern))).items():
            for page in answer.get():
                table.add(page.rows)
                for trouble in page.troubles:
                    self._sessions.notice(name, trouble)
        return table.rows

    def configure(self, max_jobs: int | None = None, **settings: Unpack[Settings]) -> dict[str, Answer[Configured]]:
        """Set how many jobs may run at once, and more; how all is set then."""
        said: dict[str, Any] = dict(settings)
        unknown = sorted(said.keys() - Settings.__annotations__.keys())
        if unknown:
            raise TypeError(f"no such setting: {unknown[0]}; there are {', '.join(Settings.__annotations__)}")
        for key, read in (("low_water", size_of), ("mem", size_of), ("hook_timeout", seconds_of)):
            if said.get(key) is not None:
                said[key] = read(said[key])
        return self._ask(lambda target: target.configure(max_jobs, said))

    def cancel_all(self, grace: float | None = None) -> dict[str, Answer[Cancelled]]:
        """End all that has not ended, whoever handed it in."""
        return self._ask(lambda target: target.cancel(None, grace))

    def drain(self, on: bool = True) -> dict[str, Answer[None]]:
        """Have nothing new start, or again as usual."""
        return self._ask(lambda target: target.drain(on))

    def _ask(self, work: Callable[[Target], T]) -> dict[str, Answer[T]]:
        if len(self._choice.managers) == 1:
            return {self.names[0]: self._ask_one(self.names[0], work)}
        with self._sessions.fleet(self._choice.managers) as fleet:
            return {answer.name: answer for answer in fleet.ask(work)}

    def _ask_one(self, name: str, work: Callable[[Target], T]) -> Answer[T]:
        try:
            return Answer(name, self._sessions.call(name, work))
        except SjsError as error:
            return Answer(name, error=error)

    def _only(self, home: str) -> str:
        """The one target to which all jobs go; nothing where each goes to the best. `home`: where they must go."""
        if home:
            if home not in self.names:
                raise UsageError(
                    f"the jobs that are to be waited for are on {home}, which '{self._word}' does not mean"
                )
            return home
        return "" if self._choice.any else self._one("each(...) hands in to each of them, `any` to the best")

    def _one(self, hint: str) -> str:
        if self._choice.any or len(self.names) != 1:
            raise UsageError(f"'{self._word}' is not one target", hint)
        return self.names[0]

    def _jobs(self, works: Sequence[HandingIn], errors: Sequence[SjsError]) -> Sequence[Job]:
        """The jobs that were taken, in order; an error if there are others."""
        jobs = [Job(self._sessions, name, number) for work in works for _, name, number in sorted(work.taken)]
        if errors and not jobs:
            raise errors[0]
        if errors:
            raise Incomplete("; ".join(error.message for error in errors), errors[0].hint, jobs)
        return jobs


def _log(name: str, line: str) -> None:
    LOG.warning("[%s] %s", name, line)
