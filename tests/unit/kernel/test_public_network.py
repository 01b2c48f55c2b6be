"""Which IP addresses may be connected to: the corpus of known ways inside."""

import pytest

from kernel import public_network

INSIDE = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - refused, not bound to
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "no address",
)
OUTSIDE = ("1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1")


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_never_connected_to(address: str) -> None:
    assert not public_network.includes(address, loopback=False)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_public_network_is(address: str) -> None:
    assert public_network.includes(address, loopback=False)


@pytest.mark.parametrize(
    "address", [one for one in INSIDE if not one.endswith(("127.0.0.1", "::1", "127.8.8.8"))]
)
def test_the_allowance_for_this_machine_opens_nothing_else(address: str) -> None:
    assert not public_network.includes(address, loopback=True)
