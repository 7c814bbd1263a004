"""Quiet hours of a record: what was planned for them is put off to their end, and the envelope is not older for it.

How long they put off the attempt that is planned stands in ``quiet_ms``, and in ``held_ms`` as well, by which its
window is longer. The part of it that passed stays there; the rest goes where the attempt is planned anew before.
"""

from __future__ import annotations

from dataclasses import replace

from softbounce.decide import Decision, Defer
from softbounce.duration import MILLISECOND, in_words, to_epoch_ms
from softbounce.envelope import Record
from softbounce.quiet import delay_after, opens_ms
from softbounce.settings import Settings

__all__ = ["forget_quiet", "out_of_quiet", "put_off", "quiet_for"]


def quiet_for(record: Record, settings: Settings, at_ms: int) -> int:
    """For how long, ms, quiet hours put off an attempt of this envelope that was to begin then; 0: they do not."""
    if not settings.quiet:
        return 0
    envelope = record.envelope
    rules = settings.quiet_hours_of(record.stream, envelope.sender, envelope.tenant)
    opens = opens_ms(rules, at_ms)
    if opens == at_ms:
        return 0
    late = opens + delay_after(record.id)
    return (late if opens_ms(rules, late) == late else opens) - at_ms


def forget_quiet(record: Record, now_ms: int) -> None:
    """The attempt that quiet hours had put off is planned anew: they take no more than they took so far."""
    envelope = record.envelope
    if envelope.quiet_ms:
        taken = max(0, now_ms - (record.next_ms - envelope.quiet_ms))
        envelope.held_ms -= max(0, envelope.quiet_ms - taken)
        envelope.quiet_ms = 0


def put_off(record: Record, settings: Settings, at_ms: int) -> int:
    """Put off an attempt that is planned for then, as far as quiet hours ask for it: when it begins, ms."""
    late = record.envelope.quiet_ms = quiet_for(record, settings, at_ms)
    record.envelope.held_ms += late
    return at_ms + late


def out_of_quiet(record: Record, decision: Decision, settings: Settings) -> Decision:
    """The decision as quiet hours let it be; they are noted in the record."""
    record.envelope.quiet_ms = 0
    if not settings.quiet or not isinstance(decision, Defer) or decision.at is None:
        return decision
    at_ms = to_epoch_ms(decision.at)
    late = (put_off(record, settings, at_ms) - at_ms) * MILLISECOND
    if not late:
        return decision
    at = decision.at + late
    why = f"{decision.why} Quiet hours put that off by {in_words(late)}, until {at:%Y-%m-%d %H:%M:%S} UTC."
    return replace(decision, at=at, expires_at=decision.expires_at + late, why=why)
