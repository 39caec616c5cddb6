"""What a caller wants run, made into what is kept of it. Pure, but for the specs' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sjs import spec_json
from sjs.api.options import JobOptions, spec_of, terms
from sjs.compact import to_json
from sjs.core.job import Spec
from sjs.errors import BadRequest, UsageError
from sjs.gateway.records.jobs import New
from sjs.gateway.specs.binding import Bound, Problem, Unbound, bind, handed
from sjs.gateway.specs.spec import JobSpec

OPTIONS = frozenset(JobOptions.__annotations__) - {
    *("env_file", "capture_env", "snapshot", "snapshot_limit"),  # they would read this machine's own
    *("after", "key", "if_free"),
}
"""What callers may say of a job: of `JobOptions` what means the same wherever it is said."""

SPEC_OPTIONS = frozenset({"name", "tags", "priority", "hold", "at", "delay"})
"""The same, of a job that a spec describes: what it runs, with what, is the spec's to say."""

ANY = "any"


class BadParameters(BadRequest):
    """What was said to a spec is wrong."""

    code = "bad_parameters"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def of_command(command: str | Sequence[str], options: Mapping[str, Any], word: str = ANY) -> New:
    """A job of text for /bin/sh, or of the words of a command."""
    _check(options, OPTIONS)
    spec = _made(command, options)
    return New(word, spec_json.to_text(spec), name=spec.name)


def of_spec(
    spec: JobSpec,
    given: Mapping[str, object],
    environ: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    word: str = "",
    strict: bool = True,
) -> New:
    """A job of a spec. `options`: what this one is told besides (SPEC_OPTIONS); `word`: instead of its target."""
    bound = bind(spec, given, environ, strict)
    if isinstance(bound, Unbound):
        raise BadParameters(bound.problems)
    return of_bound(spec, bound, given, options, word)


def of_bound(
    spec: JobSpec, bound: Bound, given: Mapping[str, object], options: Mapping[str, Any] | None = None, word: str = ""
) -> New:
    """The same, where the values are known to be right."""
    argv, env = handed(bound)
    more = dict(options or {})
    _check(more, SPEC_OPTIONS)
    what = _made(argv, {**spec.options, **more, "env": env})
    return New(
        word or spec.target or ANY,
        spec_json.to_text(what),
        name=what.name or spec.name,
        spec=spec.name,
        parameters=to_json(dict(given)),
    )


_USUAL = Spec()


def _check(options: Mapping[str, Any], known: frozenset[str]) -> None:
    strange = sorted(options.keys() - known)
    if strange:
        raise BadRequest(f"no such option of a job here: {strange[0]:.60}", f"there are {', '.join(sorted(known))}")


def _made(command: str | Sequence[str], options: Mapping[str, Any]) -> Spec:
    told = {
        key: tuple(value) if key == "backoff" and isinstance(value, list) else value for key, value in options.items()
    }
    try:
        return spec_of(command, terms(cast(JobOptions, told), lambda name, line: None).spec if told else _USUAL)
    except UsageError as error:
        raise BadRequest(error.message, error.hint) from None
