"""What came of look-ups lately, as the mail in the store tells: a storm of denials, or domains that cannot be told.

A name server that lost its way denies domains that are there; workers stop believing it then, for an hour at most
(``[dns] nxdomain_storm``). Nothing is asked here: it is the mail that has been asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from softbounce.client import Shown
from softbounce.errors import StoreError
from softbounce.stage import Stage
from softbounce.verdict import Reason
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import Patient

__all__ = ["check", "judge"]

WHAT = "look-ups lately"
MANY = 25
"""Domains: a list's typing errors are fewer."""


def check(patient: Patient) -> Iterator[Finding]:
    """Of some of the store's envelopes."""
    try:
        envelopes = patient.envelopes
    except StoreError:
        yield unknown(WHAT, "the store does not tell", "mend the store first")
        return
    yield judge(envelopes, patient.config.dns.nxdomain_storm)


def judge(envelopes: tuple[Shown, ...], share: float) -> Finding:
    """What the latest attempt of each says of its domain.

    :param share: which share of the domains denied is a storm; 0: none is.
    """
    asked: set[str] = set()
    denied: set[str] = set()
    untold: set[str] = set()
    for shown in envelopes:
        if not shown.attempts:
            continue
        domain, last = shown.recipient.rpartition("@")[2].lower(), shown.attempts[-1]
        asked.add(domain)
        if last.stage == Stage.ROUTE:
            (denied if last.reason == Reason.BAD_DOMAIN else untold).add(domain)
    counted = f"{len(asked)} domains with mail: {len(denied)} said not to be there, {len(untold)} not to be had"
    if len(denied) >= MANY and len(denied) > len(asked) * (share or 1):
        mend = "if these domains are there, the name server lies: replace it (the lines above), then softbounce retry"
        return fail(WHAT, f"a storm: {counted}", mend)
    if len(untold) > max(3, len(asked) // 5):
        return warn(WHAT, counted, "look at the name servers (the lines above): that mail waits for them")
    return good(WHAT, counted)
