"""Puts off believing a site that an address does not exist, where that cannot be trusted, and raises the alarm.

:mod:`.denials` says when a site is not believed about anybody. Besides, an address that took mail lately is not given
up for the first "no such user": it is asked again an hour later. What is not believed is a soft bounce that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import structlog

from softbounce.classify.built_in_rules import PREFIX, is_disabled
from softbounce.duration import in_words
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.verdict import Fault, Verdict, VerdictWord
from softbounce_worker.lane.denials import BELIEVED_AFTER, LONGEST, DenialTurn, SiteDenials

__all__ = ["DenialGuard", "as_not_believed", "is_denial"]

RULE = "denial-not-believed"
STAGES = frozenset({Stage.RCPT, Stage.DATA, Stage.END_OF_DATA})
MOST_SITES = 2_000
LATELY = 7 * 86_400.0
MOST_ADDRESSES = 50_000
HOUR = timedelta(seconds=LONGEST)
K = TypeVar("K")
V = TypeVar("V")
log = structlog.get_logger("softbounce.worker")


def is_denial(verdict: Verdict, settings: Settings) -> bool:
    """Whether a recipient is refused for good, by our reading of it: what the user's rules say is believed."""
    is_ours = verdict.rule.startswith(PREFIX) and not is_disabled(RULE, settings.disabled_rules)
    is_about_recipient = verdict.suppress or verdict.fault is Fault.RECIPIENT
    return is_ours and verdict.word is VerdictWord.HARD and verdict.stage in STAGES and is_about_recipient


def as_not_believed(verdict: Verdict) -> Verdict:
    """The soft verdict that stands in for a denial."""
    return replace(
        verdict, word=VerdictWord.SOFT, suppress=False, undecided=False, rule=PREFIX + RULE, delays=(HOUR,), window=None
    )


class DenialGuard:
    """The judge of denials of one process.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sites: dict[str, SiteDenials] = {}
        self._took: dict[int, float] = {}  # addresses, and when they took mail last
        self._doubted: dict[int, float] = {}  # those that were denied since, and when first

    def expect(self, lane: str, seconds: float) -> None:
        """A storm that another process saw lasts so long still."""
        if seconds > 0 and lane not in self._sites:
            _keep(self._sites, lane, SiteDenials(self._clock, min(seconds, LONGEST)), MOST_SITES)

    def taken(self, lane: str, recipient: str) -> DenialTurn | None:
        """Its mail was taken."""
        address = hash(recipient)
        self._doubted.pop(address, None)
        _keep(self._took, address, self._clock(), MOST_ADDRESSES)
        return self._tell(lane, self._site(lane).taken(address))

    def denied(self, lane: str, recipient: str, *, alone: bool = True) -> tuple[str, DenialTurn | None]:
        """It is said not to exist. Why that is not believed (empty: it is), and what it changed for the site.

        :param alone: the reply was to it alone; what is said of several at once may be meant for any of them.
        """
        address = hash(recipient)
        site = self._site(lane)
        was_known = self._clock() - self._took.get(address, -LATELY) < LATELY
        turn = self._tell(lane, site.denied(address, was_known=was_known)) if alone else None
        if was_known and address not in self._doubted:
            _keep(self._doubted, address, self._clock(), MOST_ADDRESSES)
        why = self._why_not(site, address)
        site.disbelieved += bool(why)
        return why, turn

    def _why_not(self, site: SiteDenials, address: int) -> str:
        if site.is_raging:
            denied, total = site.figures
            return (
                f"The site says the like of {denied} of the last {total} addresses, far more than ever before, "
                f"so it is not believed for {in_words(HOUR)}."
            )
        since = self._doubted.get(address)
        if since is None or self._clock() - since >= BELIEVED_AFTER:
            return ""
        return f"The address took mail lately: it is believed to be gone when that is said for {in_words(HOUR)}."

    def _site(self, lane: str) -> SiteDenials:
        site = self._sites.pop(lane, None) or SiteDenials(self._clock)
        _keep(self._sites, lane, site, MOST_SITES)
        return site

    def _tell(self, lane: str, turn: DenialTurn | None) -> DenialTurn | None:
        site = self._sites[lane]
        denied, total = site.figures
        match turn:
            case DenialTurn.BEGAN:
                before = round(site.past_share, 3)
                log.error("denials_not_believed", lane=lane, denied=denied, addresses=total, share_before=before)
            case DenialTurn.WEARY:
                log.error("denials_believed_again", lane=lane, denied=denied, disbelieved=site.disbelieved)
            case DenialTurn.ENDED:
                log.warning("denials_few_again", lane=lane, denied=denied, disbelieved=site.disbelieved)
            case None:
                pass
        return turn


def _keep(memory: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember something, last of all; the first goes where there is no room."""
    memory.pop(key, None)
    if len(memory) >= most:
        del memory[next(iter(memory))]
    memory[key] = value
