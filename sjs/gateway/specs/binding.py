"""A spec and what a caller says, made into a command and its environment, or into what is wrong with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sjs.core.names import suggestion
from sjs.gateway.specs.spec import MOST_BYTES, JobSpec, Parameter, Value, Word, could_be_option, variables
from sjs.gateway.specs.values import Trouble, read_value, trouble, written
from sjs.values import dataclass, field

MOST_NAMED = 20
_KINDS = {"string": "a text", "int": "a whole number of 64 bits", "float": "a finite number", "bool": "true or false"}
_SETTABLE = re.compile(r"(?!SJS_)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""What an option of jobs, env, takes; other names only a program can set for another."""


@dataclass(frozen=True)
class Bound:
    """What is to be run. `values`: what the parameters are, in their types; those without a value are not there."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    values: Mapping[str, Value] = field(repr=False)


@dataclass(frozen=True)
class Problem:
    """What is wrong with one parameter: `missing`, `unknown`, `bad_type` (the spec's fault), `not_a` (its type),
    `out_of_range`, `not_a_choice`, `no_match`, `too_long`, `nul`, `not_text`, `dash`; with all of them, `too_much`,
    which has no name. Nothing of a value is told."""

    code: str
    name: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"parameter '{self.name}' {self.text}" if self.name else self.text


@dataclass(frozen=True)
class Unbound:
    """All that is wrong: first with the spec's parameters in their order, then with what it does not know."""

    problems: tuple[Problem, ...]


def bind(
    spec: JobSpec, given: Mapping[str, object], environ: Mapping[str, str] | None = None, strict: bool = True
) -> Bound | Unbound:
    """What a job of this spec is to run. `given`: values as JSON has them, or texts; None is not given. `environ`:
    where what the spec preserves is taken from. Not `strict`, what the spec does not know is passed over, as jobmgr
    does."""
    problems: list[Problem] = []
    values: dict[str, Value] = {}
    for parameter in spec.parameters:
        found = _value(spec, parameter, given.get(parameter.name))
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            values[parameter.name] = found
    problems += _unknown(spec, given) if strict else []
    if sum(len(written(value).encode("utf-8", "replace")) for value in values.values()) > MOST_BYTES:
        text = f"the parameters have more than {MOST_BYTES} bytes together"
        problems.append(Problem("too_much", "", text, {"most": MOST_BYTES}))
    if problems:
        return Unbound(tuple(problems))
    return Bound(_argv(spec, values), _env(spec, values, environ or {}), values)


def handed(bound: Bound) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and the `env` of a job: variables that a job can not be told, as SJS_PARAM_X and
    JOBMGR_PARAMETER_A-B, are set by env(1) before the command."""
    told = {name: value for name, value in bound.env.items() if _SETTABLE.fullmatch(name)}
    others = tuple(f"{name}={value}" for name, value in bound.env.items() if name not in told)
    return (("env", *others, *bound.argv) if others else bound.argv), told


def _value(spec: JobSpec, parameter: Parameter, given: object) -> Value | None | Problem:
    name, kind = parameter.name, parameter.type
    if given is None:
        return Problem("missing", name, "is required but not set") if parameter.required else parameter.default
    if not parameter.is_usable:
        return Problem("bad_type", name, f"has the type '{kind:.40}', which is none", {"type": kind})
    value = read_value(kind, given)
    if value is None:
        return Problem("not_a", name, f"must be {_KINDS[kind]}", {"type": kind})
    wrong = trouble(parameter, value) or _dash(spec, parameter, value)
    return value if wrong is None else Problem(wrong.code, name, wrong.text, wrong.data)


def _dash(spec: JobSpec, parameter: Parameter, value: Value) -> Trouble | None:
    is_one = isinstance(value, str) and value.startswith("-") and could_be_option(spec, parameter)
    return Trouble("dash", "begins with -, as options do") if is_one else None


def _unknown(spec: JobSpec, given: Mapping[str, object]) -> list[Problem]:
    known = [one.name for one in spec.parameters]
    strange = sorted(name for name in given if name not in known)[:MOST_NAMED]
    return [
        Problem("unknown", name[:100], f"is none of this spec{suggestion(name[:100], known)}", {"known": known})
        for name in strange
    ]


def _argv(spec: JobSpec, values: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(text for text in (_word(word, values) for word in spec.command) if text is not None)


def _word(word: Word, values: Mapping[str, Value]) -> str | None:
    texts = []
    for piece in word:
        if isinstance(piece, str):
            texts.append(piece)
        elif piece.name in values:
            texts.append(written(values[piece.name]))
        else:
            return None
    return "".join(texts)


def _env(spec: JobSpec, values: Mapping[str, Value], environ: Mapping[str, str]) -> dict[str, str]:
    """The gateway's own variables that the spec wants, then what it sets, then its parameters; of two parameters that
    would be one variable, a-b and a_b, the one that is called so has it."""
    found = {name: environ.get(name, "") for name in spec.preserved}
    found.update(spec.options.get("env", {}))
    spelled = sorted(((variables(name), written(value)) for name, value in values.items()), key=_hyphens_first)
    found.update((one, text) for names, text in spelled for one in names)
    return found


def _hyphens_first(spelled: tuple[tuple[str, ...], str]) -> int:
    return -len(spelled[0])
