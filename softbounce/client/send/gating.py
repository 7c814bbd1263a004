"""Holds at once what was just accepted for a recipient whom the staging gate lets have no mail: its receipt says so.

A worker asks again of whatever it claims, and what it finds holds: whoever dies in here, or cannot be answered, has let
nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence

from softbounce import transitions
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import KnownStore
from softbounce.client.send.suppressing import Accepted
from softbounce.envelope import Record, State
from softbounce.errors import StoreError
from softbounce.gate import GateRules, closes_to
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.moving import Move, MoveResult, move
from softbounce.store.reading import fetch

__all__ = ["hold_gated"]

TURNS = 3


def hold_gated(known: KnownStore, gate: GateRules, accepted: Sequence[Accepted]) -> Flow[dict[bytes, str]]:
    """Hold those that may not be sent, and say why, by their ids."""
    suspects = [one.id for one in accepted if not gate.allows(one.recipient)]
    told: dict[bytes, str] = {}
    try:
        for _ in range(TURNS):
            if not suspects:
                break
            suspects = yield from _hold(known, gate, suspects, told)
    except StoreError:
        pass  # they are accepted, and whoever claims them asks the gate
    return told


def _hold(known: KnownStore, gate: GateRules, suspects: Sequence[bytes], told: dict[bytes, str]) -> Flow[list[bytes]]:
    """One turn; those that changed meanwhile."""
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    records: list[Record | None] = yield from repeat(fetch(suspects))
    moves: list[Move] = []
    for record in records:
        if record is None or record.state.is_final:
            continue
        envelope, version = record.envelope, record.version
        if not closes_to(gate, envelope.recipient, past_gate=envelope.past_gate):
            continue
        told[record.id] = gate.why_held(envelope.recipient)
        if record.state not in {State.HELD, State.ATTEMPTING}:  # whoever has it asks the gate as well
            change = transitions.hold_at_gate(record, gate, now_ms)
            moves.append(Move(record=change.record, version=version, event=change.event))
    if not moves:
        return []
    results: list[int] = yield from repeat(move(moves, keep_events=known.settings.keep_events_max))
    return [one.record.id for one, result in zip(moves, results, strict=True) if result != MoveResult.MOVED]
