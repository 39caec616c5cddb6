"""Why a cluster could never run a job, known without asking it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.targets.kubernetes import demands, native


def problem(spec: Spec, settings: Mapping[str, Any]) -> str:
    """In one line; empty if it can. `settings`: what the entry says."""
    try:
        demands.check(spec)
        said = native.of(spec)
    except SjsError as error:
        return str(error)
    if not (said.image or settings.get("image") or settings.get("settings")):
        return "no image is named in which the job could run (say --image NAME, or 'image:' in the entry)"
    return ""
