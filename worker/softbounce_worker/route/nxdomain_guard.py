"""Puts off believing that a domain does not exist, while :mod:`.nxdomain_storm` says so, and raises the alarm.

What is not believed becomes a temporary trouble that says why, kept for a few seconds only: as soon as the name servers
are right again, mail goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog

from softbounce.duration import in_words
from softbounce.reply import Trouble, TroubleKind
from softbounce_worker.route.nxdomain_storm import WINDOW, Storm, StormTurn

__all__ = ["DENIALS", "Known", "NxdomainGuard"]

DENIALS = frozenset({TroubleKind.NO_SUCH_DOMAIN, TroubleKind.NO_MAIL_HOST})
PAUSE = 1.0  # seconds; of a burst of wrong answers not even the first is believed
log = structlog.get_logger()


class Known(Protocol):
    """Which domains mail went to before."""

    async def knows(self, domain: str) -> bool:
        """Whether this one is among them."""
        ...

    async def learn(self, domain: str, site: None) -> None:
        """It is not any more."""
        ...


class NxdomainGuard:
    """The judge of denials of one router.

    :param share: as :class:`Storm` takes it.
    :param clock: monotonic seconds.
    :param known: who knows domains from before; ``None``: nobody does.
    :param alarmed: called when a storm begins: what was believed lately may be wrong.
    """

    def __init__(
        self, share: float, clock: Callable[[], float], known: Known | None, alarmed: Callable[[], None]
    ) -> None:
        self._storm = Storm(share, clock)
        self._known = known
        self._alarmed = alarmed

    def found(self, domain: str) -> None:
        """The name servers, asked anew, know the domain."""
        self._tell(self._storm.found(domain))

    async def judge(self, domain: str, denial: Trouble) -> Trouble:
        """The denial, where it is believed; else the temporary trouble that stands in for it."""
        was_known = self._known is not None and await self._known.knows(domain)
        self._tell(self._storm.denied(domain, was_known=was_known))
        if self._storm.believes(domain):
            await asyncio.sleep(PAUSE)
        if self._storm.believes(domain):
            if was_known and self._known is not None:
                await self._known.learn(domain, None)
            return denial
        self._storm.disbelieved += 1
        text = f"the name servers say that {denial.text}, {self._why_not()}"
        return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3")

    def _why_not(self) -> str:
        if self._storm.is_raging:
            denied, total = self._storm.figures
            return (
                f"and the same of {denied} of the last {total} domains looked up: too many at once to be believed yet"
            )
        how_long = in_words(timedelta(seconds=WINDOW))
        return f"but mail went there before: it is believed when they have said so for {how_long}"

    def _tell(self, turn: StormTurn | None) -> None:
        storm = self._storm
        denied, total = storm.figures
        match turn:
            case StormTurn.BEGAN:
                self._alarmed()
                log.error("nxdomain_storm_began", denied=denied, looked_up=total)
            case StormTurn.WEARY:
                log.error("nxdomain_storm_believed", denied=denied, looked_up=total, disbelieved=storm.disbelieved)
            case StormTurn.ENDED:
                log.warning("nxdomain_storm_ended", denied=denied, looked_up=total, disbelieved=storm.disbelieved)
            case None:
                pass
