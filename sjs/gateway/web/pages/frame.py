"""A page: its template, what all of them have around it, and what a browser may do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sjs import __version__
from sjs.errors import BadRequest
from sjs.gateway.desk import Desk
from sjs.gateway.identity import sessions
from sjs.gateway.identity.tokens import Token, may
from sjs.gateway.web.pages import looks, words
from sjs.values import dataclass

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, and nothing from anywhere else."""

HEADERS = {"content-security-policy": POLICY, "referrer-policy": "same-origin"}
"""Of pages. With `no-referrer`, a browser would not say of a form where it comes from."""

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Place:
    """A line of the navigation; `scope`: what a token needs to see it."""

    path: str
    name: str
    scope: str = "read"


@dataclass(frozen=True)
class Asset:
    """A file that pages refer to, by a name that is another one whenever it says something else."""

    body: bytes
    mime: str
    digest: str


class Frame:
    """Makes pages. `base`: the path below which a proxy serves the gateway; `places`: where one can go."""

    def __init__(self, desk: Desk, base: str, places: Sequence[Place]) -> None:
        self.desk = desk
        self._base = base
        self._places = places
        self._templates = Environment(
            loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, finalize=words.untwisted,
        )  # fmt: skip
        filters = (
            words.seconds,
            words.moment,
            words.machine_moment,
            words.size,
            words.count,
            words.tone,
            words.brief,
            words.exact,
        )
        self._templates.filters |= {one.__name__: one for one in filters}
        self._templates.globals |= {"url": self.url, "asset": self._asset, "version": __version__}

    def url(self, path: str, **query: object) -> str:
        """Where a page is for its reader; what is None is left out of the query."""
        said = urlencode({key: value for key, value in query.items() if value is not None}, doseq=True)
        return f"{self._base}{path}" + (f"?{said}" if said else "")

    def page(
        self, request: Request, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Response:
        """An answer with this page."""
        text = self._templates.get_template(template).render(here=self._here(request), **more)
        return Response(text, status, {**HEADERS, **(headers or {})}, "text/html")

    def part(self, template: str, **more: Any) -> Markup:
        """What pages have within them that is the same for all who read it."""
        return Markup(self._templates.get_template(template).render(**more))

    def _here(self, request: Request) -> Mapping[str, Any]:
        """What all pages know of who reads them."""
        session, token = getattr(request.state, "session", None), getattr(request.state, "token", None)
        return {
            "path": request.scope["path"],
            "places": [one for one in self._places if token is not None and may(token, one.scope) is None],
            "token": token,
            "may": lambda scope: token is not None and may(token, scope) is None,
            "form": "" if session is None else sessions.form_word(session, self.desk.link_keys),
        }

    def _asset(self, name: str) -> str:
        return self.url(f"/static/{assets()[name].digest}/{name}")


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Asset]:
    """Read once; who changes one while the gateway runs starts it anew."""
    found = {"colours.css": _asset(looks.stylesheet().encode("ascii"), "css")}
    for one in files(__package__).joinpath("static").iterdir():
        kind = one.name.rpartition(".")[2]
        if kind in TYPES:
            found[one.name] = _asset(one.read_bytes(), kind)
    return found


def _asset(body: bytes, kind: str) -> Asset:
    return Asset(body, TYPES[kind], hashlib.sha256(body).hexdigest()[:16])


def _template(name: str) -> str:
    return files(__package__).joinpath("templates").joinpath(name).read_text(encoding="utf-8")


def number_of(text: str | None, name: str) -> int | None:
    """A number as queries and headers have it; None where nothing, or nothing in it, was said."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest(f"{name} is a whole number")
    return int(text)


def numbered(request: Request) -> int:
    """The number in the path."""
    number: int = request.path_params["number"]
    if number >= 2**63:
        raise HTTPException(404)
    return number


def reader(request: Request) -> Token:
    """Who looks at the page."""
    token: Token = request.state.token
    return token
