"""Tokens as the records have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from sjs.compact import to_json
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records.tables import tokens


def add(connection: Connection, token: Token) -> None:
    """Keep a new one."""
    said = {
        "label": token.label,
        "scopes": sorted(token.scopes),
        "specs": None if token.specs is None else sorted(token.specs),
        "targets": None if token.targets is None else sorted(token.targets),
        "limits": dict(vars(token.limits)),
    }
    row = {"id": token.id, "owner": token.owner, "digest": token.digest.hex(), "terms": to_json(said)}
    connection.execute(insert(tokens), {**row, "created": token.made, "expires": token.expires})


def find(connection: Connection, name: str) -> Token | None:
    """What is kept under a public id."""
    row = connection.execute(select(tokens).where(tokens.c.id == name)).one_or_none()
    return None if row is None else _token(row)


def listed(connection: Connection, owner: str | None = None) -> Sequence[Token]:
    """All, or those of an owner, the oldest first."""
    found = select(tokens).order_by(tokens.c.created, tokens.c.id)
    if owner is not None:
        found = found.where(tokens.c.owner == owner)
    return [_token(row) for row in connection.execute(found)]


def revoke(connection: Connection, name: str, now: float) -> bool:
    """From now on it is none; False if there is none, or it was revoked before."""
    changed = update(tokens).where(tokens.c.id == name, tokens.c.revoked.is_(None)).values(revoked=now)
    return bool(connection.execute(changed).rowcount)


def used(connection: Connection, name: str, at: float) -> None:
    """Somebody came with it."""
    connection.execute(update(tokens).where(tokens.c.id == name).values(used=at))


def _token(row: Row[Any]) -> Token:
    said = json.loads(row.terms)
    return Token(
        row.id,
        bytes.fromhex(row.digest),
        row.owner,
        frozenset(said["scopes"]),
        row.created,
        said["label"],
        None if said["specs"] is None else frozenset(said["specs"]),
        None if said["targets"] is None else frozenset(said["targets"]),
        row.expires,
        row.revoked,
        row.used,
        Limits(**said["limits"]),
    )
