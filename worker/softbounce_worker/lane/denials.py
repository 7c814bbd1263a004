"""Whether to believe it when suddenly many addresses are said not to exist: of one domain, or all over a site.

One such answer is the truth. A provider that lost its directory may give it for every address there is, and would have
them all bounced and suppressed within minutes, as in December 2020. But a domain that is gone, at a provider that many
share, says nothing of its neighbours: so a domain is judged by its addresses, and the site by its domains, each of
which counts once, as it was heard last. Values and a clock only: nothing is said or logged here. Three states, as with
domains that are said not to exist::

    calm --far more denials than ever--> storm --an hour--> weary
      ^-----------few again, or weary and nothing heard-------'

- **calm**: a denial is believed. The share of denials so far is the past.
- **storm**: none is. It begins when the denials among the last fifty addresses of a domain (within five minutes) weigh
  ten, one each and two for an address that took mail lately, and are over a quarter of all and four times the past's
  share. Without a past, such as a fresh list's, addresses that took mail alone tell: five have to be among them. Of the
  domains of a site, likewise, they have to weigh six; without a past three.
- **weary**: what lasted an hour is true, or somebody was told and nobody came: denials are believed. No new storm
  begins before few are denied again, or nothing was heard for a quarter of an hour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

__all__ = ["ADDRESSES", "BELIEVED_AFTER", "DOMAINS", "LONGEST", "WINDOW", "DenialTurn", "Denials", "Measure"]

LATEST = 50  # addresses, or domains, looked at
WINDOW = 300.0  # seconds
KNOWN_WEIGHS = 2
SHARE, FAR_ABOVE = 0.25, 4
PAST = 50  # answers that make a past
MOST_PAST = 2000  # then all of it counts half
LONGEST = 3600.0
BELIEVED_AFTER = 3000.0  # an hour's wait may be shorter by its jitter
QUIET = 900.0
AGAIN = 0.5
"""Seconds within which the same answer tells nothing new: a domain that takes a thousand a second is heard twice."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much makes a storm.

    :ivar least: what the denials weigh at least.
    :ivar least_known: so many of them of addresses that took mail are enough without a past; and so many that are heard
        of, when few are denied, end it.
    :ivar sample: who is heard of all the time becomes part of the past every so many seconds.
    """

    least: int
    least_known: int
    sample: float


ADDRESSES = Measure(least=10, least_known=5, sample=math.inf)
"""Of one domain: one address is one, however often it is asked."""
DOMAINS = Measure(least=6, least_known=3, sample=60.0)
"""Of one site."""


class _Answer(msgspec.Struct, frozen=True, gc=False):
    """What was heard last: when, what a denial weighs (0: it was taken), and since when no sample was taken."""

    heard: float
    weight: int
    since: float


class DenialTurn(Enum):
    """What an answer changed."""

    BEGAN = auto()
    WEARY = auto()
    ENDED = auto()


class Denials:
    """What the latest answers of a domain about its addresses tell, or those of a site about its domains.

    In bounded memory.

    :param clock: monotonic seconds.
    :param seconds_left: so long a storm that began elsewhere lasts still.
    :ivar disbelieved: denials that this storm kept from being believed.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_denied",
        "_heard",
        "_is_weary",
        "_known",
        "_latest",
        "_measure",
        "_past",
        "_past_denied",
        "disbelieved",
    )

    def __init__(self, clock: Callable[[], float], seconds_left: float = 0.0, *, measure: Measure = ADDRESSES) -> None:
        self.disbelieved = 0
        self._clock = clock
        self._measure = measure
        self._latest: dict[int, _Answer] = {}
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
        """How many of those asked about lately are denied, and how many there are in all."""
        return self._denied, len(self._latest)

    @property
    def past_share(self) -> float:
        """Which share was denied before."""
        return self._past_denied / self._past if self._past else 0.0

    def taken(self, whom: int) -> DenialTurn | None:
        """Mail for an address, or of a domain, was taken."""
        return self._hear(whom, 0)

    def denied(self, whom: int, *, was_known: bool) -> DenialTurn | None:
        """An address, or one of a domain's, is said not to exist.

        :param was_known: whether it took mail lately.
        """
        return self._hear(whom, KNOWN_WEIGHS if was_known else 1)

    def _hear(self, whom: int, weight: int) -> DenialTurn | None:
        now = self._clock()
        known = self._latest.get(whom)
        if self._began is None and known is not None and known.weight == weight and now - known.heard < AGAIN:
            return None
        was_quiet = now - self._heard > QUIET
        self._heard = now
        since = now if known is None else known.since
        is_sample = now - since >= self._measure.sample
        self._forget(whom, is_past=is_sample and self._began is None)
        self._latest[whom] = _Answer(now, weight, now if is_sample else since)
        if weight:
            self._count(weight, 1)
        while len(self._latest) > LATEST or now - next(iter(self._latest.values())).heard > WINDOW:
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
        if not self._denied:
            return None
        weight = self._denied + (KNOWN_WEIGHS - 1) * self._known
        has_measure = self._past >= PAST or self._known >= self._measure.least_known
        if weight < self._measure.least or not has_measure or self._denied <= self._threshold * len(self._latest):
            return None
        self._began = now
        self.disbelieved = 0
        return DenialTurn.BEGAN

    def _are_few(self) -> bool:
        is_enough = len(self._latest) >= self._measure.least_known
        return is_enough and self._denied <= self._threshold / 2 * len(self._latest)

    @property
    def _threshold(self) -> float:
        return max(SHARE, FAR_ABOVE * self.past_share if self._past >= PAST else 0.0)

    def _forget(self, whom: int, *, is_past: bool) -> None:
        if (known := self._latest.pop(whom, None)) is None:
            return
        if known.weight:
            self._count(known.weight, -1)
        if is_past:
            self._past += 1
            self._past_denied += known.weight > 0
            if self._past >= MOST_PAST:
                self._past, self._past_denied = self._past / 2, self._past_denied / 2

    def _count(self, weight: int, by: int) -> None:
        self._denied += by * (weight > 0)
        self._known += by * (weight == KNOWN_WEIGHS)
