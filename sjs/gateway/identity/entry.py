"""Who asks, before anything of what they send is read; and how much one of them may ask for. Plain ASGI, behind the
guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from time import monotonic, time

from sjs.errors import SjsError
from sjs.gateway.identity.guard import App, Receive, Scope, Send
from sjs.gateway.identity.heads import values_of
from sjs.gateway.identity.limits import Exceeded, Limits, Meters
from sjs.gateway.identity.refusals import Refusal
from sjs.gateway.identity.tokens import Denied, Token, bearer, check

Lookup = Callable[[str], Awaitable["Token | None"]]
"""What is kept under a public id. An SjsError where that can not be said now."""

FAILURES = Limits(rate=1.0, burst=20)
"""Of one address: how many requests without a good token are told so, and not to wait."""


class Admission:
    """Whose token is good is let in, by whichever way he came, if he has not too much open by all of them. `seen` hears
    of each, and may write down when a token was used."""

    def __init__(
        self,
        *,
        seen: Callable[[Token, float], None] = lambda token, now: None,
        clock: Callable[[], float] = time,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self._seen = seen
        self.clock = clock
        self.ticks = ticks
        self.meters = Meters()

    async def admit(self, scope: Scope, token: Token, is_stream: bool, answer: Callable[[], Awaitable[None]]) -> None:
        """Have him answered, with his token in scope["state"]["token"]; or refused."""
        exceeded = self.meters.begin(token.id, token.limits, self.ticks(), is_stream)
        if exceeded is not None:
            scope["state"]["refusal"] = too_many(exceeded)
            return
        try:
            self._seen(token, self.clock())
            scope["state"]["token"] = token
            await answer()
        finally:
            self.meters.end(token.id, is_stream)


class Entry:
    """An ASGI application before another: each request but those to `public` paths, and to what lies below `doors`, has
    a token, by which it is admitted."""

    def __init__(
        self,
        app: App,
        lookup: Lookup,
        admission: Admission,
        *,
        public: Collection[str] = (),
        doors: Collection[str] = (),
        is_stream: Callable[[Scope], bool] = lambda scope: False,
    ) -> None:
        self._app = app
        self._lookup = lookup
        self._admission = admission
        self._public = frozenset(public)
        self._doors = tuple(doors)
        self._is_stream = is_stream
        self._clock = admission.clock
        self._ticks = admission.ticks
        self.failures = Meters()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._public or scope["path"].startswith(self._doors):
            await self._app(scope, receive, send)
            return
        try:
            found = await self._who(scope)
        except SjsError as error:
            scope["state"]["refusal"] = nobody_knows(error)
            return
        if isinstance(found, Denied):
            scope["state"]["refusal"] = self._denied(scope, found)
            return
        await self._admission.admit(scope, found, self._is_stream(scope), lambda: self._app(scope, receive, send))

    async def _who(self, scope: Scope) -> Token | Denied:
        presented = bearer(values_of(scope, b"authorization"))
        if isinstance(presented, Denied):
            check(None, None, self._clock())
            return presented
        return check(presented, await self._lookup(presented.id), self._clock())

    def _denied(self, scope: Scope, denied: Denied) -> Refusal:
        """Who tries often is told to wait; whoever has a good token is not held up by that."""
        address = scope.get("client")
        exceeded = self.failures.count(str(address[0]) if address else "", FAILURES, self._ticks())
        if exceeded is not None:
            return too_many(exceeded)
        error = "" if denied.code == "none" else ', error="invalid_token"'
        return Refusal(401, f"token_{denied.code}", denied.text, {"www-authenticate": f'Bearer realm="sjs"{error}'})


def too_many(exceeded: Exceeded) -> Refusal:
    """What is said to a caller who asks for too much."""
    return Refusal(429, f"too_many_{exceeded.code}", exceeded.text, {"retry-after": str(exceeded.retry_after)})


def nobody_knows(error: SjsError) -> Refusal:
    """What is said where whoever knows the tokens does not answer."""
    return Refusal(503, error.code, error.message, {"retry-after": "5"})
