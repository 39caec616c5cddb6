"""Python calls as jobs: a call on its way to a machine, and the answer on its way back.

Small parts travel in the job's environment, where only its own user sees them, and which the runner empties; others as
files of a snapshot, which a machine is sent once.
"""

from __future__ import annotations

import base64
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from sjs.api import runner
from sjs.api.options import Terms
from sjs.capture.beside import with_folder
from sjs.config import Manager, cache_path
from sjs.core.job import Job, Spec
from sjs.dealing import folder
from sjs.environment import digest
from sjs.errors import SjsError, UsageError
from sjs.extras import how_to_get
from sjs.snapshots.store import Store
from sjs.spec_json import MAX_NAME
from sjs.values import dataclass, replace

SMALL = 16 << 10
"""Bytes, packed, of a part that travels in the environment: it is in the record for as long as that is kept."""

PARTS = ".sjs-call"
BOOT = 'import os; exec(os.environ["_SJS_RUNNER"])'

Pickled = tuple[bytes, bytes]
"""A function, and what it is called with."""


Outcome = tuple[Any, BaseException | None]
"""What a function has returned, or why it has not."""


class CallFailed(SjsError):
    """The job of a call ended without an answer. `job`: its record, as far as there is one."""

    code = "call_failed"

    def __init__(self, message: str, hint: str = "", job: Job | None = None) -> None:
        super().__init__(message, hint)
        self.job = job


class RemoteTraceback(Exception):
    """Where a function has raised an exception on its machine: the cause of that exception here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tb = text

    def __str__(self) -> str:
        return f'\n"""\n{self.tb}"""'


def dumps(value: object) -> bytes:
    """As a pickle, functions by value where they have no module that others could import."""
    found: bytes = _cloudpickle().dumps(value, runner.PROTOCOL)
    return found


@dataclass(frozen=True)
class Packing:
    """Makes jobs of calls. `terms`: what is said of all; `manager`: where a folder that was named is, as for `any`."""

    python: Sequence[str]
    terms: Terms
    manager: Manager

    @classmethod
    def of(cls, python: str | Sequence[str], terms: Terms, manager: Manager) -> Packing:
        """What all calls have in common goes into the environment that they begin with."""
        pickling = _cloudpickle()
        source = Path(pickling.cloudpickle.__file__).read_bytes()
        ours = {
            "_SJS_RUNNER": Path(runner.__file__).read_text(encoding="utf-8"),
            "_SJS_PICKLING": f"{pickling.__version__}:{base64.b85encode(zlib.compress(source)).decode('ascii')}",
            "_SJS_PYTHON": "{}.{}".format(*sys.version_info),
        }
        variables = {**next(iter(terms.envs.values()), {}), **ours}
        name = digest(variables)
        found = replace(terms, envs={name: variables}, spec=replace(terms.spec, env_base=name))
        return cls([python] if isinstance(python, str) else list(python), found, manager)

    def spec(self, label: str, call: Pickled, each: bool = False) -> Spec:
        """The job of a call. `each`: it is many calls of one function, with a list of arguments for each."""
        said = dict(self.terms.spec.env)
        if each:
            said["_SJS_EACH"] = "1"
        large: dict[str, bytes] = {}
        for name, data in zip(("function", "arguments"), call, strict=True):
            packed = zlib.compress(data)
            if len(packed) <= SMALL:
                said[f"_SJS_{name.upper()}"] = base64.b85encode(packed).decode("ascii")
            else:
                large[name] = data
        spec = self.terms.spec.but(
            argv=(*self.python, "-c", BOOT, label),
            name=self.terms.spec.name or _printable(label),
        )
        if large:
            snapshot = with_folder(PARTS, large, spec.snapshot, Store(cache_path("snapshots", os.environ)))
            spec = spec.but(snapshot=snapshot, cwd=None if spec.snapshot is None else spec.cwd)
            said["_SJS_PARTS"] = os.path.relpath(PARTS, spec.cwd or ".")
            if self.terms.spec.snapshot is None:
                said["_SJS_CWD"] = folder(self.manager, self.terms.spec.cwd) or ""
        return spec.but(env=tuple(said.items()))


def answer(job: Job, where: str, data: bytes | None) -> Outcome:
    """What the job of a call has come to. What a machine has sent is believed: reading it runs what it says."""
    if data is None:
        return None, _lost(job, where)
    kind, _, body = data.partition(b"\n")
    if kind == b"trouble":
        return None, CallFailed(f"{where}:{job.id}: {body.decode('utf-8', 'replace')}", "", job)
    try:
        found = pickle.loads(body)
    except BaseException as error:  # noqa: BLE001 (somebody's own code reads it)
        failed = CallFailed(f"the answer of {where}:{job.id} cannot be read here: {error!r}", "", job)
        failed.__cause__ = error
        return None, failed
    if kind == b"result":
        return found, None
    raised, text = found
    raised.__cause__ = RemoteTraceback(text)
    return None, raised


def label_of(function: Callable[..., Any]) -> str:
    """What a function is called in lists of jobs."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).removeprefix("<locals>.")


def _lost(job: Job, where: str) -> CallFailed:
    end = job.end
    how = job.state if end is None or end.reason == "exit" else end.reason
    if end is not None and end.signal is not None:
        how += f" {end.signal}"
    elif end is not None and end.exit is not None:
        how = f"exit status {end.exit}"
    detail = f" ({end.detail})" if end is not None and end.detail else ""
    message = f"job {where}:{job.id} ended without an answer: {how}{detail}"
    return CallFailed(message, f"submit {where} logs {job.id}", job)


def _printable(label: str) -> str:
    return "".join(one for one in label if one.isprintable())[:MAX_NAME] or "call"


@cache
def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        raise UsageError("functions travel by cloudpickle, which is not here", how_to_get("functions")) from None
    return cloudpickle
