"""What the receivers of webhooks are told of: the words for each kind of event, and how long one is tried.

A body's ``type`` is ``envelope.deferred`` for what happened to an envelope, ``stream.held`` and the like for the rest.
Where a receiver is, and its secret, is in the configuration of the process that tells it, and never in the store.
"""

from __future__ import annotations

from datetime import timedelta

from softbounce.events import EventKind
from softbounce.settings import Policy

__all__ = ["ABOUT_RECEIVERS", "KINDS", "TEST_TYPE", "WEBHOOK_POLICY", "kind_of", "type_of"]

ENVELOPE = "envelope"
SUBJECTS = ("site", "stream", "hold", "webhook", "health")
ABOUT_RECEIVERS = ("webhook_exhausted", "webhook_disabled")
"""Never told to the receiver that they are about."""
KINDS = (
    "accepted",
    "delivered",
    "delivered_late",
    "deferred",
    "warned",
    "bounced",
    "cancelled",
    "held",
    "released",
    "changed",
    "quarantined",
    "uncertain",
    "returned",
    "complained",
    "suppressed",
    "unsuppressed",
    "resent",
    "site_closed",
    "site_opened",
    "stream_held",
    "stream_released",
    "hold_began",
    "hold_ended",
    "health_changed",
    *ABOUT_RECEIVERS,
)
TEST_TYPE = "webhook.test"

WEBHOOK_POLICY = Policy(
    name="webhook",
    window=timedelta(days=3),
    delays=tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14_400)),
    greylist=(),
    warn_after=timedelta(0),
)
"""When an event is tried again where the receiver's table names no policy, and the configuration has no ``webhook``."""


def type_of(kind: EventKind) -> str:
    """What a body says as its ``type``."""
    subject, _, what = kind.partition("_")
    return f"{subject}.{what}" if subject in SUBJECTS and what else f"{ENVELOPE}.{kind}"


def kind_of(word: str) -> EventKind | None:
    """The kind that a word of the configuration names, ``deferred`` or ``envelope.deferred``; ``None``: none."""
    return NAMES.get(word)


NAMES = {name: kind for kind in KINDS for name in (kind, type_of(kind))}
