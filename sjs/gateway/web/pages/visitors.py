"""Who looks at pages: the session in the cookie, and the token that it was begun with. Plain ASGI, behind the guard.

server -> Guard -> Visitors -> the pages
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http.cookies import CookieError, SimpleCookie
from time import time
from urllib.parse import quote

from starlette.responses import RedirectResponse

from sjs.errors import SjsError
from sjs.gateway.identity import sessions
from sjs.gateway.identity.entry import Admission, Lookup, nobody_knows
from sjs.gateway.identity.guard import App, Message, Receive, Scope, Send
from sjs.gateway.identity.heads import SAFE, values_of
from sjs.gateway.identity.refusals import Refusal
from sjs.gateway.identity.sessions import Session
from sjs.gateway.identity.tokens import Token, is_usable

COOKIE = "sjs"
SECURE = "__Host-sjs"
"""Where the connection is TLS: no other host, no other path and no plain connection can set one of this name."""


class Visitors:
    """An ASGI application before another: each request but those to `open_to_all` paths has a session, which is then in
    scope["state"]["session"], and is admitted by its token. Who has none is led to sign in; `turned_away` answers one
    who has sent something."""

    def __init__(
        self,
        app: App,
        lookup: Lookup,
        admission: Admission,
        keys: Sequence[bytes],
        base: str,
        open_to_all: Callable[[str], bool],
        is_stream: Callable[[Scope], bool],
        turned_away: App,
    ) -> None:
        self._app = app
        self._lookup = lookup
        self._admission = admission
        self._keys = keys
        self._base = base
        self._open_to_all = open_to_all
        self._is_stream = is_stream
        self._turned_away = turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._open_to_all(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            found = await self._who(scope)
        except SjsError as error:
            scope["state"]["refusal"] = nobody_knows(error)
            return
        if found is None:
            await self._to_sign_in(scope, receive, send)
            return
        session, token = found
        scope["state"]["session"] = session
        renewing = self._renewing(session, scope, send)
        await self._admission.admit(scope, token, self._is_stream(scope), lambda: self._app(scope, receive, renewing))

    async def _who(self, scope: Scope) -> tuple[Session, Token] | None:
        for word in words(scope):
            session = sessions.check(word, self._keys, time())
            token = None if session is None else await self._lookup(session.token)
            if session is not None and token is not None and is_usable(token, time()):
                return session, token
        return None

    async def _to_sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_stream(scope):
            scope["state"]["refusal"] = Refusal(401, "signed_out", "sign in again, and repeat it")
            return
        if scope["method"] not in SAFE:
            await self._turned_away(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        there = scope["path"] + (f"?{query}" if query else "")
        where = f"{self._base}/sign-in" + ("" if there == "/" else f"?next={quote(there, safe='/')}")
        await RedirectResponse(where, 303)(scope, receive, send)

    def _renewing(self, session: Session, scope: Scope, send: Send) -> Send:
        """Who is here now stays signed in."""
        if not sessions.is_to_be_renewed(session, time()):
            return send

        async def renewed(message: Message) -> None:
            said = [name for name, _ in message.get("headers", ())]
            if message["type"] == "http.response.start" and b"set-cookie" not in said:
                cookie = kept(sessions.begin(session.token, self._keys, time()), is_secure(scope))
                message = {**message, "headers": [*message["headers"], (b"set-cookie", cookie.encode("ascii"))]}
            await send(message)

        return renewed


def words(scope: Scope) -> list[str]:
    """What the cookies say that may be ours."""
    found: list[str] = []
    for value in values_of(scope, b"cookie"):
        try:
            said = SimpleCookie(value.decode("latin-1"))
        except CookieError:
            continue  # of somebody else, on the same host
        found += [said[name].value for name in (SECURE, COOKIE) if name in said]
    return found


def is_secure(scope: Scope) -> bool:
    """Whether the browser speaks TLS, be it with us or with a proxy before us: then it says so in its origin."""
    origins = values_of(scope, b"origin")
    return scope.get("scheme") == "https" or any(one.lower().startswith(b"https://") for one in origins)


def kept(session: Session, secure: bool) -> str:
    """The header that has a browser keep it."""
    return _cookie(session.word, sessions.LIFETIME, secure)


def dropped(secure: bool) -> str:
    """The header that has it forget."""
    return _cookie("", 0, secure)


def _cookie(word: str, seconds: int, secure: bool) -> str:
    name = SECURE if secure else COOKIE
    more = "; Secure" if secure else ""
    return f"{name}={word}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{more}"
