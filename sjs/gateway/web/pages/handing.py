"""/jobs/new: a form that hands in a job, and hands it in once however often it is sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.errors import BadRequest, Conflict, SjsError
from sjs.gateway.collecting.wanted import Wanted
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may, reachable
from sjs.gateway.ordering import BadParameters, keeping, of_command, of_spec, rules_of
from sjs.gateway.records.jobs import New
from sjs.gateway.specs.spec import JobSpec, Parameter
from sjs.gateway.specs.values import written
from sjs.gateway.web import problems
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, reader
from sjs.values import dataclass

ORIGIN = "page"
_ONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_GIVEN = "p."
"""What the names of fields begin with that are a spec's parameters."""

_NUMBERS = {"slots": int, "cpus": int, "gpus": float, "retries": int, "priority": int}
_TEXTS = ("name", "mem", "timeout")
OF_COMMANDS = ("name", "priority", "slots", "cpus", "mem", "gpus", "timeout", "retries")
OF_SPECS = ("name", "priority")

MOST_OFFERED = 200


@dataclass(frozen=True)
class Field:
    """Of a form, for a parameter. `kind`: which element it is; `choices`: what it offers."""

    parameter: Parameter
    kind: str
    choices: tuple[str, ...] = ()
    usual: str = ""


def field_of(parameter: Parameter) -> Field:
    """The field for a parameter. Pure."""
    usual = "" if parameter.default is None else written(parameter.default)
    if parameter.choices:
        return Field(parameter, "choice", tuple(map(written, parameter.choices)), usual)
    if parameter.type == "bool":
        return Field(parameter, "choice", ("true", "false"), usual)
    if parameter.type in ("int", "float"):
        return Field(parameter, parameter.type, usual=usual)
    return Field(parameter, "lines" if "\n" in usual else "text", usual=usual)


def given_of(spec: JobSpec, said: Mapping[str, str]) -> dict[str, object]:
    """What a form says to a spec. What was left empty was not said, but where there has to be something. Pure."""
    found: dict[str, object] = {}
    for one in spec.parameters:
        text = said.get(f"{_GIVEN}{one.name}", "").replace("\r\n", "\n")
        if text or (one.required and one.type == "string" and not one.choices):
            found[one.name] = text
    return found


def options_of(said: Mapping[str, str], names: Sequence[str]) -> dict[str, Any]:
    """What a form tells a job besides. BadRequest. Pure."""
    found: dict[str, Any] = {}
    for name in names:
        text = said.get(name, "").strip()
        if text:
            try:
                found[name] = _NUMBERS.get(name, str)(text)
            except ValueError:
                raise BadRequest(f"{name}: {text[:60]!r} is no number") from None
    return found


def routes(frame: Frame, environ: Mapping[str, str]) -> list[Route]:
    return Handing(frame, environ).routes()


class Handing:
    def __init__(self, frame: Frame, environ: Mapping[str, str]) -> None:
        self._frame = frame
        self._desk: Desk = frame.desk
        self._environ = environ

    def routes(self) -> list[Route]:
        return [
            Route("/jobs/new", self.asked, methods=["GET"]),
            Route("/jobs/new", self.hand_in, methods=["POST"]),
        ]

    async def asked(self, request: Request) -> Response:
        check(may(reader(request), "submit"))
        return await self._form(request, request.query_params.get("spec", ""), {})

    async def hand_in(self, request: Request) -> Response:
        said = await forms.posted(request, self._desk.link_keys)
        once = said.get("once", "")
        if not _ONCE.fullmatch(once):
            raise BadRequest("this form is none of ours", "open the page again, and send it from there")
        name = said.get("spec", "")
        try:
            new = await asyncio.to_thread(self._made, name, said)
            taken = await self._desk.accept(reader(request), [new], ORIGIN, f"page-{once}")
        except SjsError as error:
            return await self._form(request, name, said, error)
        return RedirectResponse(self._frame.url(f"/jobs/{taken.first}"), 303)

    def _made(self, name: str, said: Mapping[str, str]) -> New:
        keeps = "keeps" in said
        if not name:
            command = said.get("command", "").replace("\r\n", "\n")
            if not command.strip():
                raise BadRequest("say a command")
            new = of_command(command, options_of(said, OF_COMMANDS), said.get("target", "").strip() or "any")
            return keeping(new, Wanted()) if keeps else new
        spec = self._desk.specs.find(name)
        given, options = given_of(spec, said), options_of(said, OF_SPECS)
        new = of_spec(spec, given, self._environ, options, said.get("target", "").strip())
        return keeping(new, Wanted(rules_of(spec.artifacts))) if keeps else new

    async def _form(
        self, request: Request, name: str, said: Mapping[str, str], error: SjsError | None = None
    ) -> Response:
        token = reader(request)
        known, spec, wrong = await asyncio.to_thread(self._specs, token, name)
        wrongs = {one.name: one.text for one in error.problems} if isinstance(error, BadParameters) else {}
        again = token_hex(16) if error is None or isinstance(error, Conflict) else said.get("once", token_hex(16))
        targets = reachable(token, [one.name for one in self._desk.config.everyone])
        return self._frame.page(
            request,
            "new-job.html",
            200 if error is None else problems.status_of(error),
            specs=known,
            name=name,
            spec=spec,
            fields=[] if spec is None else [field_of(one) for one in spec.parameters],
            options=OF_SPECS if name else OF_COMMANDS,
            said=said,
            given=_GIVEN,
            trouble=wrong or ("" if error is None else str(error)),
            wrongs=wrongs,
            once=again,
            targets=["any", *targets][:MOST_OFFERED],
            may_raw="raw" in token.scopes,
        )

    def _specs(self, token: Token, name: str) -> tuple[list[str], JobSpec | None, str]:
        """Those that may be used, the one that was chosen, and what is wrong with that."""
        names = [one for one in self._desk.specs.names() if token.specs is None or one in token.specs]
        if not name:
            return names[:MOST_OFFERED], None, ""
        try:
            if token.specs is not None and name not in token.specs:
                raise BadRequest(f"there is no spec {name!r:.100}")
            return names[:MOST_OFFERED], self._desk.specs.find(name), ""
        except SjsError as error:
            return names[:MOST_OFFERED], None, str(error)
