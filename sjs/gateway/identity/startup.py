"""What must be so before a gateway listens. A job submitter runs what it is sent: nothing here is open by accident.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from sjs.gateway.identity.heads import read_host
from sjs.values import dataclass

LOOPBACK_NAMES = ("localhost", "ip6-localhost", "localhost.localdomain")
EVERYWHERE = ("", "0.0.0.0", "::", "*")


@dataclass(frozen=True)
class Listener:
    """Where it would be asked. `dialect`: the replaced program whose clients come there, who can present no token;
    `owner`: in whose name they act then; `beyond`: the word that it may be reached from elsewhere, `behind_proxy` or
    the dialect's own. `socket`: a Unix socket instead of host and port."""

    host: str = "127.0.0.1"
    port: int = 0
    socket: str = ""
    certificate: str = ""
    key: str = ""
    dialect: str = ""
    owner: str = ""
    beyond: bool = False

    @property
    def name(self) -> str:
        return f"the port of {self.dialect}" if self.dialect else "the gateway"

    @property
    def place(self) -> str:
        return self.socket or f"{f'[{self.host}]' if ':' in self.host else self.host or '*'}:{self.port}"


@dataclass(frozen=True)
class Start:
    """What it would start with. `tokens`: how many could be used now; `hosts`: names by which it may be asked for,
    besides those of where it listens; `as_root`: the word that it may."""

    listeners: Sequence[Listener]
    tokens: int
    user: int
    as_root: bool = False
    hosts: Sequence[str] = ()


def refusals(start: Start) -> list[str]:
    """Why it does not start, each in a line that says what to do; none, if it does."""
    found = []
    if not start.listeners:
        found.append("the gateway listens nowhere: set where, as --listen 127.0.0.1:8765")
    if start.tokens <= 0:
        found.append("there is no token, so nobody could ask, or anybody: make one with submit token make")
    if start.user == 0 and not start.as_root:
        found.append(
            "it would run as root, and so would what can be done through it:"
            " start it as another user, or say --allow-root"
        )
    for one in start.listeners:
        found += _listener_refusals(one, start)
    found += _twice(start.listeners)
    return found + [f"hosts: {one!r:.80} is no name of a host" for one in start.hosts if read_host(one) is None]


def warnings(start: Start) -> list[str]:
    """What was allowed by a word, to be said each time it starts."""
    found = ["it runs as root, as --allow-root says"] if start.user == 0 and start.as_root else []
    for one in start.listeners:
        if one.dialect and one.beyond and not is_local(one):
            found.append(
                f"{one.name} at {one.place} asks nobody for a token, and can be reached from elsewhere,"
                f" as the config says: whoever reaches it acts as {one.owner}"
            )
        elif one.beyond and not is_local(one) and not one.certificate:
            found.append(f"{one.name} at {one.place} has no TLS, as --insecure-behind-proxy says: tokens come in clear")
    return found


def is_local(listener: Listener) -> bool:
    """Whether only this machine can reach it. A name that is not known to mean that does not."""
    return bool(listener.socket) or is_loopback(listener.host)


def is_loopback(host: str) -> bool:
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def usual_hosts(start: Start) -> list[str]:
    """By which names it may be asked for: those that were given, and those of where it listens."""
    found = list(start.hosts)
    for one in start.listeners:
        if is_local(one):
            found += ["localhost", "127.0.0.1", "[::1]"]
        if not one.socket and one.host not in EVERYWHERE:
            found.append(f"[{one.host}]" if ":" in one.host else one.host)
    return list(dict.fromkeys(found))


def _listener_refusals(one: Listener, start: Start) -> list[str]:
    found = []
    if bool(one.certificate) != bool(one.key):
        found.append(f"{one.name} at {one.place} has a certificate or a key, and needs both: set the other one too")
    if one.dialect and not one.owner:
        found.append(f"{one.name} acts in nobody's name: set its owner in the config")
    if not is_local(one):
        found += _beyond_refusals(one, start)
    return found


def _beyond_refusals(one: Listener, start: Start) -> list[str]:
    found = []
    if one.dialect and not one.beyond:
        found.append(
            f"{one.name} at {one.place} could be reached from elsewhere, and its clients present no token:"
            " listen at 127.0.0.1, or set beyond_loopback: true for it"
        )
    elif not one.dialect and not one.certificate and not one.beyond:
        found.append(
            f"{one.name} at {one.place} could be reached from elsewhere without TLS:"
            " set certificate and key, listen at 127.0.0.1, or say --insecure-behind-proxy"
        )
    if one.host in EVERYWHERE and not start.hosts:
        found.append(
            f"{one.name} at {one.place} listens at all addresses: set hosts, the names by which it is asked for"
        )
    return found


def _twice(listeners: Sequence[Listener]) -> list[str]:
    found: dict[str, Listener] = {}
    told = []
    for one in listeners:
        if one.place in found and (one.socket or one.port):
            told.append(f"{one.name} and {found[one.place].name} are both at {one.place}: give each its own")
        found.setdefault(one.place, one)
    return told
