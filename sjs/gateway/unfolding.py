"""A sweep as it is asked for over HTTP, unfolded into its jobs: all of them at once, so there are bounds to what it may
come to, and these are looked at before anything is made. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sjs.core import aims, stopping
from sjs.core.job import Task
from sjs.errors import BadRequest, UsageError
from sjs.gateway import ordering
from sjs.gateway.engine.judging import steps
from sjs.gateway.ordering import ANY, SPEC_OPTIONS, BadParameters
from sjs.gateway.records.jobs import New
from sjs.gateway.specs.binding import Bound, Unbound, bind
from sjs.gateway.specs.spec import JobSpec
from sjs.gateway.specs.values import written
from sjs.making.grid import Linked, Product, Rows, Sample, settings
from sjs.making.parameters import Between, Listed, Parameter, Whole, listed, parameter
from sjs.making.sweep import Command, Sweep, default_name
from sjs.spec_json import sweep_name
from sjs.sweeping.limit import limit
from sjs.values import dataclass, field

MOST = 10_000
"""Settings: their jobs are taken in by one transaction, for which all others who write wait."""

MOST_BYTES = 64 << 20
"""Of what all jobs run, as it goes over the wire."""

MOST_LETTERS = 16 << 20
"""What one command may come to at the most, before it is made to see whether it is too long for a process."""

Scalar = str | int | float | bool

_ALL = re.compile(r"\{(?://|/\.|/|\.|)\}")
_NUMBER = 25
"""Letters of a number out of a range, at most."""
_QUOTED = 5
"""How many letters one becomes, at most, when it is quoted."""


@dataclass(frozen=True)
class Course:
    """How it is to go on, in the words of the command line. `metric`: what is best; `max_running`: so many of its jobs
    may be unended at a time; `stop_after_failures`: then no more begin; `stop_rule`: who is ended for being behind."""

    metric: str | None = None
    max_running: int | None = None
    stop_after_failures: str | None = None
    stop_rule: str | None = None


@dataclass(frozen=True)
class Wish:
    """A sweep: a template (`command`, a text for /bin/sh or words), or a job `spec`. `parameters`: a list is what a
    parameter may be, a text a range as the command line has it; `rows`: values that go together."""

    command: str | Sequence[str] = ""
    spec: JobSpec | None = None
    parameters: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Scalar]] = ()
    samples: int | None = None
    seed: int = 0
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    word: str = ""
    course: Course = field(default_factory=Course)


@dataclass(frozen=True)
class Unfolded:
    """What it comes to. `names`: of its parameters; `notes`: what is odd, and may be meant."""

    name: str
    word: str
    names: Sequence[str]
    new: Sequence[New]
    course: Course
    notes: Sequence[str] = ()


def unfolded(wish: Wish, environ: Mapping[str, str]) -> Unfolded:
    """All of it, or what is wrong: BadParameters for the first setting that a spec does not take."""
    try:
        return _unfolded(wish, environ)
    except UsageError as error:
        raise BadRequest(error.message, error.hint) from None


def _unfolded(wish: Wish, environ: Mapping[str, str]) -> Unfolded:
    drawn = _drawn(wish)
    _check_course(wish.course, drawn.count or MOST)
    named = Command([wish.spec.name], False) if wish.spec is not None else _command(wish.command)
    name = sweep_name("name", wish.name or default_name(named, drawn))
    if wish.spec is not None:
        word, found = wish.word or wish.spec.target or ANY, _of_spec(wish, wish.spec, name, drawn, environ)
        notes = []
    else:
        _check_length(named, drawn)
        sweep = Sweep(name, named.template(drawn.names), drawn, ordering.told({"name": name, **wish.options}))
        word = wish.word or ANY
        found = (ordering.of_what(spec, word) for spec in sweep.specs())
        notes = [f"the command does not use {{{one}}}" for one in sweep.unused]
    if isinstance(drawn, Sample) and drawn.count < drawn.wanted:
        notes.append(f"there are only {drawn.count} settings; each is drawn once")
    return Unfolded(name, word, list(drawn.names), _bounded(found), wish.course, notes)


def _check_course(course: Course, settings: int) -> None:
    if course.metric is not None:
        aims.parse(course.metric)
    if course.stop_after_failures is not None:
        try:
            limit(course.stop_after_failures)
        except ValueError as error:
            raise BadRequest(str(error)) from None
    if course.stop_rule is not None and stopping.parse(course.stop_rule).after > steps(settings):
        raise BadRequest(f"of {settings} settings, {steps(settings)} values of each count", "after=N: no more of them")


def _command(command: str | Sequence[str]) -> Command:
    return Command([command], True) if isinstance(command, str) else Command(command, False)


def _drawn(wish: Wish) -> Product | Sample:
    """The settings, of which there are not too many."""
    parts: list[Rows] = [_table(wish.rows)] if wish.rows else []
    try:
        parts += [_parameter(name, said) for name, said in wish.parameters.items()]
        drawn = settings(parts, wish.samples, wish.seed)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    except UsageError as error:
        raise BadRequest(error.message) from None  # its hints are for who types
    if not drawn.count:
        raise BadRequest("there is no setting", "each parameter needs a value")
    if drawn.count > MOST:
        raise BadRequest(f"these are {drawn.count} settings, of at most {MOST}", "samples: so many of them by chance")
    return drawn


def _parameter(name: str, said: Scalar | Sequence[Scalar]) -> Parameter:
    if isinstance(said, str):
        return parameter(name, [said])
    return listed(name, [written(said)] if isinstance(said, (int, float)) else [written(one) for one in said])


def _table(rows: Sequence[Mapping[str, Scalar]]) -> Linked:
    names = list(rows[0])
    for number, row in enumerate(rows, 1):
        if row.keys() != rows[0].keys():
            raise BadRequest(f"row {number} has other names than the first one", "each row has all of them")
    if not names:
        raise BadRequest("the rows are empty", 'a row is an object, as {"lr": 0.1}')
    try:
        return Linked([listed(name, [written(row[name]) for row in rows]) for name in names])
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _check_length(command: Command, drawn: Product | Sample) -> None:
    """Refuse what would take much memory only to be found too long."""
    longest = [_longest(part) for part in _columns(drawn)]
    braces = sum(word.count("{") for word in command.words)
    every = sum(len(_ALL.findall(word)) for word in command.words)
    letters = sum(map(len, command.words)) + _QUOTED * (braces * max(longest) + every * (sum(longest) + len(longest)))
    if letters > MOST_LETTERS:
        raise BadRequest("a command might come to more than a process can be given", "fewer places, or shorter values")


def _columns(rows: Rows) -> Iterator[Parameter]:
    if isinstance(rows, Parameter):
        yield rows
    elif isinstance(rows, (Product, Linked)):
        for part in rows.parts:
            yield from _columns(part)
    elif isinstance(rows, Sample):
        yield from rows.parameters


def _longest(one: Parameter) -> int:
    values = one.values
    assert isinstance(values, (Listed, Whole, Between))
    return max(map(len, values.texts)) if isinstance(values, Listed) else _NUMBER


def _of_spec(
    wish: Wish, spec: JobSpec, name: str, drawn: Product | Sample, environ: Mapping[str, str]
) -> Iterator[New]:
    """Each setting is bound as it would be for a job of its own."""
    options = {"name": name, **wish.options}
    ordering.check(options, SPEC_OPTIONS)
    names, meant = list(drawn.names), _meant(wish)
    for number, row in enumerate(drawn, 1):
        said = dict(zip(names, row, strict=True))
        given = {one: meant.get(one, {}).get(text, text) for one, text in said.items()}
        bound = bind(spec, given, environ)
        if isinstance(bound, Unbound):
            raise BadParameters(bound.problems, f"setting {number}: ")
        task = Task(name, number, tuple(said.items()))
        yield ordering.of_bound(spec, bound, _typed(bound, said), options, wish.word, task)


def _meant(wish: Wish) -> Mapping[str, Mapping[str, Scalar]]:
    """What was no text when it was said, by how it is written."""
    columns = {
        name: [said] if isinstance(said, (str, int, float)) else list(said) for name, said in wish.parameters.items()
    }
    for row in wish.rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {
        name: {written(value): value for value in values if not isinstance(value, str)}
        for name, values in columns.items()
    }


def _typed(bound: Bound, said: Mapping[str, str]) -> Mapping[str, object]:
    return {name: bound.values[name] for name in said}


def _bounded(found: Iterator[New]) -> Sequence[New]:
    new: list[New] = []
    size = 0
    for one in found:
        new.append(one)
        size += len(one.body) + len(one.parameters or "")
        if size > MOST_BYTES:
            raise BadRequest(f"its jobs have more than {MOST_BYTES} bytes together", "hand it in as several sweeps")
    return new
