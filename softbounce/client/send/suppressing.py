"""Ends at once what was just accepted for an address that gets no mail, so that its sender hears it in the receipt.

A worker looks before each attempt as well, and what it finds holds: so whoever dies in here, or cannot be answered,
leaves nothing undone, and says less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from softbounce import transitions
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import KnownStore
from softbounce.client.suppressions.asking import mail_of, stops
from softbounce.decide import Cause
from softbounce.envelope import Record, State
from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.moving import Move, MoveResult, move
from softbounce.store.reading import fetch
from softbounce.suppression import Entry, names_for, words

__all__ = ["Accepted", "end_suppressed"]

TURNS = 3


class Accepted(NamedTuple):
    """An envelope that was accepted, now or before: its id, and its recipient."""

    id: bytes
    recipient: str


def end_suppressed(
    known: KnownStore, accepted: Sequence[Accepted], found: Mapping[str, Sequence[Entry]]
) -> Flow[dict[bytes, str]]:
    """End those that may not be sent, and say why, by their ids.

    :param found: the entries of all names that have some.
    """
    suspects = [one.id for one in accepted if any(name in found for name in names_for(one.recipient))]
    told: dict[bytes, str] = {}
    try:
        for _ in range(TURNS):
            if not suspects:
                break
            suspects = yield from _end(known, suspects, found, told)
    except StoreError:
        pass  # they are accepted, and whoever claims them looks
    return told


def _end(
    known: KnownStore, suspects: Sequence[bytes], found: Mapping[str, Sequence[Entry]], told: dict[bytes, str]
) -> Flow[list[bytes]]:
    """One turn; those that changed meanwhile."""
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    records: list[Record | None] = yield from repeat(fetch(suspects))
    moves: list[Move] = []
    for record in records:
        if record is None:
            continue
        final = record.envelope.final
        if final is not None and final.cause == Cause.SUPPRESSED:
            told[record.id] = final.why
            continue
        entry = stops(found, mail_of(record), known.settings, now_ms)
        if entry is None or record.state.is_final:
            continue
        told[record.id] = words(entry)
        if record.state is not State.ATTEMPTING:  # whoever has it has looked, or ends it
            version = record.version
            change = transitions.suppress(record, entry, now_ms)
            moves.append(Move(record=change.record, version=version, event=change.event, ahead=change.ahead))
    if not moves:
        return []
    results: list[int] = yield from repeat(move(moves, keep_events=known.settings.keep_events_max))
    return [one.record.id for one, result in zip(moves, results, strict=True) if result != MoveResult.MOVED]
