"""What our objects in a cluster are called and what is written on them, so that who asks next finds them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

OURS = "sjs.dev"

QUEUE = f"{OURS}/queue"
"""Label: the name of the queue, of which a namespace may have several."""

FIRST = f"{OURS}/first"
"""Label: the id of its first job."""

KEY = f"{OURS}/key"
"""Label: what key_hash() makes of the chunk's key. Annotation: the key itself."""

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label: MANAGER."""

MANAGER = "sjs"

COUNT = f"{OURS}/count"
"""Annotation: how many jobs it is."""

CHUNK_FIRST = f"{OURS}/chunk-first"
"""Annotation: the id of the first job of its chunk."""

SPEC = f"{OURS}/spec"
"""Annotation: the spec, as on the wire; where there are many, what all have in common."""

VIA = f"{OURS}/via"
"""Annotation: the word out of whose targets this one was chosen."""

DIGEST = f"{OURS}/digest"
"""Annotation: of the content, so that other content under the same key is refused."""

SWEEP = f"{OURS}/sweep"
"""Label: what key_hash() makes of the name of the sweep to which all of them belong."""

PART = f"{OURS}/part"
"""Label of ConfigMaps: what of a Job is in it; SPECS, RUN or ENV."""

SPECS = "specs"
"""What the specs of an Indexed Job do not share (see `contents`)."""

RUN = "run"
"""What its pods run (see `scripts`)."""

LOOSE = f"{OURS}/loose"
"""Label of such that have not been given to their Job yet."""

ENV = "env"
"""The environment with which its jobs begin."""

ENV_DIGEST = f"{OURS}/env"
"""Label of such: the first 40 digits of the environment's digest; of a Job: of the one that it begins with."""

TAG = f"tag.{OURS}"
"""Before the stroke of labels and annotations that are tags."""

FLAVOR = f"{OURS}/flavor"
"""Annotation: the name of its flavor, where the entry knows no other name for it."""

KUEUE = "kueue.x-k8s.io/queue-name"
"""Label of somebody else's: Kueue suspends and resumes a Job that has it, by the room in that queue of its own."""

NAME_MAX = 63
"""Of a Job: its pods have it as a label."""

_KEY_HEX = 40
_NAME_HEX = 12
_MAP_HEX = 12
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def key_hash(key: str) -> str:
    """A chunk's key, as the value of a label."""
    return _hash(key)[:_KEY_HEX]


def object_name(key: str, part: int = 0) -> str:
    """The name of the Job that is this part of a chunk: who asks again asks for the same."""
    name = f"sjs-{_hash(key)[:_NAME_HEX]}"
    return f"{name}-{part}" if part else name


def map_name(job: str, part: str, number: int, digest: str) -> str:
    """The name of a ConfigMap. `digest`: of what is in it, so that there is none of that name with other content."""
    return f"{job}-{part}-{number}-{digest[:_MAP_HEX]}"


def job_of_map(name: str, part: str) -> str:
    """The Job for which a ConfigMap of this name was made."""
    return name.rpartition(f"-{part}-")[0]


def of_digest(said: Mapping[str, str]) -> str:
    """What stands at the end of the names of a Job's ConfigMaps, by its annotations."""
    return said.get(DIGEST, "")[:_MAP_HEX]


def is_name(text: str) -> bool:
    """Whether it can be the name of a Job."""
    return len(text) <= NAME_MAX and _NAME.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Whether it can be the value of a label."""
    return len(text) <= NAME_MAX and _LABEL_VALUE.fullmatch(text) is not None


def is_qualified(text: str) -> bool:
    """Whether it can be the name of a label or an annotation: `name` or `domain/name`."""
    prefix, stroke, name = text.rpartition("/")
    if stroke and not (len(prefix) <= 253 and _LABEL_PREFIX.fullmatch(prefix)):
        return False
    return bool(name) and is_label_value(name)
