"""What the owner of a key may ask of a queue: from the words in authorized_keys to each of his requests. Pure.

A request is made anew of the fields that it may have, so nothing that is not known here reaches a manager, and no two
readers of it can understand different things.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Sequence, Tuple

from sjs import spec_json
from sjs.core.job import Spec
from sjs.errors import BadRequest, Refused, UsageError
from sjs.wire import MAX_CHUNK_JOBS, text

MOST = 1_000
"""Jobs of a key that may wait and run at a time, unless something else is said."""

DIGITS = 20
STARS = 3
"""More in a pattern can keep a queue busy for long."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)

OPS: Mapping[str, Sequence[str]] = {
    "job": ("submit", "lookup", "report"),
    "status": ("report", "changes"),
    "list": ("list", "changes", "sweeps", "members"),
    "history": ("list",),
    "details": ("details",),
    "why": ("why",),
    "logs": ("read",),
    "wait": ("wait",),
    "cancel": ("cancel",),
    "hold": ("hold",),
    "release": ("release",),
    "retry": ("again",),
    "pause": ("pause",),
    "resume": ("resume",),
    "clean": ("clean",),
    "export": ("list", "environment"),
    "hosts": ("report",),
    "doctor": ("report",),
    "configure": ("configure",),
    "hooks": (),
    "snapshots": (),
    "artifacts": (),
    "drain": ("drain",),
    "undrain": ("undrain",),
    "start": (),
    "stop": ("stop",),
    "run": (),
    "deploy": (),
    "upgrade": (),
}
"""The verbs that a key may be allowed, and what of a queue each of them asks. `hooks` is a part of `configure`,
`snapshots` is to bring files for jobs, `artifacts` to collect
what they left, and have it removed then."""

ERRANDS: Mapping[str, Sequence[str]] = {
    "hosts": ("facts", "time"),
    "doctor": ("facts", "time", "checks"),
    "snapshots": ("keep", "lacking", "seal"),
    "artifacts": ("outputs", "tree", "get", "discard"),
    "run": ("run",),
    "deploy": ("deploy",),
    "upgrade": ("upgrade",),
}
"""What of the machine they ask. Those of `artifacts` are narrowed there (`sjs/errand/own.py`)."""

USUAL = "job,status,list,history,details,why,logs,wait,cancel,hold,release,retry,pause,resume,hosts,doctor,artifacts"
"""What a key may do when nothing is said."""

FIELDS: Mapping[str, Sequence[str]] = {
    "submit": ("key", "jobs", "if_free", "again", "envs"),  # and no `via`: who fails on purpose is to harm no machine
    "lookup": ("key", "after"),
    "report": ("head",),
    "changes": ("since", "timeout"),
    "list": ("jobs", "states", "name", "tag", "since", "sweep", "after", "limit", "newest", "before"),
    "sweeps": ("sweep", "after"),
    "members": ("sweep", "states", "after", "settings"),
    "details": ("job",),
    "why": ("job",),
    "environment": ("digest",),
    "read": ("job", "stream", "follow", "offset", "lines", "since", "attempt", "brief", "of"),
    "wait": ("jobs", "timeout", "attempt"),
    "cancel": ("jobs", "grace", "after", "signal", "note"),
    "hold": ("jobs", "after"),
    "release": ("jobs", "after"),
    "again": ("jobs", "after"),
    "pause": ("jobs",),
    "resume": ("jobs",),
    "clean": ("jobs", "after"),
    "configure": (
        *("max_jobs", "keep_days", "keep_jobs", "low_water", "cpus", "mem", "gpus", "resources", "gpu_policy"),
        *("on_start", "on_finish", "hook_timeout"),
    ),
    "drain": (),
    "undrain": (),
    "stop": ("kill", "if_idle", "undrain"),
}

HOOKS = ("on_start", "on_finish", "hook_timeout")
OWN = ("read", "cancel", "hold", "release", "again", "pause", "resume", "clean")
"""What is asked about one's own jobs only."""

CHANGES = ("submit", *OWN[1:], "configure", "drain", "undrain", "stop")


class Rules(NamedTuple):
    """What one key may do. `only`: beginnings of the commands that its jobs may be; `env`: the variables that these may
    be given; `most`: how many may wait and run at a time."""

    name: str
    root: str
    pipe: str
    state: str
    verbs: FrozenSet[str]
    only: Tuple[Tuple[str, ...], ...] = ()
    env: Tuple[str, ...] = ()
    most: int = MOST
    all_jobs: bool = False

    @property
    def ops(self) -> FrozenSet[str]:
        """What it may ask of the queue."""
        return frozenset(op for verb in self.verbs for op in OPS[verb])

    @property
    def errands(self) -> List[str]:
        """What it may ask of the machine."""
        return sorted({errand for verb in self.verbs for errand in ERRANDS.get(verb, ())})

    def words(self) -> List[str]:
        """As they stand in authorized_keys, and as `parse` reads them."""
        said = [self.name, "--root", self.root, "--pipe", self.pipe]
        said += ["--state", self.state] if self.state else []
        said += ["--allow", ",".join(verb for verb in OPS if verb in self.verbs), "--max-queued", str(self.most)]
        for words in self.only:
            said += ["--only", " ".join(words) if _is_plain(words) else json.dumps(words)]
        said += ["--env", ",".join(self.env)] if self.env else []
        return said + (["--all-jobs"] if self.all_jobs else [])


def parse(words: Sequence[str]) -> Rules:
    """NAME and options; UsageError says what is wrong with them."""
    name, *rest = words or ("",)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r:.80} is no name for a key", "letters, digits and . _ @ -")
    said: Dict[str, List[str]] = {}
    while rest:
        option = rest.pop(0)
        if option not in _OPTIONS or (option != "--all-jobs" and not rest):
            raise UsageError(f"a gate knows no {option!r:.40}, or nothing follows it")
        said.setdefault(option, []).append("" if option == "--all-jobs" else rest.pop(0))

    def last(option: str, default: str) -> str:
        return said.get(option, [default])[-1]

    return Rules(
        name,
        last("--root", "~"),
        last("--pipe", "jobs.pipe"),
        last("--state", ""),
        verbs=_verbs(last("--allow", USUAL)),
        only=tuple(map(_beginning, said.get("--only", ()))),
        env=tuple(name for name in last("--env", "").split(",") if name),
        most=_count(last("--max-queued", str(MOST))),
        all_jobs="--all-jobs" in said,
    )


_OPTIONS = ("--root", "--pipe", "--state", "--allow", "--only", "--env", "--max-queued", "--all-jobs")


def _verbs(text: str) -> FrozenSet[str]:
    verbs = frozenset(word.strip() for word in text.split(",") if word.strip())
    unknown = sorted(verbs - set(OPS))
    if unknown or not verbs:
        what = f"'{unknown[0]}' can not be allowed" if unknown else "a key that may do nothing is no key"
        raise UsageError(what, f"what can be: {', '.join(OPS)}")
    return verbs


def _beginning(text: str) -> Tuple[str, ...]:
    """Words with blanks between them, or a JSON list of words that hold some."""
    try:
        words = json.loads(text) if text.startswith("[") else text.split()
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(one, str) and one for one in words):
        raise UsageError(f"--only {text!r:.80} is no list of words")
    return tuple(words)


def _is_plain(words: Sequence[str]) -> bool:
    return not words[0].startswith("[") and " ".join(words).split() == list(words)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:9]) <= 100_000 or len(text) > 6:
        raise UsageError("--max-queued is a number from 1 to 100000")
    return int(text)


def decode(line: bytes) -> Dict[str, Any]:
    """The request in a line. Numbers that take long to read are none."""
    try:
        message = json.loads(line, parse_int=_whole, parse_constant=_whole)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not a JSON line: {error}") from None
    if not isinstance(message, dict) or type(message.get("id")) is not int:
        raise BadRequest("a request is an object with a whole number as its 'id'")
    return message


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def admitted(rules: Rules, request: Mapping[str, Any]) -> Dict[str, Any]:
    """The request as the manager is to get it, in the name of the key. Refused says why it is not to."""
    op = request.get("op")
    if not isinstance(op, str) or op not in rules.ops:
        raise Refused(f"the key {rules.name} may not {op!r:.40}", f"it may {', '.join(sorted(rules.ops))}")
    made = {"op": op, "id": request["id"], **{name: request[name] for name in FIELDS[op] if name in request}}
    if op in ("submit", "lookup") and request.get("key") is not None:
        made["key"] = f"{rules.name}:{text(dict(request), 'key')}"  # nobody uses up, or asks about, another's keys
    if op == "submit":
        made.update(jobs=_jobs(rules, request), submitter=rules.name, most=rules.most)
    if op == "configure" and "hooks" not in rules.verbs and any(name in request for name in HOOKS):
        raise Refused(f"the key {rules.name} may set no commands for starts and ends")
    if op == "list" and str(request.get("name", "")).count("*") > STARS:
        raise Refused(f"a pattern with more than {STARS} *")
    if op in OWN and not rules.all_jobs:
        made["submitter"] = rules.name
    return made


def _jobs(rules: Rules, request: Mapping[str, Any]) -> List[Dict[str, Any]]:
    jobs = request.get("jobs")
    if not isinstance(jobs, list) or len(jobs) > MAX_CHUNK_JOBS:
        raise BadRequest(f"'jobs' must be a list of at most {MAX_CHUNK_JOBS} jobs")
    if rules.only and request.get("envs"):
        raise Refused(f"jobs of the key {rules.name} are given no environment", _hint(rules))
    specs = [spec_json.from_wire(body) for body in jobs]
    for spec in specs:
        _check(rules, spec)
    return [spec_json.to_wire(spec) for spec in specs]


def _check(rules: Rules, spec: Spec) -> None:
    if spec.priority > 0 and not rules.all_jobs:
        raise Refused(f"jobs of the key {rules.name} go before nobody's", "leave --priority out, or say less than 0")
    if rules.only:
        fault = _fault(rules, spec)
        if fault:
            raise Refused(f"jobs of the key {rules.name} {fault}", _hint(rules))


def _fault(rules: Rules, spec: Spec) -> str:
    """What keeps a job from being one of those that are named: all by which the same words could run something else."""
    if spec.argv is None:
        return "are no text for a shell"
    if not any(spec.argv[: len(words)] == words for words in rules.only):
        return "begin in another way"
    if spec.cwd is not None or spec.stdin is not None:
        return "start in project_root, and read nothing on stdin"
    if spec.snapshot is not None:
        return "bring no files of their own"
    strange = [name for name, _ in spec.env if name not in rules.env]
    if strange or spec.env_base:
        return f"are not given {strange[0] if strange else 'an environment'}"
    return ""


def _hint(rules: Rules) -> str:
    return "they are: " + " or ".join("-- " + " ".join(words) for words in rules.only)
