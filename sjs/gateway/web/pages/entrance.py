"""Signing in with a token, and out."""

from __future__ import annotations

import re
from time import monotonic, time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.gateway.identity import sessions, tokens
from sjs.gateway.identity.entry import FAILURES, Lookup
from sjs.gateway.identity.limits import Meters
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame
from sjs.gateway.web.pages.visitors import dropped, is_secure, kept

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x7e]{0,2000}", re.ASCII)


class Entrance:
    """`failures`: of addresses that have come with what is no token."""

    def __init__(self, frame: Frame, lookup: Lookup) -> None:
        self._frame = frame
        self._lookup = lookup
        self._keys = frame.desk.link_keys
        self._failures = Meters()

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.asked, methods=["GET"]),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def asked(self, request: Request) -> Response:
        there = request.query_params.get("next", "")
        if request.headers.get("sec-fetch-site") == "cross-site" and _LOCAL.fullmatch(there):
            # its browser keeps the cookie back, as it was sent here by another site: from here it brings it
            return self._frame.page(request, "on-the-way.html", there=there)
        return self._form(request, there)

    async def turned_away(self, request: Request) -> Response:
        """Who has sent a form, and is not signed in any more."""
        return self._form(request, "", "you are signed out: sign in, go back, and send it again", 401)

    async def sign_in(self, request: Request) -> Response:
        said = await forms.fields(request)
        there = said.get("next", "")
        presented = tokens.parse(said.get("token", "").strip())
        known = None if presented is None else await self._lookup(presented.id)
        found = tokens.check(presented, known, time())
        if isinstance(found, tokens.Denied):
            return self._refused(request, there, found.text)
        denied = tokens.may(found, "read")
        if denied is not None:
            return self._form(request, there, denied.text, 403)
        where = there if _LOCAL.fullmatch(there) else "/"
        session = sessions.begin(found.id, self._keys, time())
        return RedirectResponse(self._frame.url(where), 303, {"set-cookie": kept(session, is_secure(request.scope))})

    async def sign_out(self, request: Request) -> Response:
        await forms.posted(request, self._keys)
        return RedirectResponse(self._frame.url("/sign-in"), 303, {"set-cookie": dropped(is_secure(request.scope))})

    def _refused(self, request: Request, there: str, text: str) -> Response:
        """Who tries often is told to wait; whoever has a good token is not held up by that."""
        address = request.client.host if request.client else ""
        exceeded = self._failures.count(address, FAILURES, monotonic())
        if exceeded is not None:
            headers = {"retry-after": str(exceeded.retry_after)}
            return self._form(request, there, "too many attempts: wait a little", 429, headers)
        return self._form(request, there, text, 401)

    def _form(
        self, request: Request, there: str, trouble: str = "", status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        return self._frame.page(request, "sign-in.html", status, headers, next=there, trouble=trouble)
