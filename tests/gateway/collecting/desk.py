"""An office with a store, and who waits until what jobs leave has been collected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from sjs import spec_json
from sjs.core.job import Spec
from sjs.gateway.artifacts.collecting import Rules
from sjs.gateway.collecting.wanted import Wanted, to_text, told
from sjs.gateway.records import artifacts
from sjs.gateway.records.artifacts import DONE
from sjs.gateway.records.jobs import New
from sjs.gateway.records.tables import events, jobs
from tests.gateway.engine.test_office import Desk
from tests.live.machine import DEADLINE

ALL = Wanted()

Kept = dict[str, bytes]
"""What is kept, by its name."""


class Gathering(Desk):
    def run(self, *new: New) -> list[Row[Any]]:
        """The rows of jobs once nothing more is left to do about them."""
        taken = self.office.accept(new, "me", "api").result()
        return self.gathered(range(taken.first, taken.first + taken.count))

    def gathered(self, numbers: Sequence[int]) -> list[Row[Any]]:
        with self._changed:
            done = self._changed.wait_for(lambda: all(row.kept in ("", DONE) for row in self.rows(numbers)), DEADLINE)
        found = self.rows(numbers)
        assert done, [(row.id, row.state, row.kept) for row in found if row.kept != DONE]
        return found

    def unfinished(self) -> list[int]:
        with self.engine.connect() as connection:
            return [number for number, _ in artifacts.waiting(connection)]

    def kept(self, row: Row[Any]) -> Kept:
        """What is in the store of a job, each as its row says it is."""
        with self.engine.connect() as connection:
            found = [one for one in artifacts.of_job(connection, row.id) if one.attempt == row.attempt]
        kept = {one.name: b"".join(self.store.open(one.place)) for one in found}
        assert len(kept) == len(found)
        for one in found:
            data = kept[one.name]
            assert (one.size, one.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert (one.attempt, one.place) == (row.attempt, f"{row.id}/{row.attempt}/{one.uuid}")
        return kept

    def told(self, row: Row[Any]) -> list[tuple[str, Any]]:
        """What has happened to a job, in its order."""
        with self.engine.connect() as connection:
            found = connection.execute(select(events).where(events.c.job == row.id).order_by(events.c.seq))
            return [(one.kind, json.loads(one.data)) for one in found]

    def every(self) -> list[Row[Any]]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(jobs).order_by(jobs.c.id)))


def leaving(command: str, word: str = "a", wanted: Wanted = ALL, **more: Any) -> New:
    spec = told(Spec(command=command, **more), wanted)
    return New(word, json.dumps(spec_json.to_wire(spec)), rules=to_text(wanted))


def ruled(command: str, only_ok: bool = False, **rules: Any) -> New:
    return leaving(command, wanted=Wanted(Rules(**rules), only_ok=only_ok))


def there(state: Path) -> list[str]:
    """What jobs have left on a machine, but for what they have printed."""
    found = (path.relative_to(state / "jobs") for path in (state / "jobs").rglob("*"))
    return sorted(str(path) for path in found if len(path.parts) > 1 and path.suffix not in (".out", ".err"))
