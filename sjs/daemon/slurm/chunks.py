"""What is handed to Slurm together, as files that say so before it is, and that its nodes see.

<state>/slurm/id               what tells this queue from others in comments of Slurm's jobs
<state>/slurm/node-<digest>.py the program on the nodes
<state>/slurm/<name>/jobs      a line for what all of a chunk share, then one for each of its jobs
                     script    what Slurm runs of it
                     given     the number that Slurm has given it, once that is known
                     said      what the script had to say, of all jobs
                     marks/    N.start: the Nth was begun, by a node, or by us, so that no node ever does; N.end
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from sjs.compact import to_json
from sjs.core.quantities import duration_text
from sjs.daemon.ground.kernel import sync_folder
from sjs.daemon.ground.notes import last_line, note
from sjs.daemon.ground.starting import Start
from sjs.daemon.slurm.shape import Shape

VERSION = 1
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node.py")
GONE = ".gone"

_SCRIPT = """\
#!/bin/sh
python={python}
command -v "$python" >/dev/null 2>&1 || python=python3
exec "$python" -I -S {program} {folder}
"""


class Mark(NamedTuple):
    """What a node has left of a job when it began; without a host, it was us who kept it from ever beginning."""

    host: str = ""
    pid: int = 0
    at: float = 0.0
    id: str = ""


class Chunk(NamedTuple):
    """A chunk as its files tell of it."""

    folder: str
    name: str
    at: float
    shape: Shape
    tags: Tuple[str, ...]

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.name)

    @property
    def script(self) -> str:
        return os.path.join(self.path, "script")

    @property
    def output(self) -> str:
        return os.path.join(self.path, "said")

    def given(self) -> str:
        """The number that Slurm gave it; nothing, where that is not known."""
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.path, "given"), encoding="ascii") as source:
            return source.read().strip()
        return ""

    def keep_given(self, number: str) -> None:
        _write(os.path.join(self.path, "given"), number)

    def claim(self, number: int) -> bool:
        """Keep the job from ever beginning; not, if it has begun."""
        try:
            os.close(os.open(self._mark(number, "start"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def marks(self) -> Iterator[Tuple[int, str]]:
        """Which there are: (number, `start` or `end`)."""
        try:
            names = os.listdir(os.path.join(self.path, "marks"))
        except FileNotFoundError:
            return
        for name in names:
            number, _, what = name.partition(".")
            if number.isdigit() and what in ("start", "end"):
                yield int(number), what

    def start_of(self, number: int) -> Optional[Mark]:
        """What its node said at its start."""
        told = _read(self._mark(number, "start"))
        return None if told is None else Mark(**{name: told[name] for name in Mark._fields if name in told})

    def end_of(self, number: int) -> Optional[Dict[str, Any]]:
        """How it ended, if that was left."""
        return _read(self._mark(number, "end")) or None

    def last_words(self) -> str:
        """What its scripts said last, which they do only of trouble."""
        return last_line(self.output) if os.path.exists(self.output) else ""

    def starts(self) -> List[Start]:
        """What it is made of."""
        with open(os.path.join(self.path, "jobs"), encoding="ascii") as source:
            common = json.loads(source.readline())
            jobs = [json.loads(line) for line in source]
        told = [{**job, "env": {**common["env"], **job["env"]}} for job in jobs]
        return [Start(**{name: job[name] for name in Start._fields if name in job}) for job in told]

    def remove(self) -> None:
        """Have it be gone, all at once: whoever comes for it finds nothing."""
        aside = self.path + GONE
        try:
            os.rename(self.path, aside)
            shutil.rmtree(aside)
        except OSError as error:
            note(f"{self.path} could not be removed: {error}")

    def _mark(self, number: int, what: str) -> str:
        return os.path.join(self.path, "marks", f"{number}.{what}")


class Chunks:
    """Those of one queue."""

    def __init__(self, state: str) -> None:
        self._folder = os.path.join(state, "slurm")
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)
        self.id = self._identity()
        self._program = self._copy()

    def found(self) -> List[Chunk]:
        """Those that an earlier keeper has left, oldest first. What was half made was never handed in."""
        found = []
        for name in os.listdir(self._folder):
            if name.endswith(GONE):
                shutil.rmtree(os.path.join(self._folder, name), ignore_errors=True)
                continue
            try:
                with open(os.path.join(self._folder, name, "jobs"), encoding="ascii") as source:
                    told = json.loads(source.readline())
            except (NotADirectoryError, FileNotFoundError):
                continue
            found.append(Chunk(self._folder, name, told["at"], tuple(told["shape"]), tuple(told["tags"])))
        return sorted(found, key=lambda one: (one.at, one.name))

    def make(self, shape: Shape, starts: Sequence[Start], umask: int) -> Chunk:
        """Write down what is to be handed in together. It is on the disk when this returns."""
        name = os.urandom(6).hex()
        chunk = Chunk(self._folder, name, time.time(), shape, tuple(one.tag for one in starts))
        os.mkdir(chunk.path, 0o700)
        os.mkdir(os.path.join(chunk.path, "marks"), 0o700)
        script = _SCRIPT.format(
            python=shlex.quote(sys.executable), program=shlex.quote(self._program), folder=shlex.quote(chunk.path)
        )
        _write(chunk.script, script)
        env = dict(set.intersection(*(set(one.env.items()) for one in starts)))
        common = {"version": VERSION, "at": chunk.at, "shape": shape, "tags": chunk.tags, "umask": umask, "env": env}
        lines = [common, *(_job(one, env) for one in starts)]
        _write(os.path.join(chunk.path, "jobs"), "".join(f"{to_json(line)}\n" for line in lines))
        sync_folder(chunk.path)
        sync_folder(self._folder)
        return chunk

    def _identity(self) -> str:
        path = os.path.join(self._folder, "id")
        if not os.path.exists(path):
            _write(path, os.urandom(6).hex())
        with open(path, encoding="ascii") as source:
            return source.read().strip()

    def _copy(self) -> str:
        """The program where nodes see it, for longer than our own code lies where it does."""
        with open(PROGRAM, encoding="utf-8") as source:
            text = source.read()
        path = os.path.join(self._folder, f"node-{hashlib.sha256(text.encode()).hexdigest()[:12]}.py")
        if not os.path.exists(path):
            _write(path, text)
        return path


def _job(wanted: Start, common: Dict[str, str]) -> Dict[str, Any]:
    told = {name: value for name, value in wanted._asdict().items() if value not in (None, "", 0)}
    env = {name: value for name, value in wanted.env.items() if common.get(name) != value}
    over = {"over": f"it ran longer than {duration_text(wanted.timeout)}"} if wanted.timeout is not None else {}
    return {**told, "env": env, **over}


def _write(path: str, text: str) -> None:
    """The whole of it, durably, or as it was."""
    with open(path + ".new", "w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    os.rename(path + ".new", path)


def _read(path: str) -> Optional[Dict[str, Any]]:
    """What a mark says; {} where it says nothing, None where there is none."""
    try:
        with open(path, encoding="ascii") as source:
            text = source.read()
    except FileNotFoundError:
        return None
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
