"""The applications that are served, each behind its guard."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic, time

from fastapi import FastAPI

from sjs.errors import UsageError
from sjs.gateway import tokens
from sjs.gateway.desk import Desk
from sjs.gateway.identity.entry import Admission, Entry
from sjs.gateway.identity.guard import App, Done, Guard, Receive, Rules, Scope, Send, nobody
from sjs.gateway.identity.heads import HeadRules, wants_stream
from sjs.gateway.identity.tokens import Token, make, used_now
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.web import health, problems
from sjs.gateway.web.api import artifacts, describe, events, hooks, jobs, outputs, specs, sweeps, targets
from sjs.gateway.web.api import tokens as access
from sjs.gateway.web.api.quick import Quick
from sjs.gateway.web.api.stages import routes as stages
from sjs.gateway.web.health import Numbers
from sjs.gateway.web.job_manager import app as job_manager
from sjs.gateway.web.jobd import application as jobd
from sjs.gateway.web.jobmgr import app as jobmgr
from sjs.gateway.web.pages import application as pages

PREFIX = "/api/v1"
PUBLIC = ("/healthz", "/readyz")
DOORS = ("/jobmgr/artifacts/kept/", f"{PREFIX}{artifacts.LINKED}/")
"""Below these, a signed word in the path says what may be had."""

DIALECTS: Mapping[str, tuple[Callable[[Desk, Mapping[str, str], Sequence[bytes]], App], Collection[str]]] = {
    "jobd": (lambda desk, environ, keys: jobd.application(desk), jobd.SCOPES),
    "jobmgr": (jobmgr.application, jobmgr.SCOPES),
    "stages": (lambda desk, environ, keys: job_manager.application(desk), job_manager.SCOPES),
}
"""What speaks as a replaced program did, by its name: an application that finds who asks in scope["state"]["token"],
and what those may there who present none."""


class Api(FastAPI):
    """What is asked most is answered before."""

    quick: Quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = await self.quick.left(scope, receive, send)
        if left is not None:
            await super().__call__(scope, left, send)


def native(desk: Desk, environ: Mapping[str, str], numbers: Numbers | None = None) -> FastAPI:
    """The API alone, and what is said of the gateway itself."""
    app = Api(title="sjs", version="1", openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None)
    app.quick = Quick(desk, environ)
    problems.install(app)
    inquiries = Inquiries(desk)
    for router in (
        jobs.routes(desk, environ),
        outputs.routes(desk, inquiries),
        artifacts.routes(desk, PREFIX, desk.link_keys),
        events.routes(desk),
        hooks.routes(desk),
        stages.routes(Pipelines(desk)),
        specs.routes(desk),
        sweeps.routes(desk, environ),
        targets.routes(desk, inquiries),
        access.routes(desk),
    ):
        app.include_router(router, prefix=PREFIX)
    app.mount("/jobmgr", jobmgr.application(desk, environ, desk.link_keys))
    app.mount("/jobd", jobd.application(desk))
    app.mount("/stages", job_manager.application(desk))
    describe.install(app)
    health.install(app, desk, numbers or Numbers(desk))
    return app


def guarded(
    desk: Desk, app: App, hosts: Sequence[str], done: Done = nobody, environ: Mapping[str, str] | None = None
) -> Guard:
    """The same for those who have tokens, and for nobody else; and the pages, for those who have signed in with one.
    `done` hears of each request that was answered."""
    head = HeadRules(hosts=hosts, origins=desk.settings.origins)
    known = Kept(desk)
    admission = Admission(seen=lambda token, now: _seen(desk, token, now))
    entry = Entry(
        app,
        known.find,
        admission,
        public=PUBLIC,
        doors=DOORS,
        is_stream=lambda scope: wants_stream(scope, head),
    )
    seen = pages.application(desk, environ or {}, Inquiries(desk), known.find, admission, head)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and pages.is_page(scope["path"])
        await (seen if is_page else entry)(scope, receive, send)

    return Guard(either, _rules(desk, head), done)


def of_dialect(
    desk: Desk, name: str, owner: str, hosts: Sequence[str], environ: Mapping[str, str], done: Done = nobody
) -> Guard:
    """A dialect at the root of a port of its own, whose clients can present no token: all of them act as one owner."""
    if name not in DIALECTS:
        raise UsageError(f"gateway.dialects.{name}: this version does not speak it")
    application, scopes = DIALECTS[name]
    app = application(desk, environ, desk.link_keys)
    # nobody is shown it, so nobody can come with it elsewhere
    token, _ = make(owner, scopes, time(), limits=desk.settings.limits)
    desk.own.add(token.id)

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"] |= {"token": token, "path": f"/{name}"}  # it is counted as where it is mounted
        await app(scope, receive, send)

    return Guard(asked, _rules(desk, HeadRules(hosts=hosts, is_strict=True)), done)


def _rules(desk: Desk, head: HeadRules) -> Rules:
    settings = desk.settings

    def most_body(method: str, path: str) -> int:
        return settings.most_upload if path.removeprefix("/jobd") == jobd.UPLOAD else settings.most_body

    return Rules(head, most_body=most_body, most_requests=settings.most_requests)


class Kept:
    """Tokens that were asked for lately, in memory: for so short a time that who revokes one need not wait."""

    def __init__(self, desk: Desk, seconds: float = 1.0, most: int = 10_000) -> None:
        self._desk = desk
        self._seconds = seconds
        self._most = most
        self._known: dict[str, tuple[float, Token]] = {}

    async def find(self, name: str) -> Token | None:
        known = self._known.get(name)
        if known is not None and monotonic() < known[0]:
            return known[1]
        found = await self._desk.read(lambda connection: tokens.find(connection, name))
        if found is None:
            self._known.pop(name, None)
        else:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[name] = (monotonic() + self._seconds, found)
        return found


def _seen(desk: Desk, token: Token, now: float) -> None:
    at = used_now(token, now)
    if at is not None:
        desk.write.put(lambda connection: tokens.used(connection, token.id, at))
