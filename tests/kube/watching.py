"""Watches: the changes since a version, one JSON line each, for as long as anybody listens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

from tests.kube.bell import heard
from tests.kube.faults import Faults
from tests.kube.listing import chosen
from tests.kube.routes import Route
from tests.kube.selecting import Chosen
from tests.kube.status import Obj, Refused, bad_request, expired
from tests.kube.store import Change, Store

Waiting = Callable[[tuple[int, ...], float | None], bool]
"""Waits for one of the ears or until a time; False when who asked has hung up, or the server is going."""


def line(type_: str, obj: Obj) -> bytes:
    return json.dumps({"type": type_, "object": obj}, separators=(",", ":")).encode() + b"\n"


def watched(store: Store, route: Route, wait: Waiting, faults: Faults, pace: float) -> Iterator[bytes]:
    """The lines of a watch, with a bookmark at this pace for those who want them."""
    asked = route.params.get("resourceVersion") or "0"
    if not asked.isdigit():
        raise bad_request(f'invalid resource version "{asked}": strconv.ParseUint: parsing "{asked}": invalid syntax')
    fault = faults.take("event", route.resource.plural)
    if fault is not None:
        refusal = fault.refusal()
        return iter([line("ERROR", refusal.body() if isinstance(refusal, Refused) else {"code": fault.code})])
    pick = chosen(route)
    initial = route.flag("sendInitialEvents")
    if asked != "0" and not initial and int(asked) < store.floor:
        return iter([_too_old(int(asked), store.floor)])
    return _lines(store, route, wait, faults, pick, int(asked), initial, pace)


def _lines(
    store: Store,
    route: Route,
    wait: Waiting,
    faults: Faults,
    pick: Chosen,
    asked: int,
    initial: bool,
    pace: float,
) -> Iterator[bytes]:
    bookmarks = route.flag("allowWatchBookmarks")
    limit = route.params.get("timeoutSeconds")
    end = time.monotonic() + int(limit) if limit else None
    due = time.monotonic() + pace
    with store.bell.listening() as ear, faults.bell.listening() as released:
        with store.lock:
            begun = asked if asked and not initial else store.version
            present = [] if asked and not initial else store.all(route.resource, route.namespace)
        yield from (line("ADDED", obj) for obj in present if pick(obj))
        if initial and bookmarks:
            yield _bookmark(route, begun, {"k8s.io/initial-events-end": "true"})
        while True:
            heard(ear)
            heard(released)
            if faults.watches_pass():
                with store.lock:
                    late, changes, now = begun < store.floor, _since(store, begun), store.version
                if late:
                    yield _too_old(begun, store.floor)
                    return
                begun = now
                yield from _shown(changes, route, pick)
            moment = time.monotonic()
            if end is not None and moment >= end:
                if bookmarks:
                    yield _bookmark(route, begun)
                return
            if bookmarks and moment >= due:
                due = moment + pace
                yield _bookmark(route, begun)
            times = [one for one in (end, due if bookmarks else None) if one is not None]
            if not wait((ear, released), min(times, default=None)):
                return


def _too_old(asked: int, floor: int) -> bytes:
    return line("ERROR", expired(f"too old resource version: {asked} ({floor})").body())


def _since(store: Store, version: int) -> list[Change]:
    place = len(store.log)
    while place and store.log[place - 1].version > version:
        place -= 1
    return store.log[place:]


def _shown(changes: list[Change], route: Route, pick: Chosen) -> Iterator[bytes]:
    """As one sees them who looks through a selector: an object may come into view, and go out of it."""
    for change in changes:
        if change.resource != route.resource:
            continue
        if route.namespace and change.obj["metadata"].get("namespace", "") != route.namespace:
            continue
        now = change.type != "DELETED" and pick(change.obj)
        before = change.before is not None and pick(change.before)
        if now:
            yield line("MODIFIED" if before else "ADDED", change.obj)
        elif before:
            yield line("DELETED", change.obj)


def _bookmark(route: Route, version: int, annotations: dict[str, str] | None = None) -> bytes:
    meta: Obj = {"resourceVersion": str(version)}
    if annotations:
        meta["annotations"] = annotations
    return line("BOOKMARK", {"kind": route.resource.kind, "apiVersion": route.resource.api_version, "metadata": meta})
