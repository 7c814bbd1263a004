"""Whose turn it is among what waits in a lane: streams by their weights, the tenants of one alike, first tries first.

Start-time fair queueing (Goyal, Vin and Cheng, 1996), of shares: each envelope is given the virtual time at which its
share has used what it took before, and whoever has the earliest goes. A share that comes anew begins now, and so waits
for one of each other's at most, however many those are. Of one tenant's mail what was never tried goes three times to
one that was: neither waits for the other to end.

Pure: knows no clock, and no lane.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from softbounce.share import TENANTS, is_of_retries, sibling_of
from softbounce_worker.empty import EMPTY
from softbounce_worker.work import Work

__all__ = ["Turns", "WeightOf", "parts_of"]

FIRST_TRIES, RETRIES = 0.75, 0.25
"""Of what one tenant gets of a stream, where both wait."""
MOST_AT_REST = 256
"""Shares that are remembered while nothing of theirs waits."""
Share: TypeAlias = tuple[str, int]
"""A stream, and which share of its mail."""
WeightOf: TypeAlias = Callable[[str], float]


class _Used:
    """What a share has used, in virtual time, and how many of it wait."""

    __slots__ = ("end", "message", "start", "waiting")

    def __init__(self) -> None:
        self.start = self.end = 0.0
        self.message = b""
        self.waiting = 0


class Turns:
    """The turns in one lane.

    :param weight_of: how much of the lane a stream may have, as weighed against others.
    """

    __slots__ = ("_now", "_shares", "_tenants", "_weight_of")

    def __init__(self, weight_of: WeightOf) -> None:
        self._weight_of = weight_of
        self._now = 1.0
        self._shares: dict[Share, _Used] = EMPTY
        self._tenants: dict[str, int] = EMPTY

    def has(self, stream: str, share: int) -> bool:
        """Whether any of a share waits."""
        used = self._shares.get((stream, share))
        return used is not None and used.waiting > 0

    def joins(self, work: Work) -> None:
        """It waits from now on; who has no turn yet is given one. Recipients of one message have it together."""
        share = work.share
        used = self._shares.get(share) or self._begin(share)
        if not used.waiting:
            stream, number = share
            if not self.has(stream, sibling_of(number)):
                self._tenants[stream] = self._tenants.get(stream, 0) + 1
        used.waiting += 1
        if not work.turn:
            message = work.record.message
            if message != used.message or used.start < self._now:
                used.start = max(used.end, self._now)
                used.message = message
            work.turn = used.start
            used.end = max(used.end, work.turn) + self._cost(share)
        elif work.turn >= used.end:
            used.end = work.turn + self._cost(share)

    def leaves(self, work: Work) -> None:
        """It waits no more."""
        used = self._shares[work.share]
        used.waiting -= 1
        self._now = max(self._now, work.turn)
        if not used.waiting:
            stream, number = work.share
            if not self.has(stream, sibling_of(number)):
                self._tenants[stream] -= 1
                if not self._tenants[stream]:
                    del self._tenants[stream]

    def end(self) -> None:
        """Nothing waits any more, and nobody has used anything."""
        self._shares = EMPTY
        self._tenants = EMPTY
        self._now = 1.0

    def _begin(self, share: Share) -> _Used:
        if self._shares is EMPTY:
            self._shares, self._tenants = {}, {}
        elif len(self._shares) >= MOST_AT_REST + len(self._tenants):
            for other in [one for one, used in self._shares.items() if not used.waiting]:
                del self._shares[other]
        used = self._shares[share] = _Used()
        return used

    def _cost(self, share: Share) -> float:
        """The virtual time that one envelope of a share takes."""
        stream, number = share
        cost = self._tenants[stream] / self._weight_of(stream)
        if self.has(stream, sibling_of(number)):
            cost /= RETRIES if is_of_retries(number) else FIRST_TRIES
        return cost


def parts_of(shares: Sequence[Share], weight_of: WeightOf) -> list[float]:
    """Which part of what is claimed each of these lists should give; one share may have a list in several shards."""
    if len(shares) == 1:
        return [1.0]
    lists = Counter(shares)
    tenants = Counter(stream for stream, _ in {(stream, share % TENANTS) for stream, share in lists})
    parts: list[float] = []
    for stream, share in shares:
        part = weight_of(stream) / tenants[stream] / lists[stream, share]
        if (stream, sibling_of(share)) in lists:
            part *= RETRIES if is_of_retries(share) else FIRST_TRIES
        parts.append(part)
    whole = sum(parts)
    return [part / whole for part in parts]
