"""Whether what the name servers say of DNSSEC counts: the AD bit is worth what its sender is, and the way from there.

Nobody here checks signatures: that is for a resolver on this machine, or one that the operator trusts (RFC 7672 §1.3.1,
RFC 6840 §5.7). All that are asked have to be such, or an attacker would silence one and be answered by another. The one
of Docker at 127.0.0.11 is on loopback, and hands on whatever some other server says.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import structlog

__all__ = ["DnssecWitness"]

FORWARDS_ONLY = frozenset({"127.0.0.11"})
ENOUGH = 200
"""Answers, of which one at least is about a signed zone wherever mail goes to the world."""
log = structlog.get_logger()


class DnssecWitness:
    """Whether the word of these servers is believed, and whether they ever gave it.

    :ivar is_trusted: all of them are.
    :param places: address and port of each.
    :param trusted: addresses that the operator names.
    """

    def __init__(self, places: Sequence[tuple[str, int]], trusted: Sequence[str]) -> None:
        named = {str(ip_address(one)) for one in trusted}
        strangers = [address for address, _ in places if not (address in named or _is_ours(address))]
        self.is_trusted = not strangers
        self._answers = 0
        self._is_told = False
        if strangers:
            log.info("dane_off", untrusted_name_servers=strangers, hint="ask a resolver of your own on 127.0.0.1")

    def saw(self, *, has_records: bool, is_secure: bool) -> None:
        """An answer came. Where none of many is called authentic, that is said once: the servers do not validate."""
        if self._is_told or not self.is_trusted or not has_records:
            return
        self._answers += 1
        self._is_told = is_secure or self._answers >= ENOUGH
        if self._is_told and not is_secure:
            log.warning("dnssec_not_seen", answers=self._answers, hint="the name servers do not validate, or strip AD")


def _is_ours(address: str) -> bool:
    return ip_address(address).is_loopback and address not in FORWARDS_ONLY
