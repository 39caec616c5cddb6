"""What a caller wants run, made into what is kept of it. Pure, but for the specs' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sjs import spec_json
from sjs.api.options import JobOptions, spec_of, terms
from sjs.compact import to_json
from sjs.core.job import Spec, Task
from sjs.errors import BadRequest, UsageError
from sjs.gateway.artifacts.collecting import Rules
from sjs.gateway.collecting import wanted
from sjs.gateway.collecting.wanted import Wanted
from sjs.gateway.records.jobs import New
from sjs.gateway.specs.binding import Bound, Problem, Unbound, bind, handed
from sjs.gateway.specs.spec import ArtifactRules, JobSpec
from sjs.values import replace

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

    def __init__(self, problems: Sequence[Problem], whose: str = "") -> None:
        super().__init__(whose + "; ".join(map(str, problems)))
        self.problems = problems


def of_command(command: str | Sequence[str], options: Mapping[str, Any], word: str = ANY) -> New:
    """A job of text for /bin/sh, or of the words of a command."""
    return of_what(_made(command, told(options)), word)


def of_what(spec: Spec, word: str) -> New:
    """A job that runs this."""
    return New(word, spec_json.to_text(spec), name=spec.name, tags=spec.tags)


def told(options: Mapping[str, Any]) -> Spec:
    """What jobs are told, but for what they run."""
    check(options, OPTIONS)
    return _told(options)


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
    spec: JobSpec,
    bound: Bound,
    given: Mapping[str, object],
    options: Mapping[str, Any] | None = None,
    word: str = "",
    task: Task | None = None,
) -> New:
    """The same, where the values are known to be right. `task`: which one of a sweep it is."""
    argv, env = handed(bound)
    more = dict(options or {})
    check(more, SPEC_OPTIONS)
    what = _made(argv, _told({**spec.options, **more, "env": env})).but(task=task)
    new = New(
        word or spec.target or ANY,
        spec_json.to_text(what),
        name=what.name or spec.name,
        spec=spec.name,
        parameters=to_json(dict(given)),
        tags=what.tags,
    )
    return new if spec.artifacts is None else keeping(new, Wanted(rules_of(spec.artifacts)))


def keeping(new: New, what: Wanted) -> New:
    """The same, and what is wanted of what it leaves is kept."""
    told = wanted.told(spec_json.from_text(new.body), what)
    return replace(new, body=spec_json.to_text(told), rules=wanted.to_text(what))


def rules_of(said: ArtifactRules | None) -> Rules:
    """What a spec, or a caller, has said of that; all, if nothing."""
    return Rules(**{key: value for key, value in vars(said).items() if value is not None} if said else {})


_USUAL = Spec()


def check(options: Mapping[str, Any], known: frozenset[str]) -> None:
    """BadRequest for an option that is none of those that are known."""
    strange = sorted(options.keys() - known)
    if strange:
        raise BadRequest(f"no such option of a job here: {strange[0]:.60}", f"there are {', '.join(sorted(known))}")


def _told(options: Mapping[str, Any]) -> Spec:
    if not options:
        return _USUAL
    said = {
        key: tuple(value) if key == "backoff" and isinstance(value, list) else value for key, value in options.items()
    }
    try:
        return terms(cast(JobOptions, said), lambda name, line: None).spec
    except UsageError as error:
        raise BadRequest(error.message, error.hint) from None


def _made(command: str | Sequence[str], base: Spec) -> Spec:
    try:
        return spec_of(command, base)
    except UsageError as error:
        raise BadRequest(error.message, error.hint) from None
