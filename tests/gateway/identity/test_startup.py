from __future__ import annotations

import pytest

from sjs.gateway.identity.startup import Listener, Start, is_loopback, refusals, usual_hosts, warnings

LOCAL = Listener("127.0.0.1", 8765)
JOBMGR = Listener("127.0.0.1", 9845, dialect="jobmgr", owner="web")


def start(*listeners: Listener, tokens: int = 1, user: int = 1000, **more: object) -> Start:
    return Start(listeners or (LOCAL,), tokens, user, **more)  # type: ignore[arg-type]


def tls(host: str, **more: object) -> Listener:
    return Listener(host, 443, certificate="c.pem", key="k.pem", **more)  # type: ignore[arg-type]


GOOD = {
    "loopback": start(),
    "loopback of IPv6": start(Listener("::1", 8765)),
    "a socket": start(Listener(socket="/run/sjs/gateway")),
    "elsewhere with TLS": start(tls("192.0.2.7")),
    "everywhere with TLS": start(tls("0.0.0.0"), hosts=["gate.example"]),
    "behind a proxy, by a word": start(Listener("192.0.2.7", 80, beyond=True)),
    "root, by a word": start(user=0, as_root=True),
    "a dialect on loopback": start(LOCAL, JOBMGR),
    "a dialect elsewhere, by a word": start(LOCAL, Listener("192.0.2.7", 80, dialect="jobd", owner="w", beyond=True)),
}

BAD = {
    "nowhere": (Start((), 1, 1000), "the gateway listens nowhere: set where, as --listen 127.0.0.1:8765"),
    "no token": (
        start(tokens=0),
        "there is no token, so nobody could ask, or anybody: make one with submit token make",
    ),
    "root": (
        start(user=0),
        "it would run as root, and so would what can be done through it: start it as another user, or say --allow-root",
    ),
    "elsewhere": (
        start(Listener("192.0.2.7", 80)),
        "the gateway at 192.0.2.7:80 could be reached from elsewhere without TLS:"
        " set certificate and key, listen at 127.0.0.1, or say --insecure-behind-proxy",
    ),
    "elsewhere by IPv6": (
        start(Listener("2001:db8::1", 80)),
        "the gateway at [2001:db8::1]:80 could be reached from elsewhere without TLS:"
        " set certificate and key, listen at 127.0.0.1, or say --insecure-behind-proxy",
    ),
    "everywhere": (
        start(tls("")),
        "the gateway at *:443 listens at all addresses: set hosts, the names by which it is asked for",
    ),
    "half of TLS": (
        start(Listener("127.0.0.1", 1, certificate="c.pem")),
        "the gateway at 127.0.0.1:1 has a certificate or a key, and needs both: set the other one too",
    ),
    "a dialect of nobody": (
        start(Listener("127.0.0.1", 9845, dialect="jobmgr")),
        "the port of jobmgr acts in nobody's name: set its owner in the config",
    ),
    "a dialect elsewhere": (
        start(tls("192.0.2.7", dialect="jobmgr", owner="web")),
        "the port of jobmgr at 192.0.2.7:443 could be reached from elsewhere, and its clients present no token:"
        " listen at 127.0.0.1, or set beyond_loopback: true for it",
    ),
    "twice": (
        start(Listener("127.0.0.1", 9845), JOBMGR),
        "the port of jobmgr and the gateway are both at 127.0.0.1:9845: give each its own",
    ),
    "no name": (start(hosts=["a b"]), "hosts: 'a b' is no name of a host"),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_may_start(what: str) -> None:
    assert refusals(GOOD[what]) == []


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_start_says_what_to_do(what: str) -> None:
    started, line = BAD[what]
    assert refusals(started) == [line]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(refusals(start(Listener("0.0.0.0", 80), tokens=0, user=0))) == 4


def test_a_word_for_the_gateway_is_none_for_a_dialect() -> None:
    found = refusals(
        start(Listener("192.0.2.7", 80, beyond=True), Listener("192.0.2.7", 81, dialect="jobd", owner="w"))
    )
    assert len(found) == 1
    assert found[0].startswith("the port of jobd at 192.0.2.7:81 could be reached")


def test_what_was_allowed_by_a_word_is_said_each_time() -> None:
    assert warnings(start(LOCAL, JOBMGR)) == []
    assert warnings(start(tls("192.0.2.7"))) == []
    assert warnings(start(user=0, as_root=True)) == ["it runs as root, as --allow-root says"]
    assert warnings(start(Listener("192.0.2.7", 80, beyond=True))) == [
        "the gateway at 192.0.2.7:80 has no TLS, as --insecure-behind-proxy says: tokens come in clear"
    ]
    [line] = warnings(start(tls("192.0.2.7", dialect="jobd", owner="web", beyond=True)))
    assert line.endswith("as the config says: whoever reaches it acts as web")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost"])
def test_what_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "*", "192.0.2.7", "10.0.0.1", "::ffff:10.0.0.1", "127.1", "2130706433", "0x7f.1"]
    + ["localhost.evil.example", "127.0.0.1.evil.example", "0", "fe80::1", "host"],
)
def test_what_is_not_known_to_be_loopback_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_by_which_names_it_is_asked_for() -> None:
    assert usual_hosts(start()) == ["localhost", "127.0.0.1", "[::1]"]
    assert usual_hosts(start(tls("0.0.0.0"), hosts=["gate.example"])) == ["gate.example"]
    assert usual_hosts(start(tls("2001:db8::1"))) == ["[2001:db8::1]"]
    assert usual_hosts(start(Listener(socket="/x"))) == ["localhost", "127.0.0.1", "[::1]"]
