"""/api/v1/hooks: who is called of events. What calls them is in `sjs.gateway.posting`."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sjs.errors import Conflict, Refused
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may, may_see, only_of
from sjs.gateway.posting import signing
from sjs.gateway.posting.addresses import MOST as LONGEST
from sjs.gateway.posting.addresses import place
from sjs.gateway.records import hooks
from sjs.gateway.records.hooks import Delivery, Hook
from sjs.gateway.web.api.describe import told
from sjs.gateway.web.api.models import Kind

MOST = 20
"""Hooks of an owner."""

Number = Annotated[int, Path(ge=1, lt=2**63, description="The id that the hook was given.")]
Lost = Annotated[int, Path(ge=1, lt=2**63, description="The id of a delivery that was given up.")]


class UnknownHook(Refused):
    code = "unknown_hook"


class NewHook(BaseModel):
    """Who is to be called, and of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=LONGEST, description="https://HOST/PATH, in the open internet.")
    types: list[Kind] = Field(
        default_factory=list, max_length=20, description="Only these: job.accepted, job.running, job.ended, …"
    )
    everybody: bool = Field(False, description="Of all jobs, not of the owner's alone; for administrators.")


class ShownHook(BaseModel):
    """A hook. `ended`: why it is told nothing any more; `waiting`: events that it is still to be told of; `dead`: those
    that were given up."""

    id: int
    owner: str
    url: str
    types: list[str]
    everybody: bool
    created: float
    ended: str | None
    waiting: int
    dead: int


class MadeHook(ShownHook):
    """A hook, and the secret that its messages are signed with, which is not shown again."""

    secret: str


class Hooks(BaseModel):
    hooks: list[ShownHook]


class Answered(BaseModel):
    """What came of a try: the status that was answered, if anything was; and what was wrong with it."""

    delivered: bool
    status: int | None
    error: str | None


class DeadDelivery(BaseModel):
    """`body`: what the hook was to be told; `error`: what came of the last try."""

    id: int
    created: float
    tries: int
    error: str
    body: dict[str, Any]


class Dead(BaseModel):
    """`next`: the place after them, for `after`."""

    deliveries: list[DeadDelivery]
    next: int


class Again(BaseModel):
    """How many are tried anew."""

    count: int


def shown(hook: Hook, counts: tuple[int, int]) -> dict[str, Any]:
    """A hook, as JSON has it."""
    return {
        "id": hook.id,
        "owner": hook.owner,
        "url": hook.url,
        "types": list(hook.kinds),
        "everybody": hook.everybody,
        "created": hook.created,
        "ended": hook.ended or None,
        "waiting": counts[0],
        "dead": counts[1],
    }


def dead(one: Delivery) -> dict[str, Any]:
    """A delivery that was given up."""
    return {
        "id": one.id,
        "created": one.created,
        "tries": one.tries,
        "error": one.why,
        "body": json.loads(one.body),
    }


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/hooks", tags=["hooks"])

    async def found(token: Token, number: int, *scopes: str) -> Hook:
        """A hook that this token may do so with. UnknownHook, too, for one that is somebody else's."""
        for scope in ("read", *scopes):
            check(may(token, scope))
        hook = await desk.read(lambda connection: hooks.get(connection, number))
        if hook is None or not may_see(token, hook.owner):
            raise UnknownHook(f"there is no hook {number}")
        return hook

    async def standing(hook: Hook) -> dict[str, Any]:
        return shown(hook, await desk.read(lambda connection: hooks.counts(connection, hook.id)))

    @router.post("", status_code=201, response_model=MadeHook, responses=told(409, 422))
    async def make(said: NewHook, request: Request) -> Any:
        """Have somebody called of what happens from now on."""
        token = request.state.token
        for scope in ("read", "submit", *(["admin"] if said.everybody else [])):
            check(may(token, scope))
        place(said.url)
        salt, now, kinds = signing.salt(), time.time(), sorted(set(said.types))

        def made(connection: Any) -> Hook:
            if len(hooks.listed(connection, token.owner)) >= MOST:
                raise Conflict(f"{token.owner} has {MOST} hooks, which is the limit", "delete one first")
            return hooks.add(connection, token.owner, said.url, salt, kinds, said.everybody, now)

        hook = await desk.written(made)
        desk.couriers.changed()
        return {**shown(hook, (0, 0)), "secret": desk.couriers.secret(hook)}

    @router.get("", response_model=Hooks)
    async def listed(request: Request) -> Any:
        """The hooks that there are: one's own, or, for administrators, all."""
        token = request.state.token
        check(may(token, "read"))

        def asked(connection: Any) -> list[dict[str, Any]]:
            return [shown(one, hooks.counts(connection, one.id)) for one in hooks.listed(connection, only_of(token))]

        return {"hooks": await desk.read(asked)}

    @router.get("/{number}", response_model=ShownHook, responses=told(404, 422))
    async def get(number: Number, request: Request) -> Any:
        """How it stands with a hook."""
        return await standing(await found(request.state.token, number))

    @router.delete("/{number}", status_code=204, responses=told(404, 422))
    async def remove(number: Number, request: Request) -> Response:
        """Forget a hook, and all that it was still to be told of."""
        hook = await found(request.state.token, number, "submit")
        await desk.written(lambda connection: hooks.remove(connection, hook.id))
        desk.couriers.changed()
        return Response(None, 204)

    @router.post("/{number}/ping", response_model=Answered, responses=told(404, 422))
    async def ping(number: Number, request: Request) -> Any:
        """Call it once, to see whether it answers."""
        outcome = await desk.couriers.ping(await found(request.state.token, number, "submit"))
        return {"delivered": outcome.is_delivered, "status": outcome.status, "error": outcome.why or None}

    @router.post("/{number}/resume", response_model=ShownHook, responses=told(404, 422))
    async def resume(number: Number, request: Request) -> Any:
        """Call one again that has answered that it is gone: of what happens from now on."""
        hook = await found(request.state.token, number, "submit")
        await desk.written(lambda connection: hooks.begin(connection, hook.id))
        desk.couriers.changed()
        return await standing(await found(request.state.token, number))

    @router.get("/{number}/dead", response_model=Dead, responses=told(404, 422))
    async def given_up(
        number: Number,
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63, description="The place to go on from.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000, description="Deliveries on a page.")] = 100,
    ) -> Any:
        """What it was not told, for good: after the last try, or because it has ended."""
        hook = await found(request.state.token, number)
        page = await desk.read(lambda connection: hooks.dead(connection, hook.id, after, limit))
        return {"deliveries": [dead(one) for one in page], "next": page[-1].id if page else after}

    @router.post("/{number}/dead/redeliver", response_model=Again, responses=told(404, 409, 422))
    async def redeliver_all(number: Number, request: Request) -> Any:
        """Try all anew that was given up."""
        return await again(request.state.token, number, None)

    @router.post("/{number}/dead/{delivery}/redeliver", response_model=Again, responses=told(404, 409, 422))
    async def redeliver(number: Number, delivery: Lost, request: Request) -> Any:
        """Try one anew that was given up; a count of 0 says that there is no such."""
        return await again(request.state.token, number, delivery)

    async def again(token: Token, number: int, delivery: int | None) -> dict[str, int]:
        hook = await found(token, number, "submit")
        if hook.ended:
            raise Conflict(f"hook {number} is told nothing any more: {hook.ended}", "resume it first")
        now = time.time()
        count = await desk.written(lambda connection: hooks.again(connection, hook.id, delivery, now))
        desk.couriers.changed()
        return {"count": count}

    return router
