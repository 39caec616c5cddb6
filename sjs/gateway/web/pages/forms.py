"""What is sent with a form of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request

from sjs.errors import BadRequest, Refused
from sjs.gateway.identity import sessions

MOST = 200
"""Fields."""


class Foreign(Refused):
    """It was not sent from a page that was made for whoever sends it."""

    code = "forbidden"


async def fields(request: Request) -> Mapping[str, str]:
    """What stands in a form; of a field that comes twice, the last."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequest("a form is sent as application/x-www-form-urlencoded")
    try:
        body = (await request.body()).decode("utf-8")
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST))
    except ValueError:
        raise BadRequest(f"a form is UTF-8, and has {MOST} fields at most") from None


async def posted(request: Request, keys: Sequence[bytes]) -> Mapping[str, str]:
    """The same of one who has signed in. Foreign for what another site has had a browser send."""
    found = await fields(request)
    if not sessions.is_form_word(found.get("form", ""), request.state.session, keys):
        raise Foreign("this form was not made for you", "open the page again, and send it from there")
    return found
