"""Whether to believe a site that suddenly says of many addresses that they do not exist.

One such answer is the truth. A provider that lost its directory may give it for every address there is, and would have
them all bounced and suppressed within minutes, as in December 2020. Values and a clock only: nothing is said or logged
here. Three states, as with domains that are said not to exist::

    calm --far more denials than ever--> storm --an hour--> weary
      ^-----------few again, or weary and nothing heard-------'

- **calm**: a denial is believed. The share of denials so far is the site's past.
- **storm**: none is. It begins when the denials among the last fifty addresses (within five minutes) weigh ten, one
  each and two for an address that took mail lately, and are over a quarter of all and four times the past's share. A
  site without a past, such as a fresh list's, is judged by addresses that took mail only: five have to be among them.
- **weary**: what lasted an hour is true, or somebody was told and nobody came: denials are believed. No new storm
  begins before few are denied again, or nothing was heard for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

__all__ = ["BELIEVED_AFTER", "LONGEST", "DenialTurn", "SiteDenials"]

LATEST = 50  # addresses looked at
WINDOW = 300.0  # seconds
LEAST, KNOWN_WEIGHS = 10, 2
LEAST_KNOWN = 5
SHARE, FAR_ABOVE = 0.25, 4
PAST = 50  # answers that make a past
MOST_PAST = 2000  # then all of it counts half
LONGEST = 3600.0
BELIEVED_AFTER = 3000.0  # an hour's wait may be shorter by its jitter
QUIET = 900.0


class DenialTurn(Enum):
    """What an answer changed."""

    BEGAN = auto()
    WEARY = auto()
    ENDED = auto()


class SiteDenials:
    """What the latest answers of a site tell, in bounded memory.

    :param clock: monotonic seconds.
    :param seconds_left: so long a storm that began elsewhere lasts still.
    :ivar disbelieved: denials that this storm kept from being believed.
    """

    def __init__(self, clock: Callable[[], float], seconds_left: float = 0.0) -> None:
        self.disbelieved = 0
        self._clock = clock
        self._latest: dict[int, tuple[float, int]] = {}  # address: when, and what its denial weighs (0: it was taken)
        self._denied = self._known = 0
        self._past = self._past_denied = 0.0
        self._began: float | None = clock() - LONGEST + seconds_left if seconds_left > 0 else None
        self._is_weary = False
        self._heard = clock()

    @property
    def is_raging(self) -> bool:
        """Whether no denial is to be believed."""
        return self._began is not None and not self._is_weary

    @property
    def figures(self) -> tuple[int, int]:
        """How many of the addresses asked about lately are denied, and how many there are in all."""
        return self._denied, len(self._latest)

    @property
    def past_share(self) -> float:
        """Which share was denied before."""
        return self._past_denied / self._past if self._past else 0.0

    def taken(self, address: int) -> DenialTurn | None:
        """Mail for an address was taken."""
        return self._hear(address, 0)

    def denied(self, address: int, *, was_known: bool) -> DenialTurn | None:
        """An address is said not to exist.

        :param was_known: whether it took mail lately.
        """
        return self._hear(address, KNOWN_WEIGHS if was_known else 1)

    def _hear(self, address: int, weight: int) -> DenialTurn | None:
        now = self._clock()
        was_quiet = now - self._heard > QUIET
        self._heard = now
        self._forget(address, is_past=False)
        self._latest[address] = now, weight
        self._count(weight, 1)
        while len(self._latest) > LATEST or now - next(iter(self._latest.values()))[0] > WINDOW:
            self._forget(next(iter(self._latest)), is_past=self._began is None)
        if self._began is None:
            return self._may_begin(now)
        if self._are_few() or (self._is_weary and was_quiet):
            self._began, self._is_weary = None, False
            return DenialTurn.ENDED
        if not self._is_weary and now - self._began >= LONGEST:
            self._is_weary = True
            return DenialTurn.WEARY
        return None

    def _may_begin(self, now: float) -> DenialTurn | None:
        weight = self._denied + (KNOWN_WEIGHS - 1) * self._known
        has_measure = self._past >= PAST or self._known >= LEAST_KNOWN
        if weight < LEAST or not has_measure or self._denied <= self._threshold * len(self._latest):
            return None
        self._began = now
        self.disbelieved = 0
        return DenialTurn.BEGAN

    def _are_few(self) -> bool:
        return len(self._latest) >= LEAST and self._denied <= self._threshold / 2 * len(self._latest)

    @property
    def _threshold(self) -> float:
        return max(SHARE, FAR_ABOVE * self.past_share if self._past >= PAST else 0.0)

    def _forget(self, address: int, *, is_past: bool) -> None:
        if (known := self._latest.pop(address, None)) is None:
            return
        self._count(known[1], -1)
        if is_past:
            self._past += 1
            self._past_denied += known[1] > 0
            if self._past >= MOST_PAST:
                self._past, self._past_denied = self._past / 2, self._past_denied / 2

    def _count(self, weight: int, by: int) -> None:
        self._denied += by * (weight > 0)
        self._known += by * (weight == KNOWN_WEIGHS)
