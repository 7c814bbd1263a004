"""Which header fields a signature covers, and of which it says that there are no more (RFC 6376 §5.4, §8.15).

Every field of these names is covered, however often it is there. ``Received``, ``Return-Path`` and what hosts on the
way add or change are not (§5.4.1), nor is another signature. Of some names the signature also covers one that is not
there: who adds such a field to a signed message, so that readers see another author or subject, breaks it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ALWAYS_CLOSED", "CLOSED", "COVERED", "covered_fields"]

ALWAYS_CLOSED = ("from", "to", "cc", "subject", "date", "message-id", "reply-to")
"""No more of these than there are, none included: what a reader sees, and where an answer goes."""
CLOSED = ("sender", "mime-version", "content-type", "content-transfer-encoding")
"""The same, where the message has one: how its text is read."""
COVERED_NAMES = """
    content-id content-description content-disposition content-language in-reply-to references
    resent-date resent-from resent-sender resent-to resent-cc resent-message-id
    list-id list-help list-unsubscribe list-unsubscribe-post list-subscribe list-post list-owner list-archive
    feedback-id auto-submitted autocrypt bimi-selector tls-report-domain tls-report-submitter
"""
COVERED = tuple(COVERED_NAMES.split())
"""As often as they are there."""


def covered_fields(fields: Sequence[bytes]) -> tuple[list[str], list[bytes]]:
    """The names for ``h=`` and the fields to sign, in the order in which a verifier looks for them.

    Of one name, the last field of the header comes first (§5.4.2).
    """
    by_name: dict[str, list[bytes]] = {}
    for field in reversed(fields):
        name = field.partition(b":")[0].strip().lower().decode("latin-1")
        by_name.setdefault(name, []).append(field)
    names: list[str] = []
    covered: list[bytes] = []
    for name in (*ALWAYS_CLOSED, *CLOSED, *COVERED):
        there = by_name.get(name, [])
        covered += there
        is_closed = name in ALWAYS_CLOSED or (name in CLOSED and bool(there))
        names += [name] * (len(there) + is_closed)
    return names, covered
