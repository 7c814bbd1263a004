"""What an operator does to all envelopes that fit a selection: one bounded step of a walk after another.

It reaches what is there; mail that is accepted afterwards is not touched, and no rule is left behind in the store. A
release of whole streams lifts the holds that a brake left there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from softbounce.client import actions
from softbounce.client.actions import Wish
from softbounce.client.flow import Flow, repeat
from softbounce.client.held_streams import release_streams
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.queue import scan
from softbounce.client.selection import Selection
from softbounce.envelope import Flag, Record, State
from softbounce.errors import AlreadyEnded, InvalidArgument, NotFound, StoreUncertain
from softbounce.ids import format_id
from softbounce.settings import Settings
from softbounce.store.held_streams import held_among, read_holds
from softbounce.store.moving import Move, MoveResult, move

__all__ = ["act_of", "act_on_matching"]

CHANGED = "changed_meanwhile"
RELEASED = "streams_released"
WOULD = "matched"
Decide = Callable[[Record, Settings, int], Wish[StrEnum]]


class Act(NamedTuple):
    """What can be done, and to envelopes in which states."""

    decide: Decide
    states: frozenset[State]


LIVE = frozenset(state for state in State if not state.is_final)
ACTS: dict[str, Act] = {
    "cancel": Act(actions.decide_cancel, LIVE),
    "retry": Act(actions.decide_retry, frozenset({State.SCHEDULED})),
    "hold": Act(actions.decide_hold, LIVE - {State.HELD}),
    "release": Act(actions.decide_release, frozenset({State.HELD})),
}


def act_of(word: str) -> Act:
    """The act with this name.

    :raises InvalidArgument: there is none.
    """
    if word not in ACTS:
        raise InvalidArgument("act", f"{word!r} is none; acts are {', '.join(ACTS)}")
    return ACTS[word]


def act_on_matching(
    knowledge: Knowledge, act: Act, selection: Selection, *, dry_run: bool = False
) -> Flow[dict[str, int]]:
    """Act on all that fit and are in a state where the act means something: how many got which answer.

    With *dry_run* nothing is changed, and the only answer is ``matched``.
    """
    known = yield from knowledge.current()
    answers: Counter[str] = Counter()
    if act.decide is actions.decide_release and not dry_run:
        if selection.is_of_streams:
            answers[RELEASED] = yield from release_streams(known, selection.stream)
        streams = held_among((yield from repeat(read_holds())))
        act = act._replace(decide=partial(actions.decide_release, streams=streams))
    for shard in range(known.shards):
        cursor = "0"
        while True:
            cursor, now_ms, records = yield from scan(shard, cursor, selection)
            fitting = [
                record
                for record in records
                if isinstance(record, Record) and record.state in act.states and selection.fits(record)
            ]
            if dry_run:
                answers[WOULD] += len(fitting)
            elif fitting:
                answers.update((yield from _act_on(knowledge, known, act, (fitting, now_ms))))
            if cursor == "0":
                break
    return {answer: count for answer, count in answers.items() if count}


def _act_on(knowledge: Knowledge, known: KnownStore, act: Act, found: tuple[Sequence[Record], int]) -> Flow[list[str]]:
    """Act on some envelopes in one call; on those that changed meanwhile one by one."""
    records, now_ms = found
    answers: list[str] = []
    moves: list[Move] = []
    expected: list[StrEnum] = []
    alone: list[Record] = []
    for record in records:
        version = record.version
        answer, wish = act.decide(record, known.settings, now_ms)
        if isinstance(wish, Flag):
            alone.append(record)
        elif wish is None:
            answers.append(answer)
        else:
            expected.append(answer)
            moves.append(Move(record=wish.record, version=version, look_ms=wish.look_ms, event=wish.event))
    if moves:
        try:
            results: list[int] = yield move(moves, keep_events=known.settings.keep_events_max)
        except StoreUncertain:
            results = [MoveResult.STALE] * len(moves)
        for one, answer, result in zip(moves, expected, results, strict=True):
            if result == MoveResult.MOVED:
                answers.append(answer)
            else:
                alone.append(one.record)
    for record in alone:
        try:
            answers.append((yield from actions.act_on(knowledge, format_id(record.id), act.decide)))
        except (NotFound, AlreadyEnded):
            answers.append(CHANGED)
    return answers
