"""Puts off believing a site that an address does not exist, where that cannot be trusted, and raises the alarm.

:mod:`.denials` says when it is not believed about anybody, or about a domain. Besides, an address that took mail lately
is not given up for the first "no such user": it is asked again an hour later. What is not believed is a soft bounce
that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import structlog

from softbounce.classify.rule_pack import PREFIX, is_disabled
from softbounce.duration import in_words
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.verdict import Fault, Verdict, VerdictWord
from softbounce_worker.lane.denials import BELIEVED_AFTER, DOMAINS, LONGEST, Denials, DenialTurn

__all__ = ["SITE", "DenialGuard", "DenialTurns", "as_not_believed", "is_denial"]

RULE = "denial-not-believed"
STAGES = frozenset({Stage.RCPT, Stage.DATA, Stage.END_OF_DATA})
SITE = ""
"""In place of a domain: all of the site's."""
MOST_DOMAINS = 2_000
MOST_SITES = 2_000
LATELY = 7 * 86_400.0
MOST_ADDRESSES = 50_000
HOUR = timedelta(seconds=LONGEST)
DenialTurns = dict[str, DenialTurn]
"""What an answer changed for its domain, or for the :data:`SITE`."""
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
        self._sites: dict[str, Denials] = {}
        self._domains: dict[tuple[str, str], Denials] = {}
        self._took: dict[int, float] = {}  # addresses, and when they took mail last
        self._doubted: dict[int, float] = {}  # those that were denied since, and when first

    def expect(self, lane: str, seconds: float, domain: str = SITE) -> None:
        """A storm that another process saw, all over the site or of one domain, lasts so long still."""
        left = min(seconds, LONGEST)
        if left <= 0:
            return
        if domain != SITE and (lane, domain) not in self._domains:
            _keep(self._domains, (lane, domain), Denials(self._clock, left), MOST_DOMAINS)
        elif domain == SITE and lane not in self._sites:
            _keep(self._sites, lane, Denials(self._clock, left, measure=DOMAINS), MOST_SITES)

    def taken(self, lane: str, domain: str, recipient: str) -> DenialTurns:
        """Its mail was taken."""
        address = hash(recipient)
        self._doubted.pop(address, None)
        _keep(self._took, address, self._clock(), MOST_ADDRESSES)
        site, own = self._judges(lane, domain)
        return self._tell(lane, domain, site.taken(hash(domain)), own.taken(address))

    def denied(self, lane: str, domain: str, recipient: str, *, alone: bool = True) -> tuple[str, DenialTurns]:
        """It is said not to exist. Why that is not believed (empty: it is), and what it changed.

        :param alone: the reply was to it alone; what is said of several at once may be meant for any of them.
        """
        address = hash(recipient)
        site, own = self._judges(lane, domain)
        was_known = self._clock() - self._took.get(address, -LATELY) < LATELY
        turns: DenialTurns = {}
        if alone:
            of_site = site.denied(hash(domain), was_known=was_known)
            turns = self._tell(lane, domain, of_site, own.denied(address, was_known=was_known))
        if was_known and address not in self._doubted:
            _keep(self._doubted, address, self._clock(), MOST_ADDRESSES)
        why = self._why_not(lane, domain, address)
        for one in (site, own):
            one.disbelieved += bool(why) and one.is_raging
        return why, turns

    def _why_not(self, lane: str, domain: str, address: int) -> str:
        for one, what in ((self._domains[lane, domain], f"addresses at {domain}"), (self._sites[lane], "domains")):
            if one.is_raging:
                denied, total = one.figures
                return (
                    f"The site says the like of {denied} of the last {total} {what}, far more than ever before, "
                    f"so it is not believed for {in_words(HOUR)}."
                )
        since = self._doubted.get(address)
        if since is None or self._clock() - since >= BELIEVED_AFTER:
            return ""
        return f"The address took mail lately: it is believed to be gone when that is said for {in_words(HOUR)}."

    def _judges(self, lane: str, domain: str) -> tuple[Denials, Denials]:
        """Of the site, by its domains, and of the domain, by its addresses."""
        site = self._sites.get(lane) or Denials(self._clock, measure=DOMAINS)
        own = self._domains.get((lane, domain)) or Denials(self._clock)
        _keep(self._sites, lane, site, MOST_SITES)
        _keep(self._domains, (lane, domain), own, MOST_DOMAINS)
        return site, own

    def _tell(self, lane: str, domain: str, of_site: DenialTurn | None, of_domain: DenialTurn | None) -> DenialTurns:
        turns: DenialTurns = {}
        if of_site is not None:
            turns[SITE] = of_site
            _say(of_site, self._sites[lane], lane=lane)
        if of_domain is not None:
            turns[domain] = of_domain
            _say(of_domain, self._domains[lane, domain], lane=lane, domain=domain)
        return turns


def _say(turn: DenialTurn, judge: Denials, **where: str) -> None:
    denied, total = judge.figures
    match turn:
        case DenialTurn.BEGAN:
            before = round(judge.past_share, 3)
            log.error("denials_not_believed", **where, denied=denied, of=total, share_before=before)
        case DenialTurn.WEARY:
            log.error("denials_believed_again", **where, denied=denied, disbelieved=judge.disbelieved)
        case DenialTurn.ENDED:
            log.warning("denials_few_again", **where, denied=denied, disbelieved=judge.disbelieved)


def _keep(memory: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember something, last of all; the first goes where there is no room."""
    memory.pop(key, None)
    if len(memory) >= most:
        del memory[next(iter(memory))]
    memory[key] = value
