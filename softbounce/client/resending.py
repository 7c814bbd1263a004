"""Sending again what ended: a new envelope of the same message, linked to the old one in both directions.

Which one follows which is told by their ids, so doing it twice makes one. An envelope is sent again once; the one that
sends it again may be, in its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from softbounce import transitions
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.record import find_record
from softbounce.client.suppressions.asking import mail_of, stops
from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record, State
from softbounce.errors import MessageGone, StoreUnavailable
from softbounce.ids import format_id
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.resending import Again, AgainResult, send_again
from softbounce.store.suppressions import look_up
from softbounce.suppression import names_for

__all__ = ["Over", "ResendAnswer", "Resent", "resend", "resend_all"]

TURNS = 5


class ResendAnswer(StrEnum):
    """What became of a resend."""

    RESENT = "resent"
    ALREADY_RESENT = "already_resent"  # by an earlier resend: nothing was changed
    NOT_ENDED = "not_ended"  # it is still tried; `retry` has that done now: nothing was changed
    DELIVERED = "delivered"  # the recipient has it: only when forced
    SUPPRESSED = "suppressed"  # its address gets no mail: when forced it does, where no person said so
    TOO_OFTEN = "too_often"  # it was sent again 64 times
    MESSAGE_GONE = "message_gone"  # of many; of one that is an error


class Over(NamedTuple):
    """Over how long those that are sent again begin, and from when on, ms."""

    from_ms: int
    spread_ms: int

    def at_ms(self, identity: bytes) -> int:
        """When one of them begins: its id tells where in that time, so who asks again is told the same."""
        return self.from_ms + int.from_bytes(blake2b(identity, digest_size=8).digest()) % self.spread_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Resent:
    """The answer, and the envelope by which it was sent again; ``None``: there is none."""

    answer: ResendAnswer
    envelope_id: str | None = None


def resend(knowledge: Knowledge, identity: str, *, force: bool = False, by: str = "") -> Flow[Resent]:
    """Send one again.

    :param force: also where it was delivered, if its message is still there; and where its address was concluded to be
        dead, as ``force`` of a send.
    :raises MessageGone: its message is no longer stored.
    :raises NotFound: there is none (any more).
    """
    known = yield from knowledge.current()
    for _ in range(TURNS):
        record, _ = yield from find_record(identity)
        (result,) = yield from _resend(known, [record], force=force, by=by)
        if result is ResendAnswer.MESSAGE_GONE:
            raise _gone(record, known)
        if result is not None:
            as_id = record.envelope.resent_as
            return Resent(answer=result, envelope_id=format_id(as_id) if as_id else None)
    raise StoreUnavailable(f"envelope {identity} changed {TURNS} times while it was to be sent again; try again")


def resend_all(
    known: KnownStore, records: Sequence[Record], *, force: bool = False, by: str = "", over: Over | None = None
) -> Flow[list[str]]:
    """Send these again: for each the word of what became of it."""
    results = yield from _resend(known, records, force=force, by=by, over=over)
    return [str(one or "changed_meanwhile") for one in results]


def _resend(
    known: KnownStore, records: Sequence[Record], *, force: bool, by: str, over: Over | None = None
) -> Flow[list[ResendAnswer | None]]:
    """One call for all of them. ``None``: another change came first, look again."""
    answers: list[ResendAnswer | None] = [_refusal(record, force=force) for record in records]
    yield from _look_up(known, records, answers, force=force)
    wanted: dict[int, Again] = {}
    for at, record in enumerate(records):
        if answers[at] is not None:
            continue
        version, at_ms = record.version, None if over is None else over.at_ms(record.id)
        twice = transitions.send_again(record, known.settings, by, force=force, at_ms=at_ms)
        if twice is None:
            answers[at] = ResendAnswer.TOO_OFTEN
        else:
            wanted[at] = Again(
                old=twice.old,
                version=version,
                new=twice.new,
                window_ms=twice.window_ms,
                look_ms=twice.look_ms,
                not_before_ms=at_ms or 0,
                events=twice.events,
            )
    if wanted:
        operation = send_again(list(wanted.values()), keep_events=known.settings.keep_events_max)
        for at, result in zip(wanted, (yield from repeat(operation)), strict=True):
            answers[at] = RESULTS.get(result)
    return answers


def _look_up(
    known: KnownStore, records: Sequence[Record], answers: list[ResendAnswer | None], *, force: bool
) -> Flow[None]:
    """Refuse those whose address gets no mail."""
    asked = [at for at, answer in enumerate(answers) if answer is None]
    names = [name for at in asked for name in names_for(records[at].envelope.recipient)]
    found = (yield from repeat(look_up(names, known.shards))) if names else {}
    if not found:
        return
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    for at in asked:
        mail = mail_of(records[at])._replace(is_forced=force)
        if stops(found, mail, known.settings, now_ms) is not None:
            answers[at] = ResendAnswer.SUPPRESSED


def _refusal(record: Record, *, force: bool) -> ResendAnswer | None:
    """Why it is not sent again; ``None``: it is."""
    if not record.state.is_final:
        return ResendAnswer.NOT_ENDED
    if record.envelope.resent_as:
        return ResendAnswer.ALREADY_RESENT
    if record.state is State.DELIVERED and not force:
        return ResendAnswer.DELIVERED
    return None


RESULTS = {
    AgainResult.MADE: ResendAnswer.RESENT,
    AgainResult.KNOWN: ResendAnswer.RESENT,
    AgainResult.NO_BODY: ResendAnswer.MESSAGE_GONE,
}


def _gone(record: Record, known: KnownStore) -> MessageGone:
    final = record.envelope.final
    ended_at = from_epoch_ms(final.at_ms if final else record.created_ms)
    is_kept = record.state is not State.DELIVERED
    return MessageGone(
        format_id(record.id), record.state.word, ended_at, known.settings.keep_bodies if is_kept else None
    )
