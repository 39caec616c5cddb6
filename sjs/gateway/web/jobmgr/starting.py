"""What `/jobs/start` hands in. jobmgr looks at a name when its turn comes, and so a job can be there that there is
nothing to run for: it is taken in, and has failed."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import Connection

from sjs.compact import to_json
from sjs.core.job import End
from sjs.errors import BadRequest, UsageError
from sjs.gateway.collecting.wanted import Wanted
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may
from sjs.gateway.ordering import BadParameters, keeping, of_spec, rules_of
from sjs.gateway.records import jobs
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.jobs import New, Taken
from sjs.gateway.web.jobmgr import words
from sjs.values import replace

ORIGIN = "jobmgr"


async def start(
    desk: Desk, token: Token, environ: Mapping[str, str], name: str, given: Mapping[str, str] | None
) -> int:
    """Take a job in; its id."""
    said = None if given is None else to_json(dict(given))
    try:
        spec = desk.specs.find(name)
        made = of_spec(spec, given or {}, environ, strict=False)
        wanted = Wanted(rules_of(spec.artifacts), only_ok=True, outputs=True)
        new = keeping(replace(made, name=name, parameters=said), wanted)
        return (await desk.accept(token, [new], ORIGIN)).first
    except BadParameters as error:
        why = words.of_problem(error.problems[0])
    except (UsageError, BadRequest) as error:
        why = words.of_error(error)
    check(may(token, "submit"))
    dead = New("", "{}", name, parameters=said)
    return await desk.written(lambda connection: _stillborn(connection, dead, token.owner, why))


def _stillborn(connection: Connection, new: New, owner: str, why: str) -> int:
    now = time.time()
    [taken] = accept(connection, [Asked([new], owner, ORIGIN, now)])
    assert isinstance(taken, Taken)  # without a key, nothing is against it
    jobs.refuse(connection, [taken.first], End("refused", detail=why), now)
    return taken.first
