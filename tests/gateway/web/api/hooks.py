"""What schemathesis leaves out, so that its requests come to an end: it waits for no job, and follows nothing."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

LONGEST = 0.05
OWN = os.environ.get("SJS_TEST_TOKEN", "__").split("_")[1]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A job that is held never ends, and a stream of events never does; and the token that asks is to stay one."""
    if case.method == "DELETE" and (case.path_parameters or {}).get("name") == OWN:
        case.path_parameters = {**case.path_parameters, "name": "0" * 16}
    query = case.query or {}
    if query.get("follow") not in (None, "false", False):
        query.pop("follow")
    if case.path.endswith("/wait") and _number(query.get("timeout", LONGEST + 1)) > LONGEST:
        case.query = {**query, "timeout": LONGEST}
    if case.path.endswith("/claims") and isinstance(case.body, dict) and _number(case.body.get("wait")) > LONGEST:
        case.body = {**case.body, "wait": LONGEST}
    if case.path.endswith("/events") and case.headers:
        case.headers.pop("Accept", None)


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """Text, as it is."""
    return str(value).encode("utf-8", "surrogatepass")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
