"""The domains whose mail is known to go by a lane: until when, and what each asks of TLS there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from softbounce.road import Road
from softbounce.settings import Settings
from softbounce_worker.posture import OPPORTUNISTIC, Sts, after_losses, posture_for
from softbounce_worker.work import Work

__all__ = ["Known", "LaneDomains"]

KEPT_DOMAINS = 10_000


class Known(NamedTuple):
    """What is known of a domain.

    :ivar until: loop time.
    :ivar sts: what its own policy asks for here.
    :ivar dane: DNSSEC proves that it goes here.
    """

    until: float
    sts: Sts | None
    dane: bool


UNKNOWN = Known(0.0, None, dane=False)


class LaneDomains(dict[str, Known]):
    """Those of one lane, by name; whoever was told of last comes last."""

    __slots__ = ()

    def leads(self, domain: str, now: float) -> bool:
        """Whether a domain's mail is known to go here still."""
        return self.get(domain, UNKNOWN).until > now

    def learn(self, domain: str, known: Known) -> None:
        """Its mail goes here."""
        if len(self) >= KEPT_DOMAINS:
            del self[next(iter(self))]
        self.pop(domain, None)
        self[domain] = known

    def ask_of_tls(self, works: Sequence[Work], settings: Settings, site: str, road: Road) -> None:
        """Say for each what is asked of TLS for it now.

        :param site: as it is shown.
        """
        may_be_clear = road.user is None  # no password is
        domain: str | None = None
        asked = OPPORTUNISTIC
        for work in works:
            if work.domain != domain:  # most come with others of theirs
                domain = work.domain
                _, sts, dane = self.get(domain, UNKNOWN)
                asked = posture_for(settings, domain=domain, site=site, sts=sts, dane=dane, road=road)
            posture = asked.for_sender(work.record.envelope.tls)
            work.posture = after_losses(posture, work.record.envelope.attempts) if may_be_clear else posture
