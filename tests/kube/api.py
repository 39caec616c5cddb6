"""From a request to its answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.kube import changing, creating, deleting, discovery
from tests.kube.auth import Account, Accounts, authorize
from tests.kube.decoding import decoded
from tests.kube.faults import Fault, Faults, Reset, Turned
from tests.kube.kinds import JOBS, NAMESPACES, PODS, REVIEWS
from tests.kube.listing import chosen, listed
from tests.kube.patching import patched
from tests.kube.routes import Route, route, split
from tests.kube.status import Obj, Refused, bad_request, not_found, success
from tests.kube.store import Store
from tests.kube.watching import Waiting, watched

LARGEST = 3 * 1024 * 1024
LARGEST_KEPT = 3 * 512 * 1024
"""Bytes of a request, and of an object that etcd takes."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = "application/json"
    authorization: str = ""
    certificate: str = ""
    as_whom: tuple[tuple[str, str], ...] = ()
    """The headers that say so."""
    wait: Waiting = lambda ears, until: False


@dataclass(frozen=True)
class Answer:
    """A whole body, or lines as they come."""

    code: int
    body: Obj | list[Obj] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    lines: Iterator[bytes] | None = None
    cut_after: int | None = None
    """End the connection in the middle of the line after so many."""


@dataclass(frozen=True)
class Seen:
    """What was asked once, for tests that count."""

    user: str
    verb: str
    resource: str
    method: str
    target: str


Logs = Callable[[Obj, Route, Waiting], Answer]


@dataclass
class Api:
    """The API server without its sockets."""

    store: Store
    accounts: Accounts
    faults: Faults
    logs: Logs
    admit: creating.Admission
    seen: list[Seen] = field(default_factory=list)
    bookmarks_every: float = 60.0

    def counts(self) -> Counter[tuple[str, str]]:
        """How often each verb was asked of each resource."""
        return Counter((one.verb, one.resource) for one in self.seen)

    def handle(self, asked: Asked) -> Answer:
        try:
            return self._handle(asked)
        except Refused as refused:
            return Answer(refused.code, refused.body(), refused.headers)
        except Turned as turned:
            return Answer(turned.code, text=turned.text, headers=turned.headers)

    def _handle(self, asked: Asked) -> Answer:
        words, params = split(asked.target)
        account = self.accounts.instead(self.accounts.who(asked.authorization, asked.certificate), asked.as_whom)
        told = discovery.told(words)
        if told is not None:
            return Answer(200, text=told) if isinstance(told, str) else Answer(200, told)
        path = route(asked.method, words, params)
        resource = f"{path.resource.plural}/{path.sub}" if path.sub else path.resource.plural
        self.seen.append(Seen(account.name, path.verb, resource, asked.method, asked.target))
        self.faults.wait_for_answers()
        fault = self.faults.take(path.verb, resource)
        if fault is not None:
            self._fail(fault, account, path, asked)
        authorize(account, path)
        return self._do(account, path, asked)

    def _fail(self, fault: Fault, account: Account, path: Route, asked: Asked) -> None:
        if fault.code:
            raise fault.refusal()
        if fault.done_first:
            authorize(account, path)
            self._do(account, path, asked)
        raise Reset

    def _do(self, account: Account, path: Route, asked: Asked) -> Answer:
        if len(asked.body) > LARGEST:
            raise Refused(413, "RequestEntityTooLarge", f"Request entity too large: limit is {LARGEST}")
        if path.resource == REVIEWS:
            return self._review(account, _json(asked.body))
        if path.verb == "list":
            return Answer(200, listed(self.store, path))
        if path.verb == "watch":
            lines = watched(self.store, path, asked.wait, self.faults, self.bookmarks_every)
            return Answer(200, lines=lines, cut_after=self.faults.take_cut("watch"))
        if path.verb == "create":
            return self._create(path, asked)
        if path.verb == "deletecollection":
            return self._delete_all(path, _json(asked.body))
        return self._one(path, asked)

    def _one(self, path: Route, asked: Asked) -> Answer:
        with self.store.lock:
            obj = self.store.get(path.resource, path.namespace, path.name)
            if obj is None:
                raise not_found(path.resource, path.name)
            if path.sub == "log":
                return self.logs(obj, path, asked.wait)
            if path.verb == "get":
                return Answer(200, obj)
            if path.verb == "delete":
                return self._delete(path, obj, _json(asked.body))
            return self._change(path, obj, asked)

    def _create(self, path: Route, asked: Asked) -> Answer:
        if path.name:
            raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        obj, headers = _read(path, _json(asked.body))
        given = obj["metadata"].get("namespace")
        if path.namespace and given not in (None, "", path.namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if obj["metadata"].get("resourceVersion"):
            raise _internal("resourceVersion should not be set on objects to be created")
        if len(asked.body) > LARGEST_KEPT:
            raise _internal("etcdserver: request is too large")
        made = creating.create(self.store, path.resource, obj, path.namespace, self.admit, _dry(path))
        return Answer(201, made, headers)

    def _change(self, path: Route, before: Obj, asked: Asked) -> Answer:
        body = _json(asked.body)
        if path.verb == "patch":
            body = patched(before, body, asked.content_type)
        obj, headers = _read(path, body)
        return Answer(200, changing.change(self.store, path.resource, before, obj, path.sub, _dry(path)), headers)

    def _delete(self, path: Route, obj: Obj, body: Any) -> Answer:
        options = {**_options(path), **(body or {})}
        headers = _kept(path, options)
        if _dry(path) or options.get("dryRun"):
            return Answer(200, obj, headers)
        now, gone = deleting.delete(self.store, path.resource, obj, options)
        if path.resource == NAMESPACES:
            self._empty(path.name)
        if gone and path.resource != PODS:
            now = success(path.resource, obj["metadata"]["name"], obj["metadata"]["uid"])
        return Answer(200, now, headers)

    def _delete_all(self, path: Route, body: Any) -> Answer:
        options = {**_options(path), **(body or {})}
        with self.store.lock:
            pick = chosen(path)
            found = [obj for obj in self.store.all(path.resource, path.namespace) if pick(obj)]
            if not _dry(path):
                for obj in found:
                    deleting.delete(self.store, path.resource, obj, options)
        kind = f"{path.resource.kind}List"
        meta = {"resourceVersion": str(self.store.version)}
        body = {"kind": kind, "apiVersion": path.resource.api_version, "metadata": meta, "items": found}
        return Answer(200, body, _kept(path, options))

    def _empty(self, namespace: str) -> None:
        for resource in self.store.kinds():
            for obj in self.store.all(resource, namespace) if resource.namespaced else []:
                self.store.remove(resource, obj)

    def _review(self, account: Account, body: Any) -> Answer:
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        allowed = account.may(asked.get("verb", ""), resource, asked.get("namespace", ""))
        return Answer(
            201, {**body, "status": {"allowed": allowed, **({} if allowed else {"reason": "no rule allows"})}}
        )


def _internal(message: str) -> Refused:
    return Refused(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error


def _kept(path: Route, options: Obj) -> dict[str, str]:
    """The warning for who does not know what becomes of the pods."""
    said = path.resource != JOBS or {"propagationPolicy", "orphanDependents"} & set(options)
    return {} if said else {"Warning": f'299 - "{deleting.KEPT}"'}


def _options(path: Route) -> Obj:
    """Options of a deletion that stand in the query."""
    found: Obj = {}
    if "propagationPolicy" in path.params:
        found["propagationPolicy"] = path.params["propagationPolicy"]
    if "gracePeriodSeconds" in path.params:
        found["gracePeriodSeconds"] = int(path.params["gracePeriodSeconds"])
    return found


def _dry(path: Route) -> bool:
    asked = path.params.get("dryRun")
    if asked not in (None, "All"):
        raise bad_request(f'Invalid value: "{asked}": dryRun: Unsupported value: "{asked}": supported values: "All"')
    return asked == "All"


def _read(path: Route, body: Any) -> tuple[Obj, dict[str, str]]:
    """The object, and a warning of fields that nobody knows; strictly read, they are an error."""
    obj, unknown = decoded(path.resource, body)
    mode = path.params.get("fieldValidation", "Warn")
    told = [f'unknown field "{field}"' for field in unknown]
    if told and mode == "Strict":
        kind = path.resource.kind
        where = f'{kind} in version "{path.resource.version}" cannot be handled as a {kind}'
        raise bad_request(f"{where}: strict decoding error: {', '.join(told)}")
    if told and mode == "Warn":
        shown = ", ".join("299 - " + json.dumps(one) for one in told)
        return obj, {"Warning": shown}
    return obj, {}
