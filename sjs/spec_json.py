"""What is to be run, as JSON: on the wire and in the queue's rows. What is left out is as usual.

{"command": "python train.py", "name": "lr-3", "cpus": 4, "gpus": 500, "timeout": 3600, "after": [["ok", [[1, 3]]]]}
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Optional, Tuple

from sjs.compact import to_json
from sjs.core.job import AFTER, MAX_COMMAND_BYTES, ON_LOST, RETRY_ON, Range, Retry, Snapshot, Spec, Task
from sjs.core.needs import WHOLE, Needs
from sjs.errors import BadRequest

MAX_NAME = 256
NO_SWEEPS = ("all", "last")
"""Words that mean other jobs."""

MAX_PAIRS = 1_000
MAX_NATIVE = 65_536
MAX_RANGES = 1_000
MAX_BACK = 1_000
MAX_SECONDS = 10 * 366 * 86_400.0
MAX_COUNT = 1_000_000
MAX_BYTES = 2**62

_SPEC = Spec()
NEEDS, RETRY = _SPEC.needs, _SPEC.retry
USUAL = vars(_SPEC)
"""What the fields of a spec are, unless something else is said."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SWEEP = re.compile(r"[A-Za-z][A-Za-z0-9._@-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_CODE = re.compile(r"(?:exit|signal):\d{1,3}", re.ASCII)


def to_wire(spec: Spec) -> Dict[str, Any]:
    said = vars(spec)
    body: Dict[str, Any] = {"command": spec.command} if spec.argv is None else {"argv": list(spec.argv)}
    for key, usual in _PLAIN.items():
        if said[key] != usual:
            body[key] = said[key]
    for key in ("tags", "env"):
        if said[key]:
            body[key] = dict(said[key])
    if spec.needs is not NEEDS and spec.needs != NEEDS:
        body.update(needs_to_wire(spec.needs))
    if spec.retry is not RETRY and spec.retry != RETRY:
        body["retry"] = {**vars(spec.retry), "on": list(spec.retry.on)}
    if spec.snapshot is not None:
        body["snapshot"] = {name: value for name, value in vars(spec.snapshot).items() if value}
    if spec.task is not None:
        body["task"] = {**vars(spec.task), "values": dict(spec.task.values)}
    if spec.native:
        body["native"] = {kind: json.loads(said) for kind, said in spec.native}
    if spec.after:
        body["after"] = [[kind, [list(span) for span in spans]] for kind, spans in spec.after]
    return body


def needs_to_wire(needs: Needs) -> Dict[str, Any]:
    """What a job takes, but for what is usual."""
    body: Dict[str, Any] = {key: getattr(needs, key) for key in _COUNTS if getattr(needs, key) != getattr(NEEDS, key)}
    if needs.named:
        body["resources"] = dict(needs.named)
    return body


def from_wire(body: Any) -> Spec:
    """A checked spec: exactly one of command and argv, and nothing that no process can be given."""
    if not isinstance(body, dict):
        raise BadRequest("a job is an object with 'command' or 'argv'")
    command, argv = body.get("command"), body.get("argv")
    if (command is None) == (argv is None):
        raise BadRequest("a job has either 'command' or 'argv'")
    what = {"command": check_text("command", command)} if argv is None else {"argv": _argv(argv)}
    if len(body) == 1:
        return _SPEC.but(**what)
    more = {key: _CHECKS[key](key, value) for key, value in body.items() if key in _CHECKS and value is not None}
    return _SPEC.but(**what, **more, needs=NEEDS if _NEEDED.isdisjoint(body) else _needs(body))


def to_text(spec: Spec) -> str:
    """The spec as it is stored."""
    return to_json(to_wire(spec))


def from_text(stored: str) -> Spec:
    """The stored spec, checked again: a disk or a hand may have changed it."""
    try:
        return from_wire(json.loads(stored))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not JSON: {error}") from None


def check_text(name: str, value: Any) -> str:
    """Text that a process can be given."""
    if not isinstance(value, str):
        raise BadRequest(f"'{name}' must be text")
    if "\0" in value:
        raise BadRequest(f"'{name}' holds a NUL character, which no process can be given")
    try:
        size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise BadRequest(f"'{name}' holds half of a surrogate pair, which is no text") from None
    if size > MAX_COMMAND_BYTES:
        raise BadRequest(
            f"'{name}' has {size} bytes; a process can be given {MAX_COMMAND_BYTES}", "put it into a script file"
        )
    return value


def _argv(value: Any) -> Tuple[str, ...]:
    if not isinstance(value, list) or not value or not value[0]:
        raise BadRequest("'argv' is a list of strings, the first of them the program")
    return tuple(check_text("argv", word) for word in value)


def _name(key: str, value: Any) -> str:
    text = check_text(key, value)
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
        raise BadRequest(f"'{key}' must be 1 to {MAX_NAME} printable characters")
    return text


def _pairs(key: str, value: Any) -> Tuple[Tuple[str, Any], ...]:
    if not isinstance(value, dict) or len(value) > MAX_PAIRS:
        raise BadRequest(f"'{key}' must be an object of at most {MAX_PAIRS} entries")
    return tuple(value.items())


def _tags(key: str, value: Any) -> Tuple[Tuple[str, str], ...]:
    return tuple((_name(key, name), check_text(key, text)) for name, text in _pairs(key, value))


def env(key: str, value: Any) -> Tuple[Tuple[str, str], ...]:
    pairs = _pairs(key, value)
    for name, text in pairs:
        if not _NAME.fullmatch(name) or name.startswith("SJS_"):
            raise BadRequest(f"{name!r:.60} can not be set: no name of a variable, or one of sjs's own")
        check_text(key, text)
    return pairs


def resources(key: str, value: Any) -> Tuple[Tuple[str, int], ...]:
    """Numbers of things by their names."""
    pairs = _pairs(key, value)
    return tuple(sorted((_name(key, name), whole(0, MAX_COUNT)(f"{key}.{name}", count)) for name, count in pairs))


def whole(low: int, high: int) -> Callable[[str, Any], int]:
    """What checks that a field is a whole number."""

    def check(key: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise BadRequest(f"'{key}' must be a whole number from {low} to {high}, not {value!r:.40}")
        return value

    return check


def seconds(low: float, high: float = MAX_SECONDS) -> Callable[[str, Any], float]:
    """What checks that a field is a time."""

    def check(key: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise BadRequest(f"'{key}' must be a number of seconds from {low:g} to {high:g}, not {value!r:.40}")
        return float(value)

    return check


def _one_of(known: Tuple[str, ...]) -> Callable[[str, Any], str]:
    def check(key: str, value: Any) -> str:
        if value not in known:
            raise BadRequest(f"'{key}' must be one of {', '.join(known)}, not {value!r:.40}")
        return str(value)

    return check


def _flag(key: str, value: Any) -> bool:
    if type(value) is not bool:
        raise BadRequest(f"'{key}' must be true or false")
    return value


def digest(key: str, value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise BadRequest(f"'{key}' must be a digest")
    return value


def _snapshot(key: str, value: Any) -> Snapshot:
    if not isinstance(value, dict):
        raise BadRequest(f"'{key}' must be an object")
    commit = value.get("commit", "")
    if commit and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise BadRequest(f"'{key}.commit' must be a commit")
    diff = digest(f"{key}.diff", value["diff"]) if value.get("diff") else ""
    return Snapshot(digest(f"{key}.id", value.get("id")), commit, diff)


def sweep_name(key: str, value: Any) -> str:
    """What a sweep may be called: a word that stands for itself in a shell."""
    if not isinstance(value, str) or not _SWEEP.fullmatch(value) or value in NO_SWEEPS:
        hint = f"a letter, then letters, digits and . _ @ -; neither {' nor '.join(NO_SWEEPS)}"
        raise BadRequest(f"'{key}' must be the name of a sweep, not {value!r:.60}", hint)
    return value


def _task(key: str, value: Any) -> Task:
    if not isinstance(value, dict):
        raise BadRequest(f"'{key}' must be an object")
    return Task(
        sweep_name(f"{key}.sweep", value.get("sweep")),
        whole(1, MAX_BYTES)(f"{key}.number", value.get("number")),
        _tags(f"{key}.values", value.get("values", {})),
    )


def _native(key: str, value: Any) -> Tuple[Tuple[str, str], ...]:
    """What may be in it, only targets of that kind know."""
    for kind, said in _pairs(key, value):
        if not _KIND.fullmatch(kind):
            raise BadRequest(f"'{key}' holds {kind!r:.40}, which is no kind of target")
        if not isinstance(said, dict) or len(to_json(said)) > MAX_NATIVE:
            raise BadRequest(f"'{key}.{kind}' must be an object of at most {MAX_NATIVE} bytes as JSON")
    return tuple((kind, to_json(said)) for kind, said in sorted(value.items()))


def _retry(key: str, value: Any) -> Retry:
    if not isinstance(value, dict):
        raise BadRequest(f"'{key}' must be an object")
    on = value.get("on", list(RETRY.on))
    if not isinstance(on, list) or not all(isinstance(one, str) for one in on):
        raise BadRequest(f"'{key}.on' must be a list of words")
    for one in on:
        if one not in RETRY_ON and not _CODE.fullmatch(one):
            raise BadRequest(f"'{key}.on' knows {', '.join(RETRY_ON)}, exit:N and signal:N, not {one!r:.40}")
    return Retry(
        count=whole(0, MAX_COUNT)(f"{key}.count", value.get("count", 0)),
        delay=seconds(0)(f"{key}.delay", value.get("delay", RETRY.delay)),
        factor=seconds(1, 1_000)(f"{key}.factor", value.get("factor", RETRY.factor)),
        on=tuple(on),
    )


def _after(key: str, value: Any) -> Tuple[Tuple[str, Tuple[Range, ...]], ...]:
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 2 for one in value):
        raise BadRequest(f"'{key}' must be a list of pairs [kind, ranges of ids]")
    return tuple((_one_of(AFTER)(key, kind), _ranges(key, spans)) for kind, spans in value)


def _ranges(key: str, value: Any) -> Tuple[Range, ...]:
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        raise BadRequest(f"'{key}' must hold at most {MAX_RANGES} ranges [first, last]")
    return tuple(_back(one) or range_of(key, one) for one in value)


def _back(value: Any) -> Optional[Range]:
    """Jobs of the same request, counted back from the one that waits for them: [-1, -1] is the one before it."""
    if isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        low, high = value
        return (low, high) if -MAX_BACK <= low <= high < 0 else None
    return None


def range_of(key: str, value: Any) -> Range:
    """A closed range of job ids."""
    if isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        low, high = value
        if 0 <= low <= high <= MAX_BYTES:
            return low, high
    raise BadRequest(f"'{key}' holds {value!r:.40}, which is no range [first, last] of job ids")


def _needs(body: Dict[str, Any]) -> Needs:
    found: Dict[str, Any] = {key: check(key, body[key]) for key, check in _COUNTS.items() if body.get(key) is not None}
    if body.get("resources") is not None:
        found["named"] = resources("resources", body["resources"])
    gpus = found.get("gpus", 0)
    if gpus > WHOLE and gpus % WHOLE:
        raise BadRequest("'gpus' is a part of one GPU, or whole ones")
    return Needs(**found) if found else NEEDS


_WORDS = "cwd name env_base priority timeout grace at hold on_lost stdin merge nice artifacts"
_PLAIN = {key: USUAL[key] for key in _WORDS.split()}
"""Fields that are on the wire what they are in a spec, and what is usual."""

_CHECKS: Dict[str, Callable[[str, Any], Any]] = {
    "cwd": check_text,
    "name": _name,
    "env_base": digest,
    "priority": whole(-MAX_COUNT, MAX_COUNT),
    "timeout": seconds(0.001),
    "grace": seconds(0),
    "at": seconds(0, 2.0**40),
    "hold": _flag,
    "on_lost": _one_of(ON_LOST),
    "stdin": check_text,
    "merge": _flag,
    "nice": whole(0, 19),
    "tags": _tags,
    "env": env,
    "retry": _retry,
    "after": _after,
    "snapshot": _snapshot,
    "task": _task,
    "native": _native,
    "artifacts": _flag,
}

_COUNTS: Dict[str, Callable[[str, Any], int]] = {
    "slots": whole(1, MAX_COUNT),
    "cpus": whole(0, MAX_COUNT),
    "mem": whole(0, MAX_BYTES),
    "gpus": whole(0, MAX_COUNT),
    "gpu_mem": whole(0, MAX_BYTES),
}

_NEEDED = frozenset([*_COUNTS, "resources"])
