"""What counts as a result of TLS: a domain's mail that a session carried, or for whose TLS no session could be had.

What a smarthost does is no result of the domain's: nobody is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from softbounce_worker.posture import Posture
from softbounce_worker.session.conversation import Conversation
from softbounce_worker.session.dialling import Failed
from softbounce_worker.tls_results.kinds import PolicyKind, Seen, TlsResult
from softbounce_worker.tls_results.tally import TlsTally
from softbounce_worker.work import Work

__all__ = ["count_failure", "count_session"]


def count_session(tally: TlsTally, session: Conversation, works: Sequence[Work]) -> None:
    """Count a session once for each domain; not where nobody asked for TLS, or nobody knows what a test gave."""
    for work in works:
        posture = work.posture
        if work.domain in session.counted or posture.mode == "none" or posture.is_of_relay:
            continue
        session.counted.add(work.domain)
        result = session.tls_failure.result if session.tls_failure is not None else None
        sts = posture.sts
        if sts is not None and sts.is_testing and result is None:
            if session.host in sts.forbids:
                result = TlsResult.VALIDATION_FAILURE
            elif session.tls.verified is None:
                continue
        kind = _kind(posture, by_dane=bool(session.tls.by) and posture.dane)
        tally.note(Seen(work.domain, kind, result, session.host, session.address))


def count_failure(tally: TlsTally, failed: Failed, posture: Posture, domains: Iterable[str]) -> None:
    """Count for each domain that no session gives what is asked."""
    if failed.failure is not None and not posture.is_of_relay:
        kind = _kind(posture, by_dane=failed.failure.by_dane)
        for domain in domains:
            tally.note(Seen(domain, kind, failed.failure.result, failed.host, failed.address))


def _kind(posture: Posture, *, by_dane: bool) -> PolicyKind:
    if by_dane:
        return PolicyKind.TLSA
    return PolicyKind.NONE if posture.sts is None else PolicyKind.STS
