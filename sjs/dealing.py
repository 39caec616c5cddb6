"""Handing in: the same jobs to a target that was named, or each to whoever is best, by the outbox."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sjs.answers import Accepted
from sjs.config import Config, Manager, state_path
from sjs.core import placement
from sjs.core.job import Report, Spec
from sjs.errors import (
    Conflict,
    Full,
    NoQueue,
    NoSpace,
    Refused,
    SjsError,
    Stopping,
    TooLarge,
    Unreachable,
    UsageError,
)
from sjs.outbox import Outbox
from sjs.plans import Head, Plan, Share
from sjs.protocols import Envs, Target
from sjs.routing import Fleet
from sjs.sharing import Found, Sharing, sharing
from sjs.targets import kinds
from sjs.values import dataclass

IN_FLIGHT = 4
"""Chunks of jobs that may be without an answer at once, for each target."""


def send(
    target: Target,
    key: str,
    chunks: Iterable[Sequence[Spec]],
    again: bool = False,
    if_free: bool = False,
    envs: Envs | None = None,
) -> Iterator[Accepted]:
    """Send chunks of jobs to one target, a few ahead of its answers."""
    ahead = 0
    for number, chunk in enumerate(chunks):
        target.post(f"{key}/{number}", chunk, again, if_free, envs)
        ahead += 1
        if ahead == IN_FLIGHT:
            yield target.collect()
            ahead -= 1
    for _ in range(ahead):
        yield target.collect()


def head(
    key: str,
    if_free: bool,
    config: str | None,
    managers: Iterable[Manager],
    envs: Envs | None = None,
    via: str = "any",
) -> Head:
    """What an entry of the outbox has to say about a command. `config`: the file that --config named; `via`: the word
    for its targets."""
    return Head(
        key, if_free, source_file(config), {one.name: identity(one) for one in managers}, time.time(), envs or {}, via
    )


def source_file(config: str | None) -> str:
    """The file from which the targets come, if not from the user's own. `config`: what --config named."""
    path = config or "config.yaml"
    return os.path.abspath(path) if config or os.path.exists(path) else ""


NOT_WHO = ("password", "on_start", "on_finish", "settings", "cost")
"""What may change without making another target of an entry."""


def identity(manager: Manager) -> Mapping[str, object]:
    """What the config says of a target, its password and hooks excepted, in plain values."""
    fields = {name: value for name, value in vars(manager).items() if name not in NOT_WHO}
    if fields.pop("kind") != kinds.MANAGER:
        who = kinds.find(manager.kind).who
        fields["kind"] = {manager.kind: {key: manager.settings[key] for key in who if key in manager.settings}}
    plain: Mapping[str, object] = json.loads(json.dumps(fields, default=str))
    return plain


def same_managers(then: Mapping[str, object], config: Config) -> list[Manager]:
    """The targets that are still what they were (`identity`)."""
    known = [*config.managers, config.local]
    return [one for one in known if then.get(one.name) == identity(one)]


def found_parts(name: str, parts: Iterable[str]) -> list[Found]:
    """What `lookup` said, understood; parts that are none of ours are left out. Conflict where the target was named:
    then nobody knows here which jobs a part holds."""
    spans = [part.partition("-") for part in parts]
    if any(low.isdecimal() and not to for low, to, _ in spans):
        raise Conflict(f"the key was used before, to hand in to {name} by name", "use another --key")
    return [Found(int(low), int(high) + 1, name) for low, _, high in spans if low.isdecimal() and high.isdecimal()]


def taken_before(fleet: Fleet, key: str) -> list[Found]:
    """What an earlier command under the same key has handed in, and where."""
    found: list[Found] = []
    for answer in fleet.lookup(key):
        if answer.error is not None:
            message = f"{answer.name} may have jobs of this key and does not say: {answer.error.message}"
            raise type(answer.error)(message, f"to go on without it: any:'SET,!{answer.name}'")
        found += found_parts(answer.name, answer.value or ())
    return found


def folder(manager: Manager, wanted: str | None) -> str | None:
    """Where a job runs on this target; None is its project_root, and there begins a relative one."""
    try:
        return os.path.abspath(wanted or ".") if manager.builtin else wanted
    except FileNotFoundError:
        raise UsageError("the folder in which this was typed is gone", "go to another one") from None


@contextmanager
def to_best(fleet: Fleet, command: Head, chunks: Iterable[Sequence[Spec]], again: bool = False) -> Iterator[Dealer]:
    """Each job to whoever has room: who carries that out. What goes to whom is written down before. `again`: the
    command's key may have been used before."""
    before = taken_before(fleet, command.key) if again else []
    reports = fleet.reports()
    if not reports and fleet.overflow is None:
        raise Unreachable("no manager can take jobs", "see `submit all status`")
    share = sharing(fleet, command.key)
    with Outbox(state_path("outbox", os.environ)).begin(command) as entry:
        try:
            reports = plan(entry, chunks, reports, share, before)
            entry.seal()
            share.tell()
            yield Dealer(fleet, entry, share, reports)
        finally:
            share.settle(entry)
        share.tell()


def plan(
    entry: Plan,
    chunks: Iterable[Sequence[Spec]],
    reports: Sequence[Report],
    share: Sharing,
    found: Iterable[Found] = (),
    start: int = 0,
) -> list[Report]:
    """Write down who gets which jobs; the reports as they will be then. What was `found` stays where it is. `start`: so
    many of the command were planned before."""
    known = deque(sorted(found, key=lambda one: one.start))
    for chunk in chunks:
        for low, high, target in _cut(start, start + len(chunk), known):
            specs = chunk[low - start : high - start]
            if target:
                entry.add(target, low, specs, again=True)
            else:
                reports = _plan_new(entry, specs, low, reports, share)
        start += len(chunk)
    if known:
        raise Conflict(f"the key {entry.head.key!r} was used before, for other jobs", "use another --key")
    return list(reports)


def _cut(low: int, stop: int, known: deque[Found]) -> Iterator[tuple[int, int, str]]:
    """A chunk in parts: those that some target has, taken out of `known`, and those (without a name) between them."""
    while known and low <= known[0].start and known[0].stop <= stop:
        one = known.popleft()
        if low < one.start:
            yield low, one.start, ""
        yield one.start, one.stop, one.target
        low = one.stop
    if low < stop:
        yield low, stop, ""


def _plan_new(
    entry: Plan, specs: Sequence[Spec], start: int, reports: Sequence[Report], share: Sharing
) -> list[Report]:
    left = list(reports)
    for one in share.shares(left, specs, entry.head.if_free):
        entry.add(one.target, start + one.start, specs[one.start : one.stop])
        left = placement.after(left, [(one.target, one.stop - one.start)], specs[one.start].needs)
    return left


@dataclass(frozen=True)
class Failure:
    """Jobs without a home. `is_open`: the outbox keeps them, for the target may have them, or take them later."""

    name: str
    error: SjsError
    count: int
    is_open: bool


class Dealer:
    """Carries out the plan of an entry of the outbox, or what is left of it.

    Only who is known not to have a share, and not to take it, loses it to others: by its own refusal, for a manager
    looks for the key first, or because it has no queue at all, or because nothing was ever sent to it. What others may
    have stays with them, in the outbox.
    """

    def __init__(self, fleet: Fleet, entry: Plan, share: Sharing, reports: Sequence[Report] | None = None) -> None:
        self._failed: dict[tuple[str, bool], Failure] = {}
        self._fleet = fleet
        self._entry = entry
        self._share = share
        self._reports = None if reports is None else list(reports)
        self._passed_over: set[str] = set()
        self._too_small: set[str] = set()
        self._left = deque(entry.pending.values())
        self._sent: deque[Share] = deque()

    @property
    def path(self) -> str:
        """The file of the plan."""
        return self._entry.path

    @property
    def last_taken(self) -> int:
        """Which job of the command, counted from 0, is the first of those that were taken last."""
        return self._entry.taken[-1][0].start

    @property
    def passed_over(self) -> frozenset[str]:
        """Who would not have what was planned for them."""
        return frozenset(self._passed_over)

    @property
    def failed(self) -> Sequence[Failure]:
        """What became of jobs that nobody has taken."""
        return list(self._failed.values())

    def deal(self) -> Iterator[tuple[str, Accepted]]:
        """Who took what, in the order of the jobs."""
        while self._left or self._sent:
            if self._left and len(self._sent) < IN_FLIGHT * len(self._fleet.managers):
                self._post(self._left.popleft())
            else:
                yield from self._collect()

    def _post(self, share: Share) -> None:
        self._sent.append(share)
        key = f"{self._entry.head.key}/{share.part}"
        try:
            target = self._fleet.free_target(share.target)
            head = self._entry.head
            target.post(key, self._entry.jobs(share), share.again, head.if_free, head.envs, head.via)
        except NoQueue as error:
            self._hand_on(error, self._taken_back(self._sent, share.target))
        except Unreachable as error:
            self._give_up(share.target, error)

    def _collect(self) -> Iterator[tuple[str, Accepted]]:
        share = self._sent[0]
        try:
            accepted = self._fleet.target(share.target).collect()
        except NoQueue as error:
            self._hand_on(error, self._taken_back(self._sent, share.target))
        except (Stopping, Full, NoSpace, TooLarge) as error:
            self._hand_on(error, [self._sent.popleft()])
        except Refused as error:
            self._refuse(error, [self._sent.popleft()])
        except Unreachable as error:
            self._give_up(share.target, error)
        else:
            self._sent.popleft()
            self._entry.take(share, accepted)
            yield share.target, accepted

    def _give_up(self, name: str, error: SjsError) -> None:
        """It does not answer. What it was never sent may go to others."""
        shares = self._taken_back(self._left, name)
        untouched = [share for share in shares if not share.again]
        touched = [*self._taken_back(self._sent, name), *(share for share in shares if share.again)]
        if touched:
            self._keep(error, touched)
        self._hand_on(error, untouched)

    def _hand_on(self, error: SjsError, shares: list[Share]) -> None:
        """Give to others what one target will not have, and all else that was planned for it."""
        if not shares:
            return
        name = shares[0].target
        shares += [share for share in self._taken_back(self._left, name) if not share.again]
        if isinstance(error, TooLarge):
            self._too_small.add(name)
        if name not in self._passed_over:
            self._passed_over.add(name)
            self._fleet.notice(name, f"passed over: {error}")
        try:
            pieces = [piece for share in shares for piece in self._pieces(share)]
        except SjsError as nobody:
            is_final = isinstance(error, Full) or self._is_too_large(error, nobody)
            if any(share.again for share in shares) and not is_final:
                self._keep(error, shares)  # nobody waits for the answer, and later somebody may take them
            else:
                self._refuse(error, shares)
        else:
            self._give(shares, pieces)

    def _give(self, shares: Sequence[Share], pieces: Sequence[tuple[int, int, str]]) -> None:
        self._left.extendleft(reversed(self._entry.move(shares, pieces)))

    def _is_too_large(self, error: SjsError, nobody: SjsError) -> bool:
        """Whether all who are meant have said so. `nobody`: why the rest, as far as they answer, get nothing."""
        if not isinstance(error, TooLarge):
            return False
        said = {one.name for one in self._reports or ()} if isinstance(nobody, TooLarge) else set()
        return self._too_small | said >= self._fleet.managers.keys()

    def _pieces(self, share: Share) -> Iterator[tuple[int, int, str]]:
        if self._reports is None:
            self._reports = self._fleet.reports()
        self._reports = [one for one in self._reports if one.name not in self._passed_over]
        if not self._reports and self._share.spill is None:
            raise Unreachable("no other manager can take jobs")
        specs = self._entry.jobs(share)
        for piece in self._share.shares(self._reports, specs, self._entry.head.if_free, self.passed_over):
            count = piece.stop - piece.start
            self._reports = placement.after(self._reports, [(piece.target, count)], specs[piece.start].needs)
            yield share.start + piece.start, count, piece.target

    def _refuse(self, error: SjsError, shares: Sequence[Share]) -> None:
        for share in shares:
            self._entry.refuse(share, error)
        self._fail(error, shares, is_open=False)

    def _keep(self, error: SjsError, shares: Sequence[Share]) -> None:
        self._fail(error, shares, is_open=True)
        self._entry.try_later(f"{shares[0].target}: {error.message}")

    def _fail(self, error: SjsError, shares: Sequence[Share], is_open: bool) -> None:
        """Once for each target, with its first error."""
        key = (shares[0].target, is_open)
        before = self._failed.get(key)
        count = sum(share.count for share in shares) + (before.count if before else 0)
        self._failed[key] = Failure(shares[0].target, before.error if before else error, count, is_open)

    @staticmethod
    def _taken_back(shares: deque[Share], name: str) -> list[Share]:
        """Take those of one target out."""
        found = [share for share in shares if share.target == name]
        for share in found:
            shares.remove(share)
        return found
