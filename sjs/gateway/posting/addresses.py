"""Where a webhook may lead. Whoever may make one chooses an address that the gateway connects to, from where it stands;
so it leads nowhere but into the open internet, unless its operator says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from sjs.errors import Refused
from sjs.values import dataclass

Network = IPv4Network | IPv6Network

MOST = 2_000
"""Letters of an address."""

CLOSED: Sequence[Network] = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; what clouds tell their machines, 169.254.169.254, is here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols
        "192.0.2.0/24",  # for examples
        "192.88.99.0/24",  # to 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # for measurements
        "198.51.100.0/24",  # for examples
        "203.0.113.0/24",  # for examples
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""Besides all of IPv6 that is not in OPEN."""

OPEN = IPv6Network("2000::/3")
TUNNELS: Sequence[Network] = tuple(
    ip_network(one)
    for one in (
        "2001::/23",  # Teredo, ORCHID, protocols
        "2001:db8::/32",  # for examples
        "2002::/16",  # 6to4: an IPv4 address within
        "3fff::/20",  # for examples
    )
)
"""Of OPEN, what is nobody's, or has another address within. NAT64 (64:ff9b::/96), v4-mapped, v4-compatible, unique
local, link-local, site-local and multicast are not in OPEN."""

_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_REST = re.compile(r"[\x21-\x7e]*", re.ASCII)


class BadAddress(Refused):
    """The gateway connects to no such address."""

    code = "bad_address"


@dataclass(frozen=True)
class Place:
    """An address taken apart; `path` is with its query."""

    is_secure: bool
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"


def networks(said: Iterable[str]) -> Sequence[Network]:
    """Those that an operator has listed. ValueError for what is none."""
    return [ip_network(one) for one in said]


def place(url: str) -> Place:
    """What an address says. BadAddress for what is none of a webhook."""
    if len(url) > MOST or not _REST.fullmatch(url):
        raise BadAddress(f"the address of a webhook has at most {MOST} letters, of ASCII, and no spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("that is no address", "https://example.org/path") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment:
        raise BadAddress("the address of a webhook is https://HOST/PATH")
    if not _HOST.fullmatch(parts.netloc) or port == 0:
        raise BadAddress("the address of a webhook has a host, maybe a port, and no user", "https://example.org/path")
    is_secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(is_secure, parts.hostname, port or (443 if is_secure else 80), path)


def check(found: Sequence[str], to: Place, allowed: Sequence[Network]) -> Sequence[str]:
    """The addresses that a host has, if all of them are such as may be connected to; else BadAddress."""
    for one in found:
        address = ip_address(one.partition("%")[0])
        if any(address in network for network in allowed if network.version == address.version):
            continue
        if "%" in one or is_closed(address):
            raise BadAddress(f"{to.host} is {one}, which webhooks do not lead to")
        if not to.is_secure:
            raise BadAddress(f"{to.host} is {one}, which webhooks lead to by https only")
    if not found:
        raise BadAddress(f"{to.host} has no address")
    return found


def is_closed(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is somewhere else than in the open internet."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in CLOSED)
    return address not in OPEN or any(address in network for network in TUNNELS)
