"""What the server makes of its own for an object: names, uids and times."""

from __future__ import annotations

import random
import time
import uuid
from datetime import datetime, timezone

from tests.kube.status import Obj

TAIL_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels, so that no word comes of it; as Kubernetes has it."""


def tail() -> str:
    return "".join(random.choices(TAIL_LETTERS, k=5))


def stamp(seconds: float | None = None) -> str:
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_exact(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{stamp(whole)[:-1]}.{rest:09d}Z"


def seconds(text: str) -> float:
    """Of a time as stamped."""
    return exact(text) / 10**9


def exact(text: str) -> int:
    """Nanoseconds of a time that may have fractions."""
    moment, zone = (text[:-1], "+00:00") if text.endswith("Z") else (text[:-6], text[-6:])
    whole, _, part = moment.partition(".")
    return int(datetime.fromisoformat(whole + zone).timestamp()) * 10**9 + int(part[:9].ljust(9, "0"))


def uid() -> str:
    return str(uuid.uuid4())


def born(obj: Obj, namespace: str) -> Obj:
    """The object with what each new one gets."""
    given = obj["metadata"]
    name = given.get("name") or (given["generateName"] + tail() if given.get("generateName") else "")
    meta = {"name": name, **given, "uid": uid(), "creationTimestamp": stamp()}
    meta["name"] = name
    if namespace:
        meta["namespace"] = namespace
    meta.pop("resourceVersion", None)
    meta.pop("managedFields", None)
    return {**obj, "metadata": meta}
