"""Hands in the batches for one word: `any`, `@gpus`, `gpu1`. Each word has a lane of its own, so that nobody waits for
a machine that others want and that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from uuid import uuid4

from sqlalchemy import Connection, Engine

from sjs.api.sessions import START, Sessions
from sjs.core import placement
from sjs.core.job import End, Report, Spec
from sjs.dealing import Dealer, folder, head, plan
from sjs.errors import Full, NoSpace, SjsError, Stopping, TooLarge, Unreachable, UsageError
from sjs.fitting import Fitting
from sjs.gateway.engine.ends import AGAIN
from sjs.gateway.engine.plan import BatchPlan, specs
from sjs.gateway.engine.telling import LOG, Once
from sjs.gateway.records import jobs
from sjs.gateway.records.failing import FAILS
from sjs.gateway.records.jobs import Batch, Place
from sjs.gateway.records.writer import Writer
from sjs.plans import Head, Share
from sjs.routing import Choice, Fleet, select
from sjs.sharing import Sharing, sharing
from sjs.targets.chunks import chunks

BATCH = 1_000
"""Jobs that are handed in together, at most."""


LINGERS = 60.0
"""Seconds after which a lane with nothing to do ends: who asks chooses the words, and there are more than threads."""


class Lane:
    """Its thread sleeps until there is something for it, or until somebody who was away is to be asked again. `may_go`:
    asked when it has had nothing to do for long; it ends if so."""

    def __init__(
        self,
        word: str,
        sessions: Sessions,
        engine: Engine,
        write: Writer,
        arrived: Callable[[Sequence[Place]], None],
        may_go: Callable[[Lane], bool],
    ) -> None:
        self.word = word
        self._may_go = may_go
        self._said = Once()
        self._sessions = sessions
        self._engine = engine
        self._write = write
        self._arrived = arrived
        self._away: dict[str, float] = {}
        self._wanted = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"sjs lane {word}", daemon=True)
        self._thread.start()

    def kick(self) -> None:
        """There may be a batch for it."""
        self._wanted.set()

    @property
    def is_wanted(self) -> bool:
        """Whether it has been kicked, and has not looked since."""
        return self._wanted.is_set()

    def close(self) -> None:
        """Finish what is being handed in, and begin no more."""
        self._closed = True
        self._wanted.set()
        self._thread.join()

    def _serve(self) -> None:
        left = False
        while not self._closed:
            if not self._wanted.wait(AGAIN if left else LINGERS) and not left and self._may_go(self):
                return
            self._wanted.clear()
            try:
                left = self._round()
                if not left:
                    self._said.forget()
            except (SjsError, *FAILS) as error:
                self._said.tell(f"{self.word}: {' '.join(str(error).split())}; it is tried again")
                left = True
            except Exception:  # noqa: BLE001 (jobs wait for it, whatever has gone wrong)
                LOG.exception("jobs for %s could not be handed in; it is tried again", self.word)
                left = True

    def _round(self) -> bool:
        """Go through all that waits; whether something is left."""
        now, key = time.time(), uuid4().hex
        if self._write(lambda connection: jobs.form_batch(connection, self.word, BATCH, now, key)) == BATCH:
            self._wanted.set()
        with self._engine.connect() as connection:
            found = jobs.open_batches(connection, self.word)
        for batch in found:
            if self._closed:
                break
            try:
                self._hand_in(batch)
            except SjsError as error:
                self._said.tell(f"{self.word}: {error}; it is tried again")
        with self._engine.connect() as connection:
            return jobs.has_more(connection, self.word)

    def _hand_in(self, batch: Batch) -> None:
        try:
            choice = _one_home(select(self._sessions.config, batch.word), batch.word)
        except UsageError as error:
            self._refuse_all(batch, error)
            return
        entry = BatchPlan(self._head(batch, choice), batch, self._engine, self._write)
        if entry.pending and all(self._is_away(one.target) for one in entry.pending.values()):
            return
        if not entry.is_planned and self._is_withdrawn(batch):
            return
        turn = self._sessions.dealing if choice.any else nullcontext()
        with turn, self._sessions.fleet(choice.managers, START, choice.overflow) as fleet:
            share = sharing(fleet, batch.key)
            if not entry.is_planned:
                self._plan(entry, batch, choice, fleet, share)
            self._deal(batch, entry, Patient(fleet, entry, share))
        self._write(lambda connection: jobs.settle_batch(connection, batch.id))

    def _is_withdrawn(self, batch: Batch) -> bool:
        """End jobs that were cancelled before anybody was asked to take one of the batch; whether none is left."""
        with self._engine.connect() as connection:
            if not jobs.unwanted(connection, batch.id):
                return False
        now = time.time()
        self._write(lambda connection: jobs.withdraw_unwanted(connection, batch.id, now))
        with self._engine.connect() as connection:
            return not jobs.members(connection, batch.id)

    def _plan(self, entry: BatchPlan, batch: Batch, choice: Choice, fleet: Fleet, share: Sharing) -> None:
        """Who gets what; jobs that nobody could ever run have ended, and those that only somebody could who is away now
        come into a later batch."""
        with self._engine.connect() as connection:
            found = jobs.members(connection, batch.id)
        reports = fleet.reports()
        if not reports and choice.overflow is None:
            raise Unreachable("nobody of these can take jobs now")
        everybody = len(reports) + len(share.spare) == len(choice.managers)
        fates = Fates(fleet.fitting, [*reports, *share.spare], everybody)
        kept: dict[int, Spec] = {}
        for number, spec in zip([number for number, _ in found], specs(body for _, body in found), strict=True):
            if fates.fits(number, spec):
                kept[number] = spec if spec.snapshot else spec.but(cwd=folder(choice.managers[0], spec.cwd))
        self._write(lambda connection: _sort_out(connection, batch.id, list(kept), fates.refused))
        try:
            plan(entry, chunks(kept.values()), reports, share)
            entry.seal()
        finally:
            share.settle(entry)
        share.tell()

    def _deal(self, batch: Batch, entry: BatchPlan, dealer: Dealer) -> None:
        for _ in dealer.deal():
            share = entry.taken[-1][0]
            with self._engine.connect() as connection:
                places = jobs.places_of(connection, batch.id, share.start, share.count)
            self._arrived(places)
        for failure in dealer.failed:
            if failure.is_open:
                self._away[failure.name] = time.monotonic() + AGAIN
                self._said.tell(f"{failure.name}: {failure.count} jobs wait for it: {failure.error}")

    def _is_away(self, name: str) -> bool:
        return self._away.get(name, 0.0) > time.monotonic()

    def _head(self, batch: Batch, choice: Choice) -> Head:
        word = batch.word if choice.any else ""
        return head(batch.key, False, self._sessions.config_file, choice.managers, via=word)

    def _refuse_all(self, batch: Batch, error: SjsError) -> None:
        with self._engine.connect() as connection:
            numbers = [number for number, _ in jobs.members(connection, batch.id)]
        self._write(lambda connection: _sort_out(connection, batch.id, (), dict.fromkeys(numbers, error)))
        self._write(lambda connection: jobs.settle_batch(connection, batch.id))


class Patient(Dealer):
    """Nobody waits for its answers. So jobs that nobody can take now are kept; and of a chunk that is refused, each job
    is handed in by itself, so that only the one goes that is at fault."""

    def _refuse(self, error: SjsError, shares: Sequence[Share]) -> None:
        for share in shares:
            if isinstance(error, (Unreachable, Full, Stopping, NoSpace)):
                self._keep(error, [share])
            elif share.count > 1:
                self._give([share], [(share.start + at, 1, share.target) for at in range(share.count)])
            else:
                super()._refuse(error, [share])


class Fates:
    """What becomes of jobs before anybody is asked to take them."""

    def __init__(self, fitting: Fitting, reports: Sequence[Report], everybody: bool) -> None:
        self._fitting = fitting
        self._reports = reports
        self._everybody = everybody
        self.refused: dict[int, SjsError] = {}

    def fits(self, number: int, spec: Spec) -> bool:
        """Whether somebody can run it. One that nobody could, although all were asked, is `refused`."""
        try:
            self._fitting.check(spec)
        except SjsError as error:
            self.refused[number] = error
            return False
        unfit = self._fitting.passed_over(spec)
        if any(placement.can_hold(one, spec.needs) for one in self._reports if one.name not in unfit):
            return True
        if self._everybody:
            self.refused[number] = TooLarge("no target has what the job needs", "ask for less")
        return False


def _one_home(choice: Choice, word: str) -> Choice:
    if not choice.any and len(choice.managers) != 1:
        raise UsageError(f"'{word}' are several targets", f"any:{word} is the best of them")
    return choice


def _sort_out(connection: Connection, batch: int, kept: Sequence[int], refused: Mapping[int, SjsError]) -> None:
    now = time.time()
    for number, error in refused.items():
        jobs.refuse(connection, [number], End("refused", detail=str(error)), now)
    jobs.keep_in_batch(connection, batch, kept)
