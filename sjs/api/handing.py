"""Hands in jobs for Python code: to a target that was named, or to whoever is best, once, whatever breaks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from uuid import uuid4

from sjs.answers import Accepted
from sjs.api.options import Terms
from sjs.api.sessions import START, Sessions
from sjs.config import Manager
from sjs.core.job import Spec
from sjs.dealing import Failure, folder, head, send, to_best
from sjs.errors import SjsError
from sjs.fitting import Fitting
from sjs.protocols import Target
from sjs.routing import Choice
from sjs.targets.chunks import chunks

Taken = tuple[int, str, int]
"""Which of the jobs that were handed in, counted from 0, by whom, and under which id."""


class HandingIn:
    """One handing in. `taken` is known however it ends."""

    def __init__(self, sessions: Sessions, terms: Terms) -> None:
        self._sessions = sessions
        self._terms = terms
        self._key = terms.key or uuid4().hex
        self._again = terms.key is not None
        self.taken: list[Taken] = []

    def to_one(self, name: str, specs: Collection[Spec]) -> None:
        """All to the target that was named."""
        self._check([self._sessions.manager(name)], specs)
        self._sessions.call(name, lambda target: self.send(target, specs), START)

    def send(self, target: Target, specs: Iterable[Spec]) -> None:
        """All to this one."""
        pieces = self._pieces(self._sessions.manager(target.name), specs)
        at = 0
        try:
            for accepted in send(target, self._key, pieces, self._again, self._terms.if_free, self._terms.envs):
                self._take(at, target.name, accepted)
                at += accepted.count
        except SjsError as error:
            if self.taken or target.owes:
                raise self._with_way_on(error) from None
            raise

    def to_best(self, choice: Choice, word: str, specs: Collection[Spec]) -> Sequence[Failure]:
        """Each to whoever has room for it; what became of those that nobody has taken."""
        managers = choice.managers
        self._check(managers, specs)
        sessions, terms = self._sessions, self._terms
        command = head(self._key, terms.if_free, sessions.config_file, managers, terms.envs, word)
        with sessions.dealing, sessions.fleet(managers, START, choice.overflow) as fleet:
            with to_best(fleet, command, self._pieces(managers[0], specs), self._again) as dealer:
                for name, accepted in dealer.deal():
                    self._take(dealer.last_taken, name, accepted)
            return dealer.failed

    @staticmethod
    def _check(managers: Sequence[Manager], specs: Iterable[Spec]) -> None:
        fitting = Fitting(managers)
        for spec in specs:
            fitting.check(spec)

    def _pieces(self, manager: Manager, specs: Iterable[Spec]) -> Iterator[list[Spec]]:
        place = partial(folder, manager)
        return chunks(spec if spec.snapshot else spec.but(cwd=place(spec.cwd)) for spec in specs)

    def _take(self, at: int, name: str, accepted: Accepted) -> None:
        ids = (number for low, high in accepted.ranges for number in range(low, high + 1))
        self.taken += [(at + place, name, number) for place, number in enumerate(ids)]

    def _with_way_on(self, error: SjsError) -> SjsError:
        """An error after which some of the jobs may have been taken says how to go on."""
        way = f"the same again with key={self._key!r} finishes it, nothing twice"
        return type(error)(error.message, f"{error.hint}{'; ' if error.hint else ''}{way}")


def told(failure: Failure) -> SjsError:
    """What became of jobs that nobody has acknowledged."""
    fate = "kept for it: the next `submit` asks again" if failure.is_open else "not handed in"
    return type(failure.error)(
        f"{failure.name}: {failure.error.message}; {failure.count} job(s) {fate}", failure.error.hint
    )
