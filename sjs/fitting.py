"""Whether targets could ever run a job, as far as their kinds know that without asking anybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from sjs.config import Manager
from sjs.core.job import Spec
from sjs.errors import Refused, UsageError
from sjs.targets import kinds

Notice = Callable[[str, str], None]


class Fitting:
    """The targets of one command. `notice` is told of each that is passed over, once."""

    def __init__(self, managers: Sequence[Manager], notice: Notice = lambda name, text: None) -> None:
        self._kinds = {one.name: one.kind for one in managers}
        found = {one.name: (kinds.find(one.kind).problem, one.settings) for one in managers}
        self._problems = {name: (ask, settings) for name, (ask, settings) in found.items() if ask is not None}
        self._notice = notice
        self._told: set[str] = set()

    def is_choosy(self, name: str) -> bool:
        """Whether there may be jobs that this target can never run."""
        return name in self._problems

    def problem(self, name: str, spec: Spec) -> str:
        """Why this target can never run it; nothing if it can."""
        if name not in self._problems:
            return ""
        ask, settings = self._problems[name]
        return ask(spec, settings)

    def unfit(self, spec: Spec) -> Mapping[str, str]:
        """Who can never run it, and why."""
        found = {name: self.problem(name, spec) for name in self._problems}
        return {name: why for name, why in found.items() if why}

    def passed_over(self, spec: Spec) -> frozenset[str]:
        """Who can never run it, of which the person is told."""
        unfit = self.unfit(spec)
        for name, why in unfit.items():
            if name not in self._told:
                self._told.add(name)
                self._notice(name, f"passed over: {why}")
        return frozenset(unfit)

    def refuse(self, name: str, specs: Iterable[Spec]) -> None:
        """Refuse jobs one of which this target can never run."""
        if self.is_choosy(name):
            for why in filter(None, (self.problem(name, spec) for spec in specs)):
                raise Refused(why)

    def check(self, spec: Spec) -> None:
        """Refuse a job that nobody could ever run, or that says something to targets of a kind of which there is
        none."""
        for kind, said in spec.native:
            if kind not in self._kinds.values():
                names = ", ".join(self._kinds)
                nobody = f"{names} is none" if len(self._kinds) == 1 else f"none of {names} is one"
                raise UsageError(f"{', '.join(_typed(kind, json.loads(said)))} is for {kind} targets; {nobody}")
        unfit = self.unfit(spec)
        if unfit and len(unfit) == len(self._kinds):
            raise self.nobody(spec)

    def nobody(self, spec: Spec) -> Refused:
        """The error for a job that none of those can run who might have."""
        return Refused("; ".join(f"{name}: {why}" for name, why in self.unfit(spec).items()))


def _typed(kind: str, said: Mapping[str, object]) -> Sequence[str]:
    """The options by which that is said."""
    try:
        names = kinds.find(kind).options
    except UsageError:  # it is brought by a package that is not here
        names = {}
    return list(dict.fromkeys(names.get(key, f"--{key.replace('_', '-')}") for key in said))
