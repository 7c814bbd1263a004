"""IPv4 and IPv6: which of a host's addresses are dialled, and which first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softbounce.road import MX, UNIX, Family, Road
from softbounce.verdict import Reason

__all__ = ["ABOUT_ADDRESSES", "ALL", "Families", "family_of"]

ONLY: dict[Family, str] = {"only4": "IPv4", "only6": "IPv6"}
FIRST: dict[Family, str] = {"prefer4": "IPv4", "prefer6": "IPv6"}

ABOUT_ADDRESSES = frozenset({Reason.POLICY, Reason.IP_REPUTATION, Reason.SENDER_DNS, Reason.AUTH})
"""Reasons for which a host may refuse us over one family, and not over the other."""


def family_of(address: str) -> str:
    """``IPv4`` or ``IPv6``; a socket is of neither."""
    if address.startswith(UNIX):
        return "unix"
    return "IPv6" if ":" in address else "IPv4"


@dataclass(frozen=True, slots=True)
class Families:
    """What a lane's rule says, and its road, which outranks it and may have an own address of one family only."""

    rule: Family = "both"
    road: Road = MX

    @property
    def wanted(self) -> Family:
        """What counts."""
        return self.road.family or self.rule

    def of(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Those of a host's addresses that are dialled, in their order. A socket is of no family."""
        if self.road.socket is not None:
            return tuple(addresses)
        only, first = ONLY.get(self.wanted), FIRST.get(self.wanted)
        usable = [one for one in addresses if self.road.takes(one) and only in {None, family_of(one)}]
        return tuple(sorted(usable, key=lambda one: first is not None and family_of(one) != first))


ALL = Families()
"""All of them: what most lanes dial, one for all."""
