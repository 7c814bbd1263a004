"""No session: what came instead, and what that is about."""

from __future__ import annotations

from dataclasses import dataclass, replace

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.session.connection import Connection
from softbounce_worker.smtp import Answer, Event, Lost
from softbounce_worker.tls_results.kinds import TlsFailure, TlsResult

__all__ = [
    "LACKS_FEATURE",
    "NotHad",
    "by_dane",
    "is_broken",
    "is_positive",
    "no_login",
    "no_starttls",
    "no_tls",
    "not_had",
    "words_of",
]

BROKEN = frozenset({TroubleKind.TLS_FAILED, TroubleKind.CONNECTION_LOST})
UNSPECIFIC = TlsFailure(TlsResult.VALIDATION_FAILURE)
LACKS_FEATURE, CRYPTOGRAPHY = "4.7.4", "4.7.5"  # RFC 3463 §3.8: a security feature is missing; cryptography failed


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHad:
    """No session: what came instead.

    :ivar is_about_tls: the host would take mail that asks for less.
    :ivar is_ours: it is our own fault: it does not know us, and no other address of it will.
    :ivar is_about_handshake: it came to no end, or a bad one.
    :ivar is_broken: TLS broke, and may not another time.
    :ivar had_session: a TLS session from before was to be resumed.
    :ivar failure: what went wrong with TLS, as it is counted.
    """

    what: Reply | Trouble
    stage: Stage
    is_about_tls: bool = False
    is_ours: bool = False
    is_about_handshake: bool = False
    is_broken: bool = False
    had_session: bool = False
    failure: TlsFailure | None = None


def no_starttls(why: str) -> NotHad:
    """TLS is not to be had, and no less will do."""
    return no_tls(why, LACKS_FEATURE, TlsFailure(TlsResult.STARTTLS_NOT_SUPPORTED))


def no_tls(
    why: str, enhanced: str = CRYPTOGRAPHY, failure: TlsFailure = UNSPECIFIC, *, is_about_tls: bool = True
) -> NotHad:
    """TLS failed, or lacks something."""
    trouble = Trouble(kind=TroubleKind.TLS_FAILED, text=why, enhanced=enhanced)
    return NotHad(what=trouble, stage=Stage.STARTTLS, is_about_tls=is_about_tls, failure=failure)


def by_dane(outcome: Connection | NotHad) -> Connection | NotHad:
    """The same, judged by what DNS says of the host."""
    if isinstance(outcome, Connection) or outcome.failure is None:
        return outcome
    return replace(outcome, failure=outcome.failure._replace(by_dane=True))


def no_login(what: Reply | Trouble) -> NotHad:
    """Nobody lets us in, and no other address of the host will."""
    return NotHad(what=what, stage=Stage.AUTH, is_ours=True)


def is_broken(event: Event) -> bool:
    """Whether the connection or TLS broke: no silence, and nothing that the host must not say."""
    return isinstance(event, Lost) and event.trouble.kind in BROKEN


def words_of(reply: Reply) -> str:
    """Code and text, as they are told."""
    return " ".join(str(one) for one in (reply.code, reply.enhanced, reply.text) if one)


def not_had(event: Event) -> NotHad:
    """What an event means that ended it."""
    return NotHad(what=event.reply if isinstance(event, Answer) else event.trouble, stage=event.stage)


def is_positive(event: Event) -> bool:
    """Whether it is a good answer."""
    return isinstance(event, Answer) and event.reply.is_positive
