"""In the manager: the keys under which jobs come in, so that what is asked twice is taken once."""

from __future__ import annotations

from typing import Sequence

from sjs.daemon.queue.store import Store
from sjs.errors import Conflict


def digest(texts: Sequence[str]) -> str:
    """What tells these jobs (`spec_json.to_text`) from all others."""
    import hashlib  # a manager that is handed nothing has no use for OpenSSL

    return hashlib.sha256("\n".join(texts).encode("ascii")).hexdigest()


def check_use(store: Store, key: str) -> None:
    """Refuse a key that was used for a named target when it is used for `any`, and the other way round: they cut a
    command into different parts, so what is here already would come once more."""
    beginning, stroke, part = key.rpartition("/")
    others = store.submits(beginning + stroke, "", 1) if stroke else []
    if others and {_kind(part), _kind(others[0][0])} == {"named", "any"}:
        how = "any" if _kind(part) == "named" else "a named target"
        raise Conflict(f"the key {beginning!r} was used before, to hand in to {how}", "use another --key")


def _kind(part: str) -> str:
    """What a client meant by the last part of a key: the number of a chunk, or the jobs of a share."""
    low, to, high = part.partition("-")
    if not low.isdecimal():
        return "something else"
    return "any" if to and high.isdecimal() else "something else" if to else "named"
