"""Which addresses may be dialled at all, whatever a domain's owner writes into DNS.

Asked about the address that is dialled, never about a name: between two look-ups a name can change (SSRF by
rebinding). Everything is refused that is not plain global unicast; the port never comes from DNS or a message.

RFC 6890 (special purposes), RFC 6052 §2.1 (NAT64), RFC 3056 (6to4), RFC 4291 §2.5.5.2 (mapped addresses).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["AddressPolicy", "is_address"]

PRIVATE = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "198.18.0.0/15",
        "::1/128",
        "fc00::/7",
    )
)
# What ipaddress, depending on its version, calls global and is not.
NOT_GLOBAL = tuple(
    ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
)
GLOBAL_UNICAST = ip_network("2000::/3")  # RFC 4291 §2.4: all that is assigned so far
NAT64 = ip_network("64:ff9b::/96")
SIX_TO_FOUR = ip_network("2002::/16")


class AddressPolicy:
    """Says of an address why it may not be dialled.

    :param allow_private: loopback, RFC 1918, unique local, shared and benchmark addresses may be. Link-local
        (with the metadata services of clouds), multicast, unspecified and disguised addresses never.
    """

    def __init__(self, *, allow_private: bool = False) -> None:
        self.allow_private = allow_private
        self.check = lru_cache(maxsize=16_384)(self._check)

    def _check(self, address: str) -> str | None:
        """``None`` where *address* may be dialled, else the reason in words."""
        try:
            ip = ip_address(address)
        except ValueError:
            return "is no IP address"
        return self._check_ip(ip)

    def _check_ip(self, ip: IPv4Address | IPv6Address) -> str | None:
        if any(ip in network for network in PRIVATE):
            return None if self.allow_private else "is a loopback address" if ip.is_loopback else "is a private address"
        if isinstance(ip, IPv6Address):
            if ip.ipv4_mapped is not None:
                return "is an IPv4 address in IPv6 clothes"
            if ip.scope_id is not None:
                return "has a zone"
            inner = _carried(ip)
            if inner is not None:
                return None if (reason := self._check_ip(inner)) is None else f"carries {inner}, which {reason}"
        return _why_not_global(ip)


def _carried(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translator or tunnel would send to."""
    if ip in NAT64:
        return IPv4Address(ip.packed[-4:])
    if ip in SIX_TO_FOUR:
        return IPv4Address(ip.packed[2:6])
    return None


def _why_not_global(ip: IPv4Address | IPv6Address) -> str | None:
    if ip.is_unspecified:
        return "is the unspecified address"
    if ip.is_link_local:
        return "is a link-local address"
    if ip.is_multicast:
        return "is a multicast address"
    if not ip.is_global or any(ip in network for network in NOT_GLOBAL):
        return "is not a global address"
    if isinstance(ip, IPv6Address) and ip not in GLOBAL_UNICAST:
        return "is not a global unicast address"
    return None


def is_address(text: str) -> bool:
    """Whether a text is an address of either family, and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
