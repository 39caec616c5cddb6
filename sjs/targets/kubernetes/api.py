"""An API server, asked until it answers: every request may be asked again, because names and versions are in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sjs.errors import ConfigError, LinkLost, NotReached, SjsError, Unreachable
from sjs.targets.kubernetes import names
from sjs.targets.kubernetes.connection import ANSWER, JSON, Connection, Query
from sjs.targets.kubernetes.trouble import Busy, Changed, Cut, Gone, Rejected, Unproven, error_of
from sjs.targets.outage import PAUSES, Outage
from sjs.values import dataclass

PATIENCE = 30.0
"""Seconds of one outage; of a cluster that has not answered in this command, …"""

FIRST_PATIENCE = 5.0
"""… so many."""

SETTLING = 10.0
"""Seconds after an outage in which nobody is believed who refuses us: a server answers before it has read its roles."""

PAGE = 500
"""Objects of one answer."""

Object = dict[str, Any]
Selected = Mapping[str, str]
T = TypeVar("T")

MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Listed:
    """What a list holds, and the version from which on a watch tells the rest."""

    items: Sequence[Object]
    version: str


class Api:
    """One namespace of a cluster."""

    def __init__(self, connection: Connection, namespace: str, notice: Callable[[str], None]) -> None:
        self._connection = connection
        self._namespace = namespace
        self._notice = notice
        self._greeted = False
        self._settled = float("-inf")

    @property
    def namespace(self) -> str:
        """Where our objects are."""
        name = self._namespace or self._connection.access.namespace
        if not names.is_name(name):
            raise ConfigError(f"'{name}' can not be a namespace", "small letters, digits and '-', at most 63")
        return name

    @property
    def server(self) -> str:
        """Its address."""
        return self._connection.access.server

    def path(self, kind: str, name: str = "", namespace: str = "") -> str:
        """Where objects of a kind are (`jobs`, `pods`, `configmaps`, `events`, `resourcequotas`), or one of them."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        return f"{group}/namespaces/{namespace or self.namespace}/{kind}{f'/{name}' if name else ''}"

    def ask(self, method: str, path: str, query: Query | None = None, body: Any = None, kind: str = JSON) -> Object:
        """What is answered."""
        return self.persist(lambda: self._whole(method, path, query, body, kind))

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        return self.ask("GET", self.path(kind, name, namespace))

    def create(self, kind: str, body: Object) -> Object:
        """Have an object. That a quota is being counted for somebody else meanwhile is borne."""
        for pause in PAUSES:
            try:
                return self.ask("POST", self.path(kind), None, body)
            except Changed:
                time.sleep(pause)
        return self.ask("POST", self.path(kind), None, body)

    def patch(self, kind: str, name: str, body: Object) -> Object:
        return self.ask("PATCH", self.path(kind, name), None, body, MERGE)

    def delete(self, kind: str, name: str, **options: Any) -> None:
        """Have one no more. `options`: those of a DeleteOptions."""
        self.ask("DELETE", self.path(kind, name), None, {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def delete_job(self, name: str, uid: str) -> None:
        """Have this Job no more, and what belongs to it, but none that has its name by now."""
        self.delete("jobs", name, propagationPolicy="Background", preconditions={"uid": uid})

    def list(self, path: str, selected: Selected | None = None) -> Listed:
        """All that is there at one moment, in pages. When the next page is no more, what has come is too old: then it
        is asked for anew, in one piece, which can not become too old on the way."""
        query: dict[str, str | int] = {**(selected or {}), "limit": PAGE}
        items: list[Object] = []
        while True:
            try:
                found = self.ask("GET", path, query)
            except Gone:
                if "continue" not in query:
                    raise
                query, items = {**(selected or {})}, []
                continue
            items += found.get("items") or ()
            meta = found.get("metadata") or {}
            if not meta.get("continue"):
                return Listed(items, str(meta.get("resourceVersion", "")))
            query["continue"] = str(meta["continue"])

    def stream(self, path: str, query: Query, seconds: float) -> Iterator[bytes]:
        """What comes, as it comes. Cut when that breaks, or nothing comes for so many seconds."""
        answer = self.persist(lambda: self._connection.send("GET", path, query, seconds=seconds))
        import urllib3  # which `send` has found

        try:
            while data := answer.read1(1 << 16):
                yield data
        except urllib3.exceptions.HTTPError as error:
            self._has_broken()
            raise Cut(str(self._connection.lost(error))) from None
        except OSError as error:
            self._has_broken()
            raise Cut(f"the connection broke: {error.strerror}") from None
        finally:
            answer.close()

    def watch(self, path: str, query: Query, deadline: float) -> Iterator[Object]:
        """Events from the version in the query on, until it is cut or the deadline (of time.monotonic()) has come.
        Gone: what was before them has to be listed anew."""
        seconds = max(0.01, min(deadline - time.monotonic(), SLICE))
        asked = {**query, "watch": 1, "allowWatchBookmarks": "true", "timeoutSeconds": max(1, int(seconds))}
        rest = b""
        for data in self.stream(path, asked, seconds):
            if time.monotonic() >= deadline:  # who sends slowly, and on and on, has no say in this
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in filter(None, lines):
                event = _parsed(line)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    error = error_of(_code(status), json.dumps(status).encode(), self.namespace)
                    raise Cut(error.message) if isinstance(error, Busy) else error
                yield event

    def persist(self, attempt: Callable[[], T]) -> T:
        """Attempt it, as often as there is no answer, until the patience of one outage is used up."""
        outage: Outage | None = None
        while True:
            try:
                found = attempt()
                self._greeted = True
                return found
            except (Unreachable, Rejected) as error:
                if self._may_settle(error):
                    time.sleep(PAUSES[-1])
                    continue
                if isinstance(error, Rejected):
                    raise
                self._has_broken()
                if outage is None:
                    if not (isinstance(error, LinkLost) or (self._greeted and isinstance(error, NotReached))):
                        raise
                    outage = Outage(PATIENCE if self._greeted or isinstance(error, Busy) else FIRST_PATIENCE)
                    if not isinstance(error, Busy):
                        self._notice(f"{error.message}; asking again for {outage.seconds:.0f} seconds")
                outage.pause(error)
                if isinstance(error, Busy):
                    time.sleep(min(error.after, outage.seconds))

    def _has_broken(self) -> None:
        self._settled = time.monotonic() + SETTLING

    def _may_settle(self, error: SjsError) -> bool:
        """Whether a server that is just back may only not know yet who we are, or what we may do."""
        refused = isinstance(error, Unproven) or type(error) is Rejected and error.status == 403
        return refused and self._greeted and time.monotonic() < self._settled

    def close(self) -> None:
        self._connection.close()

    def hang_up(self) -> None:
        """Nobody wants anything of it any more; from any thread."""
        self._connection.hang_up()

    def _whole(self, method: str, path: str, query: Query | None, body: Any, kind: str) -> Object:
        answer = self._connection.send(method, path, query, body, kind, ANSWER)
        import urllib3  # which `send` has found

        try:
            return _parsed(answer.read()) if answer.status != 204 else {}
        except urllib3.exceptions.HTTPError as error:
            raise self._connection.lost(error) from None
        finally:
            answer.release_conn()


SLICE = 240.0
"""Seconds after which a watch is begun anew, by whoever is between us and the server at the latest."""


def _code(status: Object) -> int:
    code = status.get("code")
    return code if isinstance(code, int) else 500


def _parsed(data: bytes) -> Object:
    try:
        found = json.loads(data)
    except ValueError:
        raise LinkLost(
            "what the API server answers makes no sense", "is there something else at its address?"
        ) from None
    if not isinstance(found, dict):
        raise LinkLost("what the API server answers makes no sense", "is there something else at its address?")
    return found
