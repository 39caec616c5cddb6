"""In the manager: finds out what its machine has. The kernel is asked at once; the tools that know of GPUs may take
seconds, so a process of its own asks them (`resources`), and until it has ended, who needs a GPU waits."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Iterable, Optional

from sjs.daemon.ground import resources
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.program import OURS
from sjs.daemon.manager.hooks import Hooks
from sjs.daemon.queue.holdings import Holdings

AGAIN = 30.0
"""Seconds after which GPUs are looked at again, if others use one and jobs are queued."""

LATER = 1_800.0
"""Seconds after which nodes of others are looked at again, which seldom become others."""

PATIENCE = 5 * resources.PATIENCE


class Scout:
    """Looks, and tells the holdings. It stands where requests do that wait for the end of a hook."""

    def __init__(self, path: str, holdings: Holdings, hooks: Hooks) -> None:
        self._path = path
        self._holdings = holdings
        self._hooks = hooks
        self._looks = False
        self._again_at: Optional[float] = None
        self._is_elsewhere = holdings.is_of_each
        if self._is_elsewhere:
            holdings.is_known = False
        else:
            holdings.found(resources.cpus(), resources.memory())
            holdings.is_known = not resources.has_gpu_tools()

    def look(self) -> None:
        """Have somebody look for GPUs, if there is a tool that knows of them; or at the nodes of others."""
        self._again_at = None
        if not self._looks and (self._is_elsewhere or resources.has_gpu_tools()):
            self._looks = True
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            verb = "nodes" if self._is_elsewhere else "probe"
            self._hooks.run(OURS.command(verb), self, PATIENCE, self._path)

    def has_looked(self, now: float, ours: Iterable[str]) -> None:
        """It has ended. `ours`: GPUs that jobs of ours hold."""
        self._looks = False
        found = self._read()
        if self._is_elsewhere:
            self._has_asked(found, now)
            return
        self._holdings.found_gpus(found.get("gpus", []), ours)
        if self._holdings.foreign:
            names = ", ".join(name for name, _ in self._holdings.foreign)
            note(f"GPU {names}: left alone, because processes of others use it")
            self._again_at = now + AGAIN

    def _read(self) -> Any:
        try:
            with open(self._path, encoding="ascii") as source:
                found = json.load(source)
                if isinstance(found.get("gpus"), list):
                    return found
                raise ValueError("it names none")
        except (OSError, ValueError, AttributeError) as error:
            what = "Slurm's nodes" if self._is_elsewhere else "this machine's GPUs"
            note(f"nothing is known of {what} ({error}); `configure` can tell")
            return {}

    def _has_asked(self, found: Any, now: float) -> None:
        """Slurm has said what its nodes have, or not: then it is asked again, if somebody waits."""
        if found:
            self._holdings.found(found["cpus"], found["mem"])
            self._holdings.found_gpus(found["gpus"], ())
        self._again_at = now + (LATER if found else AGAIN)

    def on_time(self, now: float, anybody_waits: bool) -> None:
        """Look again, where that may help somebody."""
        due = self.next_time(anybody_waits)
        if due is not None and now >= due:
            self.look()

    def next_time(self, anybody_waits: bool) -> Optional[float]:
        return self._again_at if anybody_waits else None
