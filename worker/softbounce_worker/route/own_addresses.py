"""Which addresses are our own, so that mail is not sent round in circles (RFC 5321 §5.1).

Those that were named (of a NAT or a proxy before us, which the machine does not know), and where asked for those of its
interfaces, as they are when a host is looked up. Loopback is everybody's own, and therefore nobody's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from softbounce_config.process_settings import INTERFACES

__all__ = ["OwnAddresses"]

DISCARD_PORT = 9


class OwnAddresses:
    """Ours.

    :param told: addresses, and :data:`INTERFACES` for whatever the machine has.
    """

    def __init__(self, told: Iterable[str]) -> None:
        told = frozenset(told)
        self._named = frozenset(str(ip_address(address)) for address in told - {INTERFACES})
        self._asks_system = INTERFACES in told

    def holds(self, address: str) -> bool:
        """Whether this is one of them. Sends nothing."""
        return address in self._named or (self._asks_system and _is_of_this_machine(address))


def _is_of_this_machine(address: str) -> bool:
    """Whether the system would speak to this address *from* it, which it does with its own alone.

    Not whether it could be bound to: where addresses move between machines, the system lets any be bound.
    """
    ip = ip_address(address)
    if ip.is_loopback or ip.is_unspecified or getattr(ip, "ipv4_mapped", None) is not None:
        return False
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6  # noqa: PLR2004 - of IP
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((address, DISCARD_PORT))  # of UDP: a look at the routes, and no packet
            own: str = asking.getsockname()[0]
    except OSError:  # no way there
        return False
    return ip_address(own.partition("%")[0]) == ip
