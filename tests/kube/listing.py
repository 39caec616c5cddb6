"""Lists: what they hold, and how they are handed out a page at a time."""

from __future__ import annotations

import base64
import binascii
import json

from tests.kube.routes import Route
from tests.kube.selecting import Chosen, by_fields, by_labels
from tests.kube.status import Obj, bad_request, expired, too_large_version
from tests.kube.store import Store, key_of

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def chosen(route: Route) -> Chosen:
    """Whether an object is among those that a request selects."""
    labels = by_labels(route.params.get("labelSelector", ""))
    fields = by_fields(route.resource, route.params.get("fieldSelector", ""))
    wanted = route.name
    return lambda obj: labels(obj) and fields(obj) and (not wanted or obj["metadata"]["name"] == wanted)


def listed(store: Store, route: Route) -> Obj:
    with store.lock:
        pick = chosen(route)
        version, start, items = _begin(store, route)
        matching = [obj for obj in items if _place(route, obj) >= start and pick(obj)]
        limit = int(route.params.get("limit") or 0)
        meta: Obj = {"resourceVersion": str(version)}
        if limit and len(matching) > limit:
            store.pages[route.resource, route.namespace, version] = items
            meta["continue"] = _token(version, _place(route, matching[limit - 1]) + "\0")
            if not route.params.get("labelSelector") and not route.params.get("fieldSelector"):
                meta["remainingItemCount"] = len(matching) - limit
        shown = matching[:limit] if limit else matching
        return {
            "kind": f"{route.resource.kind}List",
            "apiVersion": route.resource.api_version,
            "metadata": meta,
            "items": [bare(obj) for obj in shown],
        }


def bare(obj: Obj) -> Obj:
    """As an item of a list: its kind is the list's."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


def _place(route: Route, obj: Obj) -> str:
    namespace, name = key_of(obj)
    return name if route.namespace or not namespace else f"{namespace}/{name}"


def _begin(store: Store, route: Route) -> tuple[int, str, list[Obj]]:
    token = route.params.get("continue")
    if not token:
        _version_asked(store, route)
        return store.version, "", store.all(route.resource, route.namespace)
    version, start = _read(token)
    if version == -1:
        return store.version, start, store.all(route.resource, route.namespace)
    items = store.pages.get((route.resource, route.namespace, version))
    if items is None:
        raise expired(TOO_OLD, {"continue": _token(-1, start)})
    return version, start, items


def _version_asked(store: Store, route: Route) -> None:
    asked = route.params.get("resourceVersion") or "0"
    if not asked.isdigit():
        raise bad_request(f'invalid resource version "{asked}": strconv.ParseUint: parsing "{asked}": invalid syntax')
    if int(asked) > store.version:
        raise too_large_version(int(asked), store.version)
    if route.params.get("resourceVersionMatch") == "Exact" and int(asked) < store.floor:
        raise expired(f"The resourceVersion for the provided list is too old.: {asked}")


def _token(version: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _read(token: str) -> tuple[int, str]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(found["rv"]), str(found["start"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: encoded version was not recognized") from error
