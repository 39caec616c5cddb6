"""known_hosts: lines in, verdict out. Every line is read by itself, so none can spoil those after it.

paramiko's own reader gives up at the first `@cert-authority`, and knows neither wildcards nor `@revoked`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence

from sjs.values import dataclass

REVOKED, AUTHORITY = "@revoked", "@cert-authority"


@dataclass(frozen=True)
class HostKey:
    """The key that a machine shows. `kind`: "ssh-ed25519" and the like."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh and ssh-keygen write it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def short_kind(self) -> str:
        """As ssh calls it: ED25519, ECDSA, RSA."""
        return self.kind.removeprefix("ssh-").removeprefix("sk-").partition("-")[0].upper()

    def __str__(self) -> str:
        return f"{self.short_kind} {self.fingerprint}"


@dataclass(frozen=True)
class Entry:
    """A line that could be read. `where`: its file and number."""

    where: str
    marker: str
    names: str
    kind: str
    key: str

    @property
    def blob(self) -> bytes:
        """The key itself; nothing when it is garbage, which no machine shows."""
        try:
            blob = base64.b64decode(self.key, validate=True)
        except ValueError:
            return b""
        kind = self.kind.encode("latin-1")
        return blob if blob.startswith(len(kind).to_bytes(4, "big") + kind) else b""


@dataclass(frozen=True)
class Verdict:
    """What the lines say of a key: "known", "unknown", "changed" or "revoked", and where. `unsupported`: where a
    certificate authority is named for this machine, of which only `transport: openssh` can make use."""

    state: str
    where: str = ""
    unsupported: str = ""


def host_name(host: str, port: int) -> str:
    """The name under which a machine stands in the file."""
    return host if port == 22 else f"[{host}]:{port}"


def entries(lines: Iterable[bytes], source: str) -> Iterator[Entry]:
    """The lines that can be read. Others are as if they were not there."""
    for number, line in enumerate(lines, 1):
        fields = [field.decode("latin-1") for field in line.split(None, 4)]
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3 and marker in ("", REVOKED, AUTHORITY) and not fields[1].isdigit():
            yield Entry(f"{source}:{number}", marker, *fields[:3])


def judge(found: Iterable[Entry], name: str, shown: HostKey) -> Verdict:
    """Whether this is the machine of that name. One revoked line weighs more than all others."""
    mine = [entry for entry in found if _is_about(entry.names, name)]
    same = [entry for entry in mine if entry.blob == shown.blob]
    authority = next((entry.where for entry in mine if entry.marker == AUTHORITY), "")
    for entry in same:
        if entry.marker == REVOKED:
            return Verdict("revoked", entry.where, authority)
    for entry in same:
        if not entry.marker:
            return Verdict("known", entry.where, authority)
    others = [entry for entry in mine if not entry.marker and entry.blob]
    others.sort(key=lambda entry: entry.kind != shown.kind)
    if others:
        return Verdict("changed", others[0].where, authority)
    return Verdict("unknown", "", authority)


def kinds(found: Iterable[Entry], name: str) -> Sequence[str]:
    """The kinds of keys by which a machine is known, so that it can be asked for one of these."""
    return [entry.kind for entry in found if not entry.marker and entry.blob and _is_about(entry.names, name)]


def line(name: str, key: HostKey) -> bytes:
    """A line that makes a key known."""
    return f"{name} {key.kind} {base64.b64encode(key.blob).decode()}\n".encode()


def _is_about(names: str, name: str) -> bool:
    name = name.lower()
    if names.startswith("|1|"):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    if any(one.startswith("!") and _matches(one[1:], name) for one in patterns):
        return False
    return any(_matches(one, name) for one in patterns)


def _is_hash_of(names: str, name: str) -> bool:
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in names[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), expected)


def _matches(pattern: str, name: str) -> bool:
    """Whether the pattern, in which * and ? are wild, fits; in linear space, and never exponential in time."""
    fits = {0}
    for letter in pattern:
        if letter == "*":
            fits = set(range(min(fits), len(name) + 1))
        else:
            fits = {at + 1 for at in fits if at < len(name) and letter in ("?", name[at])}
        if not fits:
            return False
    return len(name) in fits
