"""What binds a record under some settings: its policy, its history, and so its expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from softbounce.decide import expires_at
from softbounce.duration import MILLISECOND, to_epoch_ms
from softbounce.envelope import BRAKE, GATE, STANDING, Envelope, Record
from softbounce.history import History
from softbounce.settings import Policy, Settings

__all__ = ["expiry_ms", "history_of", "late_ms", "look_ms", "policy_of", "stops_window", "warn_after"]

PAUSING = frozenset(("operator", "may_duplicate", "restored", BRAKE, STANDING))
"""The holds that nothing but a person's decision ends."""


def policy_of(record: Record, settings: Settings) -> Policy:
    """The policy that binds an envelope under these settings: the one that an operator chose, else as assigned."""
    envelope = record.envelope
    if envelope.set_policy and (chosen := settings.policies.get(envelope.set_policy)) is not None:
        return chosen
    return settings.policy_for(stream=record.stream, domain=envelope.domain, site=envelope.site, sender=envelope.sender)


def history_of(record: Record, settings: Settings, now_ms: int) -> History:
    """The record's history; an operator's hold that still lasts counts up to now, when holds stop the window."""
    history = History.of(record)
    since = record.envelope.held_since_ms
    if since is None or not stops_window(record, settings):
        return history
    return replace(history, held=history.held + timedelta(milliseconds=max(0, now_ms - since)))


def stops_window(record: Record, settings: Settings) -> bool:
    """Whether the hold on a record makes its expiry stand still: an operator's does, a quarantine does not.

    At the staging gate it does in any case: nothing that is held there may become a bounce that others are told of.
    """
    why = record.envelope.held_why
    return why == GATE or (settings.hold_pauses_window and why in PAUSING)


def expiry_ms(record: Record, settings: Settings, now_ms: int) -> int:
    """When the envelope expires as things stand: derived, never frozen."""
    return to_epoch_ms(expires_at(policy_of(record, settings), history_of(record, settings, now_ms)))


def late_ms(record: Record, settings: Settings, now_ms: int) -> int | None:
    """When it is late, so that this is told; ``None``: never, or not before it expires."""
    policy, history = policy_of(record, settings), history_of(record, settings, now_ms)
    after = warn_after(record.envelope, policy)
    at = history.starts_at + history.held + after
    return to_epoch_ms(at) if after and at < expires_at(policy, history) else None


def warn_after(envelope: Envelope, policy: Policy) -> timedelta:
    """After how long it is told to be late: as its send said, else as the policy has it; 0: never."""
    return envelope.warn_ms * MILLISECOND if envelope.warn_ms else policy.warn_after


def look_ms(record: Record, settings: Settings, now_ms: int) -> int:
    """When to look at an envelope's expiry: when it expires, or before, where it is to be told that it is late."""
    late = late_ms(record, settings, now_ms)
    return late if late is not None and late > now_ms else expiry_ms(record, settings, now_ms)
