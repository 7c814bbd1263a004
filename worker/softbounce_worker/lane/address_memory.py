"""What a process remembers of addresses that are full, busy or greylist: which envelope is tried there, and when next.

One envelope probes; what else is claimed for that address meanwhile waits behind it and costs no attempt. Greylisting
goes by client, sender and recipient (RFC 6647 section 2.2), so there the sender is part of what is remembered; the lane
stands for the client. Pure. It is politeness only: bounded, the oldest are forgotten, and whoever is forgotten tries by
itself. All times are seconds of one clock that never steps.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from softbounce.verdict import Fault, Reason, Verdict, VerdictWord
from softbounce_worker.empty import EMPTY

__all__ = ["MOST_OF_ALL", "MOST_OF_A_LANE", "Address", "AddressMemory", "Probe", "addresses_of", "is_about_address"]

MOST_OF_A_LANE, MOST_OF_ALL, MOST_OVER = 2000, 20_000, 1000
BEHIND_SHARE, BEHIND_LEAST, BEHIND_MOST = 20, 0.5, 30.0
"""What waits comes so much later than the probe: a share of the probe's wait, seconds at least and at most."""
PATIENCE = 10
"""After so many times that without an outcome, whoever comes first probes."""
LOOK_EVERY = 5.0
"""Seconds after which it is looked again whether a probe is there still."""

OF_AN_ADDRESS = frozenset({Reason.MAILBOX_FULL, Reason.RATE_LIMIT, Reason.SYSTEM})
Address = tuple[str, ...]
"""A recipient; where it greylists, and the sender."""


def is_about_address(verdict: Verdict) -> bool:
    """Whether a verdict holds for all mail to an address, for now."""
    return verdict.word is VerdictWord.SOFT and verdict.fault is Fault.RECIPIENT and verdict.reason in OF_AN_ADDRESS


def addresses_of(recipient: str, sender: str) -> tuple[Address, Address]:
    """What an envelope's address may be remembered by: alone, and with the sender."""
    return (recipient,), (recipient, sender)


@dataclass(slots=True)
class Probe:
    """The envelope that is tried at an address before others.

    :ivar next_at: when it is tried next, or was to be.
    :ivar behind: what waits for it comes so many seconds later.
    :ivar looked_at: when it was looked last whether it is there still.
    """

    identity: bytes
    next_at: float
    behind: float
    looked_at: float


class AddressMemory:
    """The addresses of all lanes of a process."""

    def __init__(self) -> None:
        self._lanes: dict[str, OrderedDict[Address, Probe]] = {}
        self._number = 0
        self._over: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return self._number

    def of(self, lane: str) -> bool:
        """Whether any are, of a lane."""
        return lane in self._lanes

    def probe_of(self, lane: str, address: Address) -> Probe | None:
        """Who probes an address."""
        return self._lanes.get(lane, EMPTY).get(address)

    def remember(  # noqa: PLR0913, PLR0917 - the last one is for playgrounds
        self, lane: str, address: Address, identity: bytes, next_at: float, now: float, speed: float = 1.0
    ) -> None:
        """An address said "later" to an envelope, which is tried next at a time. Who probes it already does so on.

        :param speed: how many times as fast time passes.
        """
        addresses = self._lanes.get(lane)
        probe = None if addresses is None else addresses.get(address)
        if probe is not None and probe.identity != identity and probe.next_at > now:
            return
        behind = min(BEHIND_MOST, max(BEHIND_LEAST / speed, (next_at - now) / BEHIND_SHARE))
        if addresses is None:
            addresses = self._lanes[lane] = OrderedDict()
        if probe is None:
            self._make_room(addresses)
            self._number += 1
        self._lanes[lane] = addresses  # making room may have taken it away
        addresses[address] = Probe(identity, next_at, behind, looked_at=now)
        addresses.move_to_end(address)

    def adopt(self, lane: str, address: Address, identity: bytes, now: float) -> None:
        """An envelope waits behind another, of which nothing is remembered here: another process had the lane.

        Not where that one is known to be over: what came forward because of it goes.
        """
        if identity and identity not in self._over and self.probe_of(lane, address) is None:
            self.remember(lane, address, identity, now, now - LOOK_EVERY)

    def forget(self, lane: str, address: Address) -> bool:
        """It takes mail, or what keeps it from that is something else. Whether it was remembered."""
        addresses = self._lanes.get(lane)
        probe = None if addresses is None else addresses.pop(address, None)
        if addresses is None or probe is None:
            return False
        self._over[probe.identity] = None
        if len(self._over) > MOST_OVER:
            self._over.popitem(last=False)
        self._number -= 1
        if not addresses:
            del self._lanes[lane]
        return True

    def wait_for(self, lane: str, address: Address, identity: bytes, now: float) -> float:
        """For how many seconds an envelope waits behind the one that probes; 0: it goes, as the probe if need be."""
        probe = self.probe_of(lane, address)
        if probe is None:
            return 0.0
        if probe.identity != identity:
            if now < probe.next_at + PATIENCE * probe.behind:
                return max(0.0, probe.next_at - now) + probe.behind
            probe.identity = identity
        probe.next_at = now
        return 0.0

    def vacate(self, lane: str, address: Address, now: float) -> None:
        """Its probe is there no more: whoever comes first is the next one."""
        if (probe := self.probe_of(lane, address)) is not None:
            probe.next_at = now - PATIENCE * probe.behind

    def wants_look(self, lane: str, address: Address, now: float) -> bool:
        """Whether it is time to look if the probe is there still; asked once, it is not for a while."""
        probe = self.probe_of(lane, address)
        if probe is None or now - probe.looked_at < LOOK_EVERY:
            return False
        probe.looked_at = now
        return True

    def _make_room(self, addresses: OrderedDict[Address, Probe]) -> None:
        """The oldest of this lane is forgotten; where all of them are too many and it has none, those of another."""
        if len(addresses) >= MOST_OF_A_LANE or (addresses and self._number >= MOST_OF_ALL):
            addresses.popitem(last=False)
            self._number -= 1
        elif self._number >= MOST_OF_ALL:
            lane = next(name for name, others in self._lanes.items() if others)
            self._lanes[lane].popitem(last=False)
            self._number -= 1
            if not self._lanes[lane]:
                del self._lanes[lane]
