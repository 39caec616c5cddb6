"""What our objects in a cluster are called and what is written on them, so that who asks next finds them."""

from __future__ import annotations

import hashlib
import re

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

ENV = "env"
"""The environment with which its jobs begin."""

ENV_DIGEST = f"{OURS}/env"
"""Label of such: the first 40 digits of the environment's digest; of a Job: of the one that it begins with."""

TAG = f"tag.{OURS}"
"""Before the stroke of labels and annotations that are tags."""

FLAVOR = f"{OURS}/flavor"
"""Annotation: the name of its flavor, where the entry knows no other name for it."""

NAME_MAX = 63
"""Of a Job: its pods have it as a label."""

_KEY_HEX = 40
_NAME_HEX = 12
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def key_hash(key: str) -> str:
    """A chunk's key, as the value of a label."""
    return _hash(key)[:_KEY_HEX]


def object_name(key: str, part: int = 0) -> str:
    """The name of the Job that is this part of a chunk: who asks again asks for the same."""
    name = f"sjs-{_hash(key)[:_NAME_HEX]}"
    return f"{name}-{part}" if part else name


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
