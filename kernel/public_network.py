"""Which IP addresses others may make us connect to: those of the public network, none inside.

An address that a partner or a feed names is resolved, and each address it has is asked here. One
rule for whatever goes out: webhooks, mirrored feeds, diaries booked at their source.

Source: RFC 6890 (special addresses), RFC 6052 and 8215 (translators), RFC 3056 and 4380 (tunnels).
"""

import ipaddress
from typing import Final

_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")
_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "3fff::/20")))
"""6to4, Teredo: an IPv4 address of any kind is inside; documentation."""
_CLOSED: Final = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
    )
)
"""What some versions of Python call global; the last is a cloud's own channel to its machines."""


def includes(address: str, *, loopback: bool) -> bool:
    """Tell whether an IP address may be connected to.

    Args:
        address: IPv4 or IPv6, without a name.
        loopback: This machine is allowed.
    """
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(one, ipaddress.IPv6Address):
        if one.ipv4_mapped is not None:
            one = one.ipv4_mapped
        elif not one.is_loopback:
            return (
                one in _GLOBAL_V6
                and one.is_global
                and not any(one in network for network in _TUNNELS)
            )
    if one.is_loopback:
        return loopback
    return one.is_global and not (
        one.is_multicast or one.is_reserved or any(one in network for network in _CLOSED)
    )
