"""The address policy: what may be dialled, whatever DNS says."""

from __future__ import annotations

import pytest
from softbounce_worker.route import AddressPolicy

GLOBAL = ["8.8.8.8", "2a00:1450:4001::1a", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "127.0.0.1",
    "127.77.3.4",
    "10.0.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fd00::1",
]
NEVER = [
    "0.0.0.0",  # noqa: S104 (not bound, refused)
    "169.254.169.254",
    "192.0.2.1",
    "192.0.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff0e::1",
    "localhost",
    "127.1",
    "",
]


@pytest.mark.parametrize("address", GLOBAL)
def test_A08_global_addresses_may_be_dialled(address: str) -> None:
    """Global unicast passes, also carried by NAT64 or 6to4."""
    assert AddressPolicy().check(address) is None


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, "64:ff9b::7f00:1", "2002:a00:1::"])
def test_A08_everything_else_is_refused_with_a_reason(address: str) -> None:
    """Whatever is not global unicast is refused, in any disguise, and the reason says what it is."""
    assert AddressPolicy().check(address)


@pytest.mark.parametrize("address", [*PRIVATE, *GLOBAL])
def test_A08_private_addresses_may_be_dialled_where_allowed(address: str) -> None:
    """The setting opens loopback and private networks."""
    assert AddressPolicy(allow_private=True).check(address) is None


@pytest.mark.parametrize("address", NEVER)
def test_A08_some_addresses_are_refused_always(address: str) -> None:
    """No setting opens metadata services, multicast, disguised or malformed addresses."""
    assert AddressPolicy(allow_private=True).check(address)
