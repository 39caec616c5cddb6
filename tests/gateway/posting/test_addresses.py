"""Where webhooks lead, and where not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.posting.addresses import BadAddress, Place, check, is_closed, networks, place

SECURE = Place(True, "example.org", 443, "/")
PLAIN = Place(False, "example.org", 80, "/")

CLOSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "e000::1",
]
OPEN = [
    "8.8.8.8",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.1.1",
    "198.17.1.1",
    "223.255.255.255",
    "2600::1",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "2400:cb00::1",
]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_in_the_open_internet_is_refused_unless_it_is_allowed(address: str) -> None:
    assert is_closed(ip_address(address))
    with pytest.raises(BadAddress):
        check([address], SECURE, [])
    with pytest.raises(BadAddress):  # nor one good address beside it
        check(["8.8.8.8", address], SECURE, [])
    length = 32 if ip_address(address).version == 4 else 128
    assert check([address], PLAIN, networks([f"{address}/{length}"])) == [address]


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_is_there_for_https_alone(address: str) -> None:
    assert check([address], SECURE, []) == [address]
    with pytest.raises(BadAddress):
        check([address], PLAIN, [])


def test_allowing_an_ipv4_network_allows_none_of_ipv6_that_has_it_within() -> None:
    for address in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"):
        with pytest.raises(BadAddress):
            check([address], SECURE, networks(["10.0.0.0/8"]))


@pytest.mark.parametrize("found", [[], ["fe80::1%eth0"], ["2600::1%1"]])
def test_no_address_and_one_of_a_link_are_refused(found: list[str]) -> None:
    with pytest.raises(BadAddress):
        check(found, SECURE, networks(["fe80::/10"]) if not found else [])


@given(st.integers(0, 2**32 - 1))
def test_nothing_is_open_that_python_knows_not_to_be(number: int) -> None:
    address = IPv4Address(number)
    assert is_closed(address) or not (
        address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    )


@given(st.integers(0, 2**128 - 1))
def test_nothing_of_ipv6_is_open_that_python_knows_not_to_be(number: int) -> None:
    address = IPv6Address(number)
    inner = [one for one in (address.ipv4_mapped, address.sixtofour, address.teredo) if one]
    assert is_closed(address) or not (
        inner or address.is_private or address.is_link_local or address.is_multicast or address.is_reserved
    )


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://example.org", Place(True, "example.org", 443, "/")),
        ("https://example.org:8443/a?b=c&d", Place(True, "example.org", 8443, "/a?b=c&d")),
        ("http://10.0.0.1/x", Place(False, "10.0.0.1", 80, "/x")),
        ("https://[2600::1]:1/", Place(True, "2600::1", 1, "/")),
        ("https://2130706433/", Place(True, "2130706433", 443, "/")),
    ],
)
def test_an_address_is_taken_apart(url: str, found: Place) -> None:
    assert place(url) == found


def test_a_host_is_named_as_its_header_has_it() -> None:
    names = [place(url).name for url in ("https://a:443/", "https://a:80/", "http://a/", "https://[2600::1]/")]
    assert names == ["a", "a:80", "a", "[2600::1]"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org\\@10.0.0.1/",
        "https://example.org#a",
        "https://exa mple.org/",
        "https://example.org/\r\nx: y",
        "https://example.org/\x00",
        "https://example.org:0/",
        "https://example.org:65536/",
        "https://example.org:x/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://ex\u00e4mple.org/",
        "https://example.org/" + "x" * 2_000,
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        place(url)


@pytest.mark.parametrize("said", ["10.0.0.1/8", "localhost", "10.0.0.0/33", ""])
def test_what_is_no_network_is_refused(said: str) -> None:
    with pytest.raises(ValueError):
        networks([said])
