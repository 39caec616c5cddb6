"""Jobs, sweeps, flavors and images for completion: what targets know who answer at once, remembered while somebody
types on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sjs.answers import Flavor, Image
from sjs.cli.text import command, printable, tally
from sjs.config import cache_path, load
from sjs.core.job import Job
from sjs.core.lifecycle import HELD, QUEUED, RUNNING, WAITING
from sjs.errors import Refused, SjsError
from sjs.protocols import Target
from sjs.routing import Choice, Fleet, select

Word = tuple[str, str]
"""A word, and a few about it."""

LIMIT = 0.7
"""Seconds that somebody waits who has pressed Tab, unless $SJS_COMPLETION_LIMIT says so."""

FRESH = 5.0
"""Seconds for which an answer is good enough for the next Tab, …"""

SILENT = 60.0
"""… and for which nobody is asked again who gave none."""

MOST = 30

ORDER = (RUNNING, HELD, WAITING, QUEUED)


class LiveWords:
    """What the targets know that a word means."""

    def __init__(self, config_file: str | None, word: str) -> None:
        try:
            self._choice = select(load(config_file, os.environ), word)
        except SjsError:  # a shell that completes is no place to complain
            self._choice = Choice(())

    def jobs(self, states: Sequence[str] | None, sweeps: bool) -> list[Word]:
        """The newest jobs in one of the states, the last one first; of one of several targets, with its name. `sweeps`:
        and those, whose names stand for their jobs."""
        named = self._choice.named

        def look(target: Target) -> list[Word]:
            found = sorted(target.list(states=states, newest=MOST), key=lambda job: -job.id)
            found.sort(key=lambda job: ORDER.index(job.state) if job.state in ORDER else len(ORDER))
            words = [(f"{target.name}:{job.id}" if named else str(job.id), _about(job)) for job in found]
            return [*words, *(_sweeps(target) if sweeps else ())]

        return self._ask(look, f"jobs {states} {named} {sweeps}")

    def sweeps(self) -> list[Word]:
        """All sweeps, the one to which jobs came last first."""
        return self._ask(_sweeps, "sweeps")

    def flavors(self) -> list[Word]:
        """The sets of resources that clusters have names for."""
        return self._ask(lambda target: flavors(target.cluster.flavors()), "flavors")

    def images(self) -> list[Word]:
        """The images that are told of in the registries of clusters."""
        return self._ask(lambda target: images(target.cluster.images()), "images")

    def _ask(self, look: Callable[[Target], list[Word]], what: str) -> list[Word]:
        managers = self._choice.managers
        notes = {one.name: _Note(f"{one!r} {what}") for one in managers}
        known = {name: note.words() for name, note in notes.items()}
        asked = [one for one in managers if known[one.name] is None]
        for one in asked:
            notes[one.name].write([], SILENT)  # which whoever answers in time will better
        limit = _limit()
        deadline = time.monotonic() + limit
        with Fleet(asked, "", lambda name, text: None) as fleet:
            for found in fleet.stream(lambda target: iter([look(target)]), limit / 7):
                for answer in found:
                    if answer.value is not None:
                        known[answer.name] = answer.value
                        notes[answer.name].write(answer.value, FRESH)
                if time.monotonic() > deadline:
                    break
        return list(dict(one for words in known.values() for one in words or ()).items())


class _Note:
    """What was found out, in a file, until it is too old."""

    def __init__(self, about: str) -> None:
        digest = hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = cache_path(f"completion/{digest}", os.environ)

    def words(self) -> list[Word] | None:
        """None where nothing is known now."""
        with suppress(OSError, ValueError, KeyError, TypeError):  # what can not be read is not known
            with open(self._path, encoding="utf-8") as note:
                body = json.load(note)
            if time.time() < body["until"] < time.time() + SILENT:
                return [(str(one), str(about)) for one, about in body["words"]]
        return None

    def write(self, words: list[Word], seconds: float) -> None:
        """Remember it for so long."""
        with suppress(OSError):  # then it is asked for again
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            temporary = f"{self._path}.{os.getpid()}"
            with open(temporary, "w", encoding="utf-8") as note:
                json.dump({"until": time.time() + seconds, "words": words}, note)
            os.replace(temporary, self._path)


def _limit() -> float:
    try:
        return float(os.environ["SJS_COMPLETION_LIMIT"])
    except (KeyError, ValueError):
        return LIMIT


def _sweeps(target: Target) -> list[Word]:
    try:
        found = sorted(target.sweeps(), key=lambda one: -(one.grew or 0.0))
    except Refused:  # an older manager, or one of a kind that knows of none
        return []
    return [(one.name, tally(one.counts)) for one in found]


def flavors(found: Sequence[Flavor]) -> list[Word]:
    """What is taken where none is named comes first."""
    return [(one.name, _brief(one.description)) for one in sorted(found, key=lambda one: not one.usual)]


def images(found: Sequence[Image]) -> list[Word]:
    """By name, as `images` shows them."""
    return [(one.name, _brief(" ".join(one.tags))) for one in found]


def _brief(text: str) -> str:
    return f"{printable(text):.60}"


def _about(job: Job) -> str:
    task = job.spec.task
    what = " ".join(f"{name}={value}" for name, value in task.values) if task else job.spec.name or command(job)
    return f"{job.state} {_brief(what)}"
