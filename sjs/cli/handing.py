"""Handing in jobs, wherever a verb has them from: to each target that was named, or each job to whoever is best."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Protocol

from sjs.answers import Accepted
from sjs.cli import ids
from sjs.cli.common import Call
from sjs.cli.output import Output, flush
from sjs.cli.snapshot import again
from sjs.cli.source import Place
from sjs.config import Manager
from sjs.core.job import Range, Snapshot, Spec
from sjs.dealing import Failure, folder, head, send, to_best
from sjs.errors import SjsError
from sjs.protocols import Envs, Target
from sjs.routing import Fleet
from sjs.values import dataclass, field

_LAST = re.compile(r"\blast\b")

LONG = 200
"""A command of more characters is not typed out in an error."""


class Jobs(Protocol):
    """Where jobs come from; several may read them at once."""

    @property
    def has_snapshot(self) -> bool:
        """Whether they run in copies of a tree."""
        ...

    @property
    def names_last(self) -> bool:
        """Whether they wait for the newest job of their queue: then `wait_for` says which that is."""
        ...

    def wait_for(self, newest: int) -> None:
        """From now on, this is the newest job."""
        ...

    def share(self, readers: int) -> None:
        """Be ready for so many readers."""
        ...

    def chunks(self, place: Place) -> Iterator[list[Spec]]:
        """The jobs in pieces that one request may carry."""
        ...


@dataclass
class Wish:
    """What the options say besides the jobs themselves."""

    key: str
    again: bool
    if_free: bool
    envs: Envs
    due: float | None = None
    snapshot: Snapshot | None = None
    parsable: bool = False
    wait: bool = False
    follow: bool = False
    newest: int | None = None
    """What --after last means."""
    verb: str = "job"


@dataclass
class Sent:
    """What one target has taken, in order, and the error that ended it."""

    name: str
    accepted: list[Accepted] = field(default_factory=list)
    error: SjsError | None = None

    @property
    def ranges(self) -> list[Range]:
        """The ids of the jobs."""
        return ids.merged([span for one in self.accepted for span in one.ranges])


@dataclass
class Handing:
    """One handing in. `sent` tells what became of it, also while it goes on; `say` is told what was taken."""

    call: Call
    fleet: Fleet
    jobs: Jobs
    wish: Wish
    out: Output
    say: Callable[[Sequence[tuple[str, Accepted]]], None]
    sent: list[Sent] = field(default_factory=list)

    @property
    def accepted(self) -> list[Sent]:
        """Who has taken something."""
        return [one for one in self.sent if one.accepted]

    def to_all(self) -> None:
        """Everything to everyone."""
        choosy = sum(map(self.fleet.fitting.is_choosy, self.fleet.managers))
        self.jobs.share(len(self.fleet.managers) + choosy)
        for answer in self.fleet.ask(self._send):
            sent = answer.value or Sent(answer.name, error=answer.error)
            self.sent.append(sent)
            self.say([(sent.name, one) for one in sent.accepted])
            if sent.error is None:
                self.out.succeeded(sent.name)
            else:
                self.out.failed(sent.name, sent.error)
            flush()

    def _send(self, target: Target) -> Sent:
        sent = Sent(target.name)
        wish = self.wish
        try:
            if self.jobs.names_last:
                wish.newest = ids.newest_id(target)
                self.jobs.wait_for(wish.newest)
            where = place(self.fleet.managers[target.name], self.jobs)
            self.fleet.fitting.refuse(target.name, chain.from_iterable(self.jobs.chunks(where)))
            chunks = self.jobs.chunks(where)
            for accepted in send(target, wish.key, chunks, wish.again, wish.if_free, wish.envs):
                sent.accepted.append(accepted)
        except SjsError as error:
            may_be_there = sent.accepted or target.owes
            sent.error = _with_way_on(error, self.call, target.name, wish) if may_be_there else error
        return sent

    def to_best(self) -> None:
        """Each job to whoever has room. What goes to whom is written down before."""
        managers = list(self.fleet.managers.values())
        wish = self.wish
        command = head(wish.key, wish.if_free, self.call.config_file, managers, wish.envs, self.call.word)
        chunks = self.jobs.chunks(place(managers[0], self.jobs))
        taken: list[tuple[str, Accepted]] = []
        with to_best(self.fleet, command, chunks, wish.again) as dealer:
            try:
                taken.extend(dealer.deal())
            except KeyboardInterrupt:
                self.out.notice("any", f"the next command hands in the rest, unless you say: rm {dealer.path}")
                raise
            finally:
                self.sent += _by_target(taken)
                self.say(taken)
                flush()
        for failure in dealer.failed:
            self.out.failed(failure.name, told(failure))
        for name in {one.name for one in self.sent} - {failure.name for failure in dealer.failed}:
            self.out.succeeded(name)


def _by_target(taken: Sequence[tuple[str, Accepted]]) -> list[Sent]:
    sent = {name: Sent(name) for name, _ in taken}
    for name, accepted in taken:
        sent[name].accepted.append(accepted)
    return list(sent.values())


def told(failure: Failure) -> SjsError:
    """What became of jobs that nobody has acknowledged."""
    fate = "kept for it: the next command asks again" if failure.is_open else "not handed in"
    return type(failure.error)(f"{failure.error.message}; {failure.count} job(s) {fate}", failure.error.hint)


def place(manager: Manager, jobs: Jobs) -> Place:
    """What gives the folder of a job on this target; in a snapshot it is what was said, and begins at the top."""
    return (lambda wanted: wanted) if jobs.has_snapshot else partial(folder, manager)


def _with_way_on(error: SjsError, call: Call, name: str, wish: Wish) -> SjsError:
    """An error after which some of the jobs may have been taken says how to go on."""
    config = () if call.config_file is None or "--config" in " ".join(call.rest) else ("--config", call.config_file)
    key = () if wish.again else ("--key", wish.key)
    command = shlex.join([call.prog, *config, name, wish.verb, *key, *_as_meant(call.rest, wish)])
    if len(command) > LONG:
        command = " ".join(["the same again, with --key", wish.key, *_taken(wish)])
    return type(error)(error.message, f"{error.hint}{'; ' if error.hint else ''}to finish it, nothing twice: {command}")


def _as_meant(words: Sequence[str], wish: Wish) -> list[str]:
    """What was typed, with the time that --in meant then, the job that was `last`, and the files as they were."""
    found: list[str] = []
    taken = _taken(wish)  # of two, the last one said is the one meant
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*found, *taken, word, *rest]
        if word == "--in":
            next(rest)
        if word == "--in" or word.startswith("--in="):
            found += ["--at", f"@{wish.due}"]
        elif word in ("-d", "--after"):
            found += [word, _LAST.sub(str(wish.newest), next(rest))]
        elif word.startswith(("-d", "--after=")):
            found.append(word[:2] + _LAST.sub(str(wish.newest), word[2:]))
        else:
            found.append(word)
    return [*found, *taken]


def _taken(wish: Wish) -> list[str]:
    return [] if wish.snapshot is None else ["--snapshot", again(wish.snapshot)]
